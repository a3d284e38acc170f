"""log_density against its slow twin: float64 differences, pair by pair."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from ib_core.channels.closed_forms import noise_entropy
from ib_core.estimators.pairwise import pairwise_bounds
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import Groups, ungrouped
from ib_core.mixture.order import spatial_order
from ib_core.mixture.quadrature import ERRORS, quadrature_entropy

BACKENDS = ["numba", "torch"]


def twin(points, centres, beta, weights=None):
    """ln p(t) as the formula says."""
    weights = np.full(len(centres), 1 / len(centres)) if weights is None else weights
    squares = np.square(points[:, None] - centres).sum(2)
    with np.errstate(divide="ignore"):
        logs = np.log(weights) - squares / (2 * beta**2)
    return logsumexp(logs, axis=1) - points.shape[1] * math.log(beta * math.sqrt(2 * math.pi))


def layer(rng, n, d, activation):
    signals = rng.normal(size=(n, d))
    return np.tanh(2 * signals) if activation == "tanh" else np.maximum(signals, 0) + 10


def assert_close(found, truth):
    # Where the density is e^-1e10, the last digit of a float64 is itself worth more than 1e-5.
    np.testing.assert_allclose(found, truth, rtol=1e-13, atol=1e-5)


@pytest.mark.parametrize("beta", [0.005, 0.1, 2.0])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(
    ("backend", "d"), [*[("numba", d) for d in (1, 3, 4, 16, 64, 256)], *[("torch", d) for d in (1, 7, 64, 256)]]
)
def test_every_point_is_within_1e_5_of_the_twin(backend, d, beta, activation):
    rng = np.random.default_rng(d)
    centres = layer(rng, 300, d, activation)
    near = centres[:80] + beta * rng.normal(size=(80, d))
    tail = centres[:40] + 8 * beta * rng.normal(size=(40, d))
    elsewhere = 100 * rng.normal(size=(20, d))
    points = np.concatenate([near, tail, elsewhere])
    assert_close(log_density(points, centres, beta, backend=backend), twin(points, centres, beta))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(("backend", "d"), [("numba", 3), ("numba", 16), ("torch", 16)])
def test_tails_are_within_1e_5_at_every_distance(backend, d, activation):
    # At beta = .1 float32 coordinates are as large as they get.
    rng = np.random.default_rng(d)
    centres = np.tile(layer(rng, 300, d, activation), (4, 1))
    direction = rng.normal(size=centres.shape)
    distance = np.linspace(0, 11, len(centres))[:, None] / np.linalg.norm(direction, axis=1, keepdims=True)
    points = centres + 0.1 * distance * direction
    assert_close(log_density(points, centres[:300], 0.1, backend=backend), twin(points, centres[:300], 0.1))


@pytest.mark.parametrize(
    ("n", "d", "beta"),
    [
        *[(1, d, beta) for d in (3, 64) for beta in (0.005, 2.0)],
        *[(100_000, d, beta) for d, beta in ((3, 0.005), (3, 2.0), (64, 0.005))],
        *[(200, 1024, beta) for beta in (0.005, 0.1, 2.0)],
    ],
)
def test_one_centre_or_many_and_wide_layers(n, d, beta):
    rng = np.random.default_rng(n)
    centres = layer(rng, n, d, "relu")
    points = np.concatenate([centres[:3] + beta * rng.normal(size=(min(n, 3), d)), rng.normal(size=(1, d))])
    truth = np.concatenate([twin(point[None], centres, beta) for point in points])
    assert_close(log_density(points, centres, beta), truth)


@pytest.mark.slow
def test_compiled_loops_share_no_file_on_disk(tmp_path):
    # Processes that add to one index at the same time could exchange its entries.
    kinds = """
import numpy as np
from ib_core.mixture import log_density
from ib_core.mixture.atoms import Atoms
for d, beta in ((2, 0.01), (2, 1.0)):  # in float64 and in float32
    centres = np.random.default_rng(0).normal(size=(300, d))
    log_density(centres[:70], centres, beta)
    Atoms(centres[:, None], beta).sums.nearest(centres[:9])
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", kinds], env=environment, check=True)
    indices, codes = (sorted(path.name for path in tmp_path.rglob(f"*.{end}")) for end in ("nbi", "nbc"))
    assert len(indices) == 5  # two of sums, two of nearest centres, one of gaps
    assert codes == [name.replace(".nbi", ".1.nbc") for name in indices]


def test_without_numba_torch_takes_over(monkeypatch):
    monkeypatch.setitem(sys.modules, "ib_core.mixture.kernels.numba_kernel", None)
    centres = np.random.default_rng(0).normal(size=(20, 2))
    assert_close(log_density(centres, centres, 0.1), twin(centres, centres, 0.1))
    with pytest.raises(ModuleNotFoundError):
        log_density(centres, centres, 0.1, backend="numba")


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_may_vanish_on_all_that_is_near(backend):
    rng = np.random.default_rng(0)
    centres = np.concatenate([rng.normal(size=(100, 3)), rng.normal(size=(100, 3)) + 50])
    weights = np.stack([np.full(200, 1 / 200), np.eye(200)[0], np.r_[np.zeros(100), np.full(100, 0.01)]], axis=1)
    weights = np.concatenate([weights, np.r_[np.full(199, 1e-30), 1 - 199e-30][:, None]], axis=1)
    points = centres + 0.1 * rng.normal(size=centres.shape)
    found = log_density(points, centres, 0.1, weights=weights, backend=backend)
    for k in range(weights.shape[1]):
        assert_close(found[:, k], twin(points, centres, 0.1, weights[:, k]))


def test_float32_input_is_taken_exactly():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(50, 3)).astype(np.float32) + np.float32(10)
    points = torch.from_numpy(centres[:20] + np.float32(0.01))
    assert_close(log_density(points, centres, 0.005), twin(points.double().numpy(), centres.astype(float), 0.005))


@pytest.mark.parametrize("beta", [0.3, 3.0])
@pytest.mark.parametrize("d", [4, 12, 40])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_has_the_same_bits_alone_and_among_others(backend, d, beta):
    rng = np.random.default_rng(2)
    centres = rng.normal(size=(500, d))
    points = centres[:150] + beta * rng.normal(size=(150, d))
    weights = rng.dirichlet(np.ones(500), size=3).T
    together = log_density(points, centres, beta, weights=weights, backend=backend)
    for part in (slice(0, 1), slice(70, 71), slice(149, 150), slice(3, 20), slice(50, 111)):
        alone = log_density(points[part], centres, beta, weights=weights, backend=backend)
        np.testing.assert_array_equal(together[part], alone)


def test_columns_agree_with_one_by_one_evaluation():
    rng = np.random.default_rng(3)
    centres, points = rng.normal(size=(400, 4)), rng.normal(size=(100, 4))
    weights = rng.dirichlet(np.ones(400), size=20).T
    together = log_density(points, centres, 0.5, weights=weights)
    apart = np.stack([log_density(points, centres, 0.5, weights=w) for w in weights.T], axis=1)
    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-10)


@pytest.mark.parametrize("laws", [1, 6, 40])
@pytest.mark.parametrize(("backend", "n_x"), [("numba", 70), ("numba", 100), ("numba", 201), ("torch", 70)])
def test_totals_of_many_passes_skip_nothing_that_counts(backend, n_x, laws):
    rng = np.random.default_rng(4)
    passes = np.tanh(rng.normal(size=(130, 1, 3)) + 0.1 * rng.normal(size=(130, n_x, 3)))
    atoms = Atoms(passes[spatial_order(passes.mean(1), np.zeros(130))], 0.02, backend)
    points = atoms.centres[::4, 3] + rng.normal(size=(33, 3))
    nearest = atoms.sums.nearest(points)
    squares = np.square(points[:, None, None] - atoms.centres).sum(3) / 2
    np.testing.assert_allclose(nearest, squares.min((1, 2)), rtol=1e-5)
    weights = rng.dirichlet(np.ones(130), size=laws).T
    groups = Groups(weights, [slice(0, 40), slice(40, 130)], (np.arange(130) >= 40).astype(int))
    atom = np.arange(130)[::4]
    own = atoms.own(points, atom, groups.group_of[atom])
    kernel = np.exp(nearest[:, None, None] - squares).sum(2)
    same = groups.group_of[atom][:, None] == groups.group_of
    prepared = atoms.sums.prepare(groups)
    for trial in atoms.sums.trials(prepared, True):
        totals = atoms.sums.totals(points, nearest, prepared, own, trial)
        np.testing.assert_allclose(totals[0], kernel @ weights, rtol=1e-5, atol=trial.smallest)
        np.testing.assert_allclose(totals[1], (kernel * same) @ weights, rtol=1e-5, atol=trial.smallest)


@pytest.mark.parametrize("radius", [0.0, 20.0, 400.0])
def test_wide_layers_see_other_atoms_within_1e_5(radius):
    rng = np.random.default_rng(6)
    middle = rng.normal(size=64)
    sides = np.where(np.arange(256) % 2, radius, -radius)[:, None] * middle / np.linalg.norm(middle)
    atoms = Atoms((sides + 1e-3 * rng.normal(size=(256, 64)))[:, None], 1.0, "numba")
    points, atom = atoms.centres[:, 0] + rng.normal(size=(256, 64)), np.arange(256)
    groups = Groups(np.full((256, 1), 1 / 256), [slice(0, 256)], np.zeros(256, int))
    found = log_totals(atoms, points, groups, atoms.own(points, atom, groups.group_of))[0, :, 0]
    assert_close(found, logsumexp(atoms.exact(points), axis=1) - math.log(256))


@pytest.mark.parametrize("laws", [1, 3, 40])
@pytest.mark.parametrize("beta", [0.02, 0.3, 1.0])
def test_points_without_an_own_centre_find_their_nearest(beta, laws):
    rng = np.random.default_rng(8)
    centres = np.tanh(rng.normal(size=(700, 64)))
    centres[300:400] = centres[:100]  # twice the same, under other weights
    points = centres[rng.integers(700, size=400)] + beta * rng.normal(size=(400, 64))
    points[:40] += 30 * beta * rng.normal(size=(40, 64))  # far tails
    points[40:80] = (centres[40:80] + centres[540:580]) / 2  # as near to one as to another
    weights = rng.dirichlet(np.ones(700), size=laws).T
    weights[:350, 0], weights[350:, 0] = 0.0, 1 / 350  # the nearest centre may have no weight
    found = log_density(points, centres, beta, weights=weights, backend="numba")
    exponents = -np.square(points[:, None] - centres).sum(2) / (2 * beta**2)
    with np.errstate(divide="ignore"):
        logs = logsumexp(exponents[:, :, None] + np.log(weights), axis=1)
    assert_close(found, logs - 64 * math.log(beta * math.sqrt(2 * math.pi)))


def twin_logs(points, centres):
    """(m, N) of ln sum_k exp(-|t - s_jk|^2 / 2) as the formula says."""
    return np.stack([logsumexp(-np.square(point - centres).sum(2) / 2, axis=1) for point in points])


def layers(rng, n, d):
    """Signals (n, d) that have cost kernels their digits, all within a few units."""
    normal = rng.normal(size=(n, d))
    corners = np.sign(rng.normal(size=(max(1, n // 20), d)))[rng.integers(max(1, n // 20), size=n)]
    clusters = rng.uniform(size=(5, d))[rng.integers(5, size=n)]
    return {
        "saturated": corners,
        "saturated, rare flips": corners * np.where(rng.random((n, d)) < 1 / d, -1, 1),
        "doubled rows": np.tanh(normal)[np.arange(n) // 2],
        "clusters": clusters,
        "near clusters": clusters + 1e-3 * normal,
        "ReLU, offset": np.maximum(normal, 0) + 10,
        "one far outlier": np.concatenate([0.03 * normal[1:], np.full((1, d), 30.0)]),
        "one coordinate": 0.01 * normal + 3 * np.eye(d)[0] * rng.normal(size=(n, 1)),
        "equal coordinates": rng.normal(size=(n, 1)) * np.ones(d),
    }


@pytest.mark.parametrize("laws", [2, 40])
@pytest.mark.parametrize(("d", "n_x"), [(3, 1), (3, 100), (12, 1), (12, 2), (40, 1), (40, 2), (300, 1), (4096, 1)])
def test_every_kind_of_layer_is_within_1e_5_at_every_noise(d, n_x, laws):
    rng = np.random.default_rng(d + n_x)
    n, m = (26, 12) if d > 1000 or n_x > 50 else (150, 30)
    label_of = np.arange(n) * 2 // n
    weights = rng.dirichlet(np.ones(n), size=laws).T
    weights[: n // 2, 1], weights[n // 2 :, 1] = 0.0, 1 / (n - n // 2)
    groups = Groups(weights, [slice(0, n // 2), slice(n // 2, n)], label_of)
    for signals in layers(rng, n, d).values():
        signals = signals[spatial_order(signals, label_of)]
        for beta in (1.0, 0.1, 3e-3, 1e-5, 3e-7, 3e-9)[:: 1 + (laws > 2)]:
            passes = signals[:, None] + (n_x > 1) * beta * rng.normal(size=(n, n_x, d))
            atoms, atom = Atoms(passes, beta, "numba"), rng.integers(n, size=m)
            points = atoms.centres[atom, 0] + rng.normal(size=(m, d))
            points[:3] = atoms.centres[atom[:3], -1]
            logs, own = twin_logs(points, atoms.centres), label_of[atom][:, None] == label_of
            with np.errstate(divide="ignore", invalid="ignore"):
                truth = [
                    logsumexp(part[:, :, None] + np.log(weights), axis=1)
                    for part in (logs, np.where(own, logs, -np.inf))
                ]
            found = log_totals(atoms, points, groups, atoms.own(points, atom, label_of[atom]))
            np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-5)
            if d > 1000 and laws > 2:
                continue
            points[3:11] *= 10 ** rng.uniform(0, 2, size=(8, 1))  # far tails
            logs = twin_logs(points, atoms.centres)
            with np.errstate(divide="ignore"):
                truth = logsumexp(logs[:, :, None] + np.log(weights), axis=1)
            np.testing.assert_allclose(log_totals(atoms, points, ungrouped(weights))[0], truth, rtol=1e-12, atol=1e-5)
            near = np.delete(np.arange(m), range(3, 11))
            offset = -logs[near].max(1)
            kernel = atoms.sums.matrix(points[near], offset)
            counts = logs[near] + offset[:, None] > -15
            np.testing.assert_allclose(
                np.log(kernel[counts]), (logs[near] + offset[:, None])[counts], rtol=0, atol=1e-5
            )


def test_equal_clusters_beside_an_outlier_have_their_entropy():
    a, b = np.random.default_rng(0).uniform(0, 200, (2, 64))
    signals = np.stack([a, a, b, b, np.full(64, 3e4)])
    truth = -0.8 * math.log(0.4) - 0.2 * math.log(0.2)
    found = layer_information(signals[:, None], 1.0, target_stderr=1e-3, deterministic=True)
    assert found.reached and abs(found.plug_in.value - truth) < 4 * found.plug_in.stderr + 1e-5
    low, high = pairwise_bounds(signals[:, None], 1.0).information
    assert low == pytest.approx(truth, abs=1e-5) and high == pytest.approx(truth, abs=1e-5)
    entropy = smoothed_entropy(signals, 1.0)
    assert abs(entropy.value - truth - noise_entropy(64, 1.0)) < 4 * entropy.stderr + 1e-5


def test_atoms_of_a_group_stand_together_in_spatial_order():
    rng = np.random.default_rng(5)
    group_of = rng.integers(3, size=1000)
    order = spatial_order(rng.normal(size=(1000, 4)), group_of)
    assert sorted(order) == list(range(1000))
    assert (np.diff(group_of[order]) >= 0).all()


@pytest.mark.parametrize(("d", "error"), [(1, 1e-9), (2, 1e-9), (3, 2e-6)])
@pytest.mark.parametrize("distance", [0.0, 2.0, 5.5, 8.0, 40.0])
def test_quadrature_is_as_near_as_it_says(d, error, distance):
    centres = np.zeros((2, d))
    centres[1, 0] = distance
    t = np.arange(-12, distance + 12, 1e-3)
    density = (np.exp(-(t**2) / 2) + np.exp(-((t - distance) ** 2) / 2)) / math.sqrt(8 * math.pi)
    truth = -float((density * np.log(density)).sum()) * 1e-3 + (d - 1) * 0.5 * math.log(2 * math.pi * math.e)
    assert abs(quadrature_entropy(centres, np.full(2, 0.5)) - truth) < error


def test_quadrature_of_a_lattice_is_as_near_as_it_says():
    line = 5.5 * np.arange(8.0)[:, None]
    truth = 3 * quadrature_entropy(line, np.full(8, 1 / 8))
    lattice = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    assert abs(quadrature_entropy(lattice, np.full(512, 1 / 512)) - truth) < ERRORS[3]


def test_quadrature_declines_what_it_cannot_afford():
    assert quadrature_entropy(np.zeros((4, 4)), np.full(4, 0.25)) is None
    assert quadrature_entropy(np.array([[0.0], [1e9]]), np.full(2, 0.5)) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(points=np.zeros(3)), r"points must have shape \(m, d\)"),
        (dict(points=np.zeros((3, 1))), "points have 1 coordinates, centres 2"),
        (dict(centres=np.array([[0.0, np.nan], [np.inf, np.nan]])), "2 of 4 are NaN and 1 are infinite"),
        (dict(beta=0.0), "beta must be positive"),
        (dict(weights=np.array([0.5, 0.6])), "sum to 1 within 1e-9"),
        (dict(weights=np.array([1.5, -0.5])), "weights must not be negative"),
        (dict(weights=np.ones(3) / 3), "one row for each of the 2 atoms"),
        (dict(backend="jax"), "backend must be"),
    ],
)
def test_refusals_name_the_argument(arguments, message):
    valid = dict(points=np.zeros((3, 2)), centres=np.zeros((2, 2)), beta=1.0)
    call = {**valid, **arguments}
    with pytest.raises(ValueError, match=message):
        log_density(call.pop("points"), call.pop("centres"), call.pop("beta"), **call)


def test_passes_far_from_all_others_of_a_narrow_layer_take_no_slow_way(monkeypatch):
    """Points of fresh passes where passes lie apart: hundreds of nats from the nearest centre, and exact to 1e-6."""
    rng = np.random.default_rng(0)
    centres = 30 * rng.normal(size=(200, 1, 8)) + 6 * rng.normal(size=(200, 8, 8))
    owner = np.arange(200)
    points = centres.mean(1) + 8 * rng.normal(size=(200, 8))
    atoms, groups = Atoms(centres, 1.0, "numba"), ungrouped(rng.dirichlet(np.ones(200), size=2).T)
    points = atoms.scaled(points)
    own = atoms.own(points, owner, groups.group_of[owner])
    assert np.median(own.offset) > 100
    truth = logsumexp(atoms.exact(points)[:, :, None] + np.log(groups.weights), axis=1)
    evaluated = []
    monkeypatch.setattr(atoms, "exact", lambda tile: evaluated.append(len(tile)) or np.full((len(tile), 200), np.nan))
    found = log_totals(atoms, points, groups, own)[0]
    assert sum(evaluated) == 0
    np.testing.assert_allclose(found, truth, atol=1e-6)
