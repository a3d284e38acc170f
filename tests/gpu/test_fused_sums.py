"""Log-densities on a card against float64 differences, pair by pair: traps, laws, labels, and the same bits."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from ib_core.arrays import smaller_tiles
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import Groups, OwnAtom, ungrouped
from ib_core.mixture.order import spatial_order
from ib_core.mixture.resident import resident_log_totals

pytest.importorskip("triton")

KINDS = {
    "tanh": lambda x: np.tanh(2 * x),
    "saturated": lambda x: np.tanh(40 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu far off": lambda x: np.maximum(x, 0) + 10,
    "uneven": lambda x: x * np.geomspace(1e-3, 30, x.shape[-1]),
}
# Where a density is e^-1e10, the last digit of a float64 is itself worth more than 1e-5.
CLOSE = {"rtol": 1e-13, "atol": 1e-5}


def layer(kind, d, beta, n=600, passes=3):
    """Atoms in pairs of neighbours, in spatial order, and their classes."""
    rng = np.random.default_rng(d)
    means = KINDS[kind](rng.normal(size=(n, d)))
    means[n // 2 :] = means[: n // 2] + 0.3 * beta * rng.normal(size=(n - n // 2, d)) / math.sqrt(d)
    group_of = rng.integers(3, size=n)
    order = spatial_order(means, group_of)
    means, group_of = means[order], group_of[order]
    signals = means[:, None] + (beta * rng.normal(size=(n, passes, d)) if passes > 1 else 0.0)
    bounds = np.searchsorted(group_of, np.arange(4))
    return signals, group_of, [slice(a, b) for a, b in pairwise(bounds)]


def laws(n, count):
    """Uniform, one atom, one far from uniform, and random ones."""
    rng = np.random.default_rng(0)
    columns = [np.full(n, 1 / n), np.eye(n)[3], np.r_[np.full(n - 1, 1e-30), 1 - (n - 1) * 1e-30]]
    columns += [rng.dirichlet(np.full(n, 0.3)) for _ in range(max(count - 3, 0))]
    return np.stack(columns[:count], axis=1)


def expected(atoms, points, weights, among=None):
    with np.errstate(divide="ignore"):
        exact = atoms.exact(points)
        exact = exact if among is None else np.where(among, exact, -np.inf)
        return np.stack([logsumexp(exact + np.log(law), axis=1) for law in weights.T], axis=1)


@pytest.mark.parametrize("beta", [0.005, 0.1, 1.0, 4.0])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 7, 10, 11, 16, 17, 64, 100, 256])
def test_every_point_is_within_1e_5(d, kind, beta):
    signals, _, _ = layer(kind, d, beta, passes=1)
    centres, rng = signals[:, 0], np.random.default_rng(1)
    direction = rng.normal(size=(24, d))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    tail = centres[:24] + beta * np.geomspace(3, 3e4, 24)[:, None] * direction
    points = np.concatenate([centres[::3] + beta * rng.normal(size=(200, d)), tail, 100 * rng.normal(size=(3, d))])
    squares = np.stack([np.square(point - centres).sum(1) for point in points]) / (2 * beta**2)
    truth = logsumexp(-squares, axis=1) - math.log(len(centres)) - d * math.log(beta * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(log_density(points, centres, beta, device="cuda"), truth, **CLOSE)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 17, 40, 64, 65, 300])
@pytest.mark.parametrize(
    ("d", "beta", "kind"), [(3, 0.1, "tanh"), (16, 0.3, "relu"), (64, 1.0, "tanh"), (10, 0.005, "tanh")]
)
def test_laws_and_labels_with_own_atoms(d, beta, kind, count):
    signals, group_of, slices = layer(kind, d, beta)
    atoms, weights, rng = Atoms(signals, beta, device="cuda"), laws(len(signals), count), np.random.default_rng(2)
    atom = rng.integers(len(signals), size=700)
    points = atoms.centres[atom, 0] + rng.normal(size=(700, d))
    points[:20] = atoms.centres[-20:, 2] + rng.normal(size=(20, d))  # nearer to others than to their own
    there = [torch.from_numpy(each).cuda() for each in (points, atom, group_of[atom])]
    own, wanted = atoms.own(*there), weights[atom] > 0
    for groups in (ungrouped(weights), Groups(weights, slices, group_of)):
        among = group_of[atom][:, None] == groups.group_of if len(groups.slices) > 1 else None
        truth = [expected(atoms, points, weights)]
        if among is not None:
            truth.append(expected(atoms, points, weights, among))
        found = log_totals(atoms, there[0], groups, own).cpu().numpy()
        np.testing.assert_allclose(found, np.stack(truth), **CLOSE)
        chosen = log_totals(atoms, there[0], groups, own, torch.from_numpy(wanted).cuda()).cpu().numpy()
        np.testing.assert_allclose(chosen, np.where(wanted, np.stack(truth), 0.0), **CLOSE)


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize(("d", "beta"), [(2, 0.1), (10, 0.1), (16, 0.3), (64, 1.0), (256, 2.0), (10, 0.005)])
def test_a_point_has_the_same_bits_in_every_run_and_place(d, beta, count):
    signals, group_of, slices = layer("tanh", d, beta)
    atoms, groups = Atoms(signals, beta, device="cuda"), Groups(laws(600, count), slices, group_of)
    rng = np.random.default_rng(0)
    atom = torch.from_numpy(rng.integers(600, size=1111)).cuda()
    points = atoms.there[atom, 0] + torch.from_numpy(rng.normal(size=(1111, d))).cuda()
    own = atoms.own(points, atom, torch.from_numpy(group_of).cuda()[atom])
    whole = log_totals(atoms, points, groups, own)
    assert torch.equal(whole, log_totals(atoms, points, groups, own))
    order = torch.from_numpy(rng.permutation(1111)).cuda()
    mixed = log_totals(atoms, points[order], groups, OwnAtom(*(field[order] for field in own)))
    assert torch.equal(whole[:, order], mixed)
    for part in (slice(0, 1), slice(5, 70), slice(1000, 1111)):
        alone = log_totals(atoms, points[part], groups, OwnAtom(*(field[part] for field in own)))
        assert torch.equal(whole[:, part], alone)
    with smaller_tiles(1e-4):
        assert torch.equal(whole, log_totals(atoms, points, groups, own))
    again = Atoms(signals, beta, device="cuda")
    assert torch.equal(whole, log_totals(again, points, groups, own))


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize(("d", "beta"), [(2, 0.02), (3, 0.001), (7, 0.02), (10, 0.005), (16, 0.01)])
def test_blocks_that_are_too_far_are_left_out_and_change_nothing(d, beta, count, monkeypatch):
    signals, group_of, slices = layer("tanh", d, beta, n=16384)
    atoms, groups = Atoms(signals, beta, device="cuda"), Groups(laws(16384, count), slices, group_of)
    rng = np.random.default_rng(0)
    atom = torch.from_numpy(np.sort(rng.integers(16384, size=5000))).cuda()
    points = atoms.there[atom, 0] + torch.from_numpy(rng.normal(size=(5000, d))).cuda()
    own = atoms.own(points, atom, torch.from_numpy(group_of).cuda()[atom])
    found = log_totals(atoms, points, groups, own)
    assert None not in atoms.sums._boxes.values()
    order = torch.from_numpy(rng.permutation(5000)).cuda()
    mixed = log_totals(atoms, points[order], groups, OwnAtom(*(field[order] for field in own)))
    assert torch.equal(found[:, order], mixed)
    monkeypatch.setattr(type(atoms.sums), "_near", lambda kernel, laws, size: None)
    torch.testing.assert_close(log_totals(atoms, points, groups, own), found, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("d", "n"), [(1, 1), (3, 5), (7, 120), (10, 1000), (64, 300), (784, 20)])
@pytest.mark.parametrize("left_out", [False, True])
def test_points_against_their_own_passes(d, n, left_out):
    from ib_core.mixture.own_passes import log_mixture

    if left_out and n == 1:
        return
    rng = np.random.default_rng(0)
    centres, row = 5 * rng.normal(size=(40, n, d)), rng.integers(40, size=500)
    points = centres[row, rng.integers(n, size=500)] + rng.normal(size=(500, d))
    points[:9] += 1e3
    without = rng.integers(n, size=500) if left_out else None
    squares = np.square(points[:, None] - centres[row]).sum(2) / 2
    if without is not None:
        squares[np.arange(500), without] = np.inf
    truth = logsumexp(-squares, axis=1) - math.log(n - left_out)
    there = [None if each is None else torch.from_numpy(each).cuda() for each in (points, row, centres, without)]
    np.testing.assert_allclose(log_mixture(*there).cpu().numpy(), truth, rtol=1e-13, atol=1e-6)


def test_slices_serve_where_they_may_and_float64_elsewhere():
    from ib_core.mixture.kernels.fused.sums import FusedSums

    forms = {}
    for d, beta in ((3, 0.1), (16, 0.3), (64, 1.0), (10, 0.005), (256, 0.05)):
        atoms = Atoms(layer("tanh", d, beta)[0], beta, device="cuda")
        forms[d, beta] = getattr(atoms.sums.half, "form", None)
        points = atoms.there[:, 0] + torch.randn(600, d, device="cuda", dtype=torch.float64)
        groups = ungrouped(np.full((600, 1), 1 / 600))
        double = resident_log_totals(FusedSums(atoms.there, half=False), points, groups)
        assert float((log_totals(atoms, points, groups) - double).abs().max()) < 1e-5
    assert list(forms.values()) == ["columns", "near", "apart", None, None]
