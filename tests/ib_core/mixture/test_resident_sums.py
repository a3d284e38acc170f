"""Densities on a device against float64 differences, pair by pair; torch's CPU stands for the device."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from ib_core import arrays
from ib_core.arrays import smaller_tiles
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import Groups, ungrouped
from ib_core.mixture.own_passes import log_mixture


@pytest.fixture(autouse=True)
def device(monkeypatch):
    monkeypatch.setattr(arrays, "resident", lambda device: device is not None)


def layer(d, beta, n=60, passes=3):
    """Atoms of a ReLU layer with an offset, half of them next to others, and points at, near and far from them."""
    rng = np.random.default_rng(d)
    means = np.maximum(rng.normal(size=(n, 1, d)), 0) + 10
    means[n // 2 :] = means[: n // 2] + 0.3 * beta * rng.normal(size=(n // 2, 1, d)) / math.sqrt(d)
    atoms = Atoms(means + beta * rng.normal(size=(n, passes, d)), beta, device="cpu")
    atom = rng.integers(n, size=50)
    points = atoms.centres[atom, 0] + rng.normal(size=(50, d))
    direction = rng.normal(size=(12, d))
    points[:12] += np.geomspace(3, 3e4, 12)[:, None] * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    points[12:16] = atoms.centres[-4:, 2] + rng.normal(size=(4, d))  # nearer to others than to their own
    laws = np.stack([np.full(n, 1 / n), np.eye(n)[3], rng.dirichlet(np.ones(n))], axis=1)
    return atoms, points, atom, laws


def expected(atoms, points, laws, among=None):
    with np.errstate(divide="ignore"):
        logs = atoms.exact(points)[:, :, None] + np.log(laws)
    return logsumexp(logs if among is None else np.where(among[:, :, None], logs, -np.inf), axis=1)


@pytest.mark.parametrize("beta", [0.005, 0.1, 2.0])
@pytest.mark.parametrize("d", [1, 3, 16, 64, 256])
def test_densities_are_those_of_differences(d, beta):
    atoms, points, atom, laws = layer(d, beta)
    group_of = np.repeat([0, 1], 30)
    grouped = Groups(laws, [slice(0, 30), slice(30, 60)], group_of)
    there = [torch.from_numpy(each) for each in (points, atom, group_of[atom])]
    plain, own = log_totals(atoms, there[0], ungrouped(laws)), atoms.own(*there)
    truth = expected(atoms, points, laws)
    np.testing.assert_allclose(plain[0], truth, rtol=1e-12, atol=1e-6)
    both = log_totals(atoms, there[0], grouped, own)
    among = expected(atoms, points, laws, group_of[atom][:, None] == group_of)
    np.testing.assert_allclose(both, np.stack([truth, among]), rtol=1e-12, atol=1e-6)
    with smaller_tiles(1e-7):  # a point at a time
        again = log_totals(atoms, there[0], grouped, own)
    np.testing.assert_allclose(again, both, rtol=1e-13, atol=1e-7)


def test_what_is_not_wanted_is_0_and_costs_nothing(monkeypatch):
    atoms, points, atom, laws = layer(3, 0.005)
    wanted = laws[atom] > 0
    assert not wanted.all()
    there = torch.from_numpy(points), torch.from_numpy(atom)
    own = atoms.own(*there, torch.zeros_like(there[1]))
    exact = []
    monkeypatch.setattr(atoms.sums, "exact", lambda *given: exact.append(len(given[0])))
    found = log_totals(atoms, there[0], ungrouped(laws), own, torch.from_numpy(wanted))[0].numpy()
    assert (found[~wanted] == 0).all() and not exact
    np.testing.assert_allclose(found[wanted], expected(atoms, points, laws)[wanted], rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize("without", [False, True])
def test_the_mixture_of_a_points_own_passes_is_the_hosts(without):
    rng = np.random.default_rng(0)
    centres, row = rng.normal(size=(5, 40, 3)), rng.integers(5, size=30)
    points, left_out = 3 * rng.normal(size=(30, 3)), rng.integers(40, size=30) if without else None
    given = [points, row, centres, left_out]
    there = [None if each is None else torch.from_numpy(each) for each in given]
    np.testing.assert_allclose(log_mixture(*there), log_mixture(*given), atol=2e-6)
