"""Cheap draws that both ends share change no mean: brackets hold as without them, and are far narrower."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from test_coverage import check_brackets, families, flips, gaussian, laws, neuron_chain

from ib_core.arrays import host
from ib_core.estimators.coarse_mixture import coarse_mixture
from ib_core.estimators.sample_propagation import layer_information
from ib_core.mixture.density import log_density
from ib_core.mixture.own_passes import log_mixture


@pytest.fixture(autouse=True)
def for_small_layers(monkeypatch):
    monkeypatch.setattr("ib_core.estimators.coarse_draws.LEAST_CENTRES", 0)
    monkeypatch.setattr("ib_core.estimators.coarse_draws.TILE", 2**17)  # several steps even here


@pytest.mark.parametrize("n", [80, pytest.param(200, marks=pytest.mark.slow)])
def test_brackets_hold(n):
    tight = dict(own=300, target_stderr=0.003, max_draws=30 * n, seeds=20)
    check_brackets(neuron_chain(n), laws(n), 5, **tight)
    check_brackets(neuron_chain(n, beta=0.1), laws(n, heavy=0.9), 20, **tight)
    check_brackets(gaussian(n, 5), laws(n), 20, **tight)


def test_brackets_hold_where_passes_rarely_flip():
    check_brackets(flips(80, 0.01), laws(80), 20, own=300, target_stderr=0.003, max_draws=2400, seeds=20)


def test_brackets_hold_with_further_passes_of_heavy_atoms():
    check_brackets(neuron_chain(80), laws(80, heavy=0.9), 10, made=300, target_stderr=0.003, max_draws=2400, seeds=10)


def runs(layer, seeds, weights=None, n_own=300, **settings):
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        passes, own = layer.passes(rng, 10), layer.passes(rng, n_own)
        settings = dict(target_stderr=0.002, max_draws=1600) | settings
        found.append(layer_information(passes, layer.beta, own=own, weights=weights, seed=seed, **settings))
    return found


@pytest.fixture(scope="module")
def controlled():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ib_core.estimators.coarse_draws.LEAST_CENTRES", 0)
        return runs(neuron_chain(80), 40, laws(80))


def test_the_ends_are_those_without_them(monkeypatch, controlled):
    monkeypatch.setattr("ib_core.estimators.coarse_draws.LEAST_CENTRES", 10**9)
    plain = runs(neuron_chain(80), 40, laws(80))
    for end in ("upper", "lower", "plug_in", "entropy", "conditional_entropy"):
        a, b = (np.array([getattr(run, end).value[0] for run in each]) for each in (controlled, plain))
        # The passes of both are the same; their draws are not.
        assert abs((a - b).mean()) < 4 * (a - b).std() / np.sqrt(40), end
        assert a.std() < 0.8 * b.std() or end == "plug_in", (end, a.std(), b.std())  # passes are what that one errs by


def test_points_know_nothing_of_the_passes_that_the_coarse_mixture_was_made_of(monkeypatch):
    # Pieces as small as here fit those very passes: around them it says too much.
    monkeypatch.setattr("ib_core.estimators.coarse_mixture.GAUSSIANS", 2000)
    layer, settings = gaussian(80, 4, beta=0.15, spread=0.4), dict(n_own=1000, target_stderr=0.02)
    controlled = runs(layer, 25, **settings)
    monkeypatch.setattr("ib_core.estimators.coarse_draws.LEAST_CENTRES", 10**9)
    for end in ("upper", "lower"):
        pairs = zip(controlled, runs(layer, 25, **settings), strict=True)
        excess = np.array([getattr(a, end).value - getattr(b, end).value for a, b in pairs])
        assert abs(excess.mean()) < 4 * excess.std() / np.sqrt(25), (end, excess.mean(), excess.std())


def test_errors_are_the_spread_between_seeds(controlled):
    # Passes too are drawn anew with every seed; errors count them, and events that were not seen besides.
    for end in ("upper", "lower"):
        values = np.array([getattr(run, end).value for run in controlled])
        stated = np.array([getattr(run, end).stderr for run in controlled]).mean(0)
        assert (values.std(0) < 1.2 * stated).all(), end
        assert stated[0] < {"upper": 0.01, "lower": 0.04}[end]  # one event in 300 passes would be seen by few seeds
    changes = np.array([[run.difference(k, 0) for k in (1, 2)] for run in controlled])
    assert (changes[..., 0].std(0) < 1.2 * changes[..., 1].mean(0)).all()


def test_what_cheap_draws_add_to_an_error_is_that_of_the_slopes_on_them(controlled):
    run = controlled[0]
    means, above, below, upper, lower = run._ends.shared
    spread = np.sqrt(np.diag(means.covariance))
    assert (spread > 0).all() and (spread <= means.errors[0] * (1 + 1e-9)).all()
    assert (means.errors[0] <= spread * means.widening * (1 + 1e-9)).all()
    # Without the pass that a point lies around, its own density differs by what is left out.
    apart = np.abs(means.lower_errors - means.errors[0])
    assert (means.left_out > 0).all() and (apart <= means.left_out * means.widening * 1.1).all()
    for k, j in ((1, 0), (2, 1)):
        share = np.zeros(3)
        share[k], share[j] = below[k], -above[j]
        root = np.sqrt(share @ means.covariance @ share) + abs(below[k]) * means.left_out[k]
        shared = root * max(means.widening[k], means.widening[j])
        expected = np.sqrt(lower[k] ** 2 + upper[j] ** 2 + shared**2)
        plain = np.hypot(run.lower.stderr[k], run.upper.stderr[j])
        assert run.change(k, j)[0].stderr == pytest.approx(min(expected, plain))
        share[k], share[j] = above[k], -above[j]
        shared = np.sqrt(share @ means.covariance @ share) * max(means.widening[k], means.widening[j])
        alone = run._ends.upper.spreads[0].error(np.eye(3)[k] - np.eye(3)[j])
        pooled = run._ends.pooled_error[k] + run._ends.pooled_error[j]
        assert run.difference(k, j).stderr == pytest.approx(np.sqrt(alone**2 + pooled**2 + shared**2))


def test_changes_are_known_better_than_both_informations():
    weights = laws(300)
    weights[:, 1] = 0.95 * weights[:, 0] + 0.05 * weights[:, 1]
    layer = neuron_chain(300, beta=0.5)
    rng = np.random.default_rng(0)
    passes = layer.passes(rng, 20)
    found = layer_information(passes, 0.5, own=layer.passes(rng, 500), weights=weights, target_stderr=0.005)
    low, high = found.change(1, 0)
    apart = np.hypot(found.lower.stderr[1], found.upper.stderr[0])
    assert low.stderr < 0.9 * apart and high.stderr < 0.9 * apart


def test_the_coarse_mixture_is_close_to_the_density_where_passes_overlap():
    rng = np.random.default_rng(0)
    centres = 0.4 * rng.normal(size=(200, 32, 2)) + rng.normal(size=(200, 1, 2))
    law, groups = rng.dirichlet(np.ones(200)), np.arange(200) % 3
    order = np.argsort(groups, kind="stable")
    centres, groups, weights = centres[order], groups[order], np.stack([law, np.full(200, 1 / 200)], axis=1)
    mixture = coarse_mixture(centres, groups, weights)
    points = rng.normal(size=(500, 2))
    totals, parts = mixture.logs(points, np.ones(500, int))
    flat = centres.reshape(-1, 2)
    for k in range(2):
        truth = log_density(points, flat, 1.0, weights=np.repeat(weights[:, k], 32) / 32) + np.log(2 * np.pi)
        assert np.abs(totals[:, k] - truth).max() < 0.05
        one = np.where(groups == 1, weights[:, k], 0)
        truth = log_density(points, flat, 1.0, weights=np.repeat(one, 32) / 32 / one.sum()) + np.log(2 * np.pi)
        assert np.abs(parts[:, k] - np.log(one.sum()) - truth).max() < 0.05


def cut(points: np.ndarray, atoms: np.ndarray, pieces: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points and their atoms, halved along their longest axis again and again."""
    if pieces == 1:
        return [(points, atoms)]
    axis = np.linalg.eigh(np.cov(points.T))[1][:, -1]
    order = np.argsort((points - points.mean(0)) @ axis * np.sign(axis[np.abs(axis).argmax()]))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    return [piece for half in halves for piece in cut(points[half], atoms[half], pieces // 2)]


@pytest.mark.parametrize("there", [np.asarray, torch.from_numpy])
def test_pieces_of_the_coarse_mixture_have_the_moments_and_weights_of_their_passes(there):
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [10, 118, 2])
    passes, weights = rng.normal(size=(130, 4, 2)) @ [[3.0, 1.0], [0.0, 0.5]], rng.dirichlet(np.ones(130), size=3).T
    mixture = coarse_mixture(there(passes), groups, there(weights))
    # Until less than eight passes are in one of them.
    assert [part.stop - part.start for part in mixture.slices] == [8, 64, 2]
    points, truth = rng.normal(size=(50, 2)) * 3, []
    for group, count in enumerate((8, 64, 2)):
        found = np.zeros((50, 3))
        for piece, atoms in cut(
            passes[groups == group].reshape(-1, 2), np.repeat(np.flatnonzero(groups == group), 4), count
        ):
            density = multivariate_normal(piece.mean(0), np.cov(piece.T, bias=True) + np.eye(2)).pdf(points)
            found += density[:, None] * weights[atoms].sum(0) / 4
        truth.append(np.log(found) + np.log(2 * np.pi))
    group = rng.integers(3, size=50)
    totals, parts = (host(each) for each in mixture.logs(there(points), there(group)))
    least = host(mixture.least)  # which no density is said to be below
    np.testing.assert_allclose(totals, np.maximum(np.logaddexp.reduce(truth), least), atol=1e-4)
    assert np.abs(parts - np.maximum(np.stack(truth)[group, np.arange(50)], least)).max() < 1e-4
    assert (totals > least).mean() > 0.5


def test_far_away_the_coarse_mixture_stays_finite():
    mixture = coarse_mixture(
        np.random.default_rng(0).normal(size=(50, 8, 2)), np.zeros(50, int), np.full((50, 1), 0.02)
    )
    totals, _ = mixture.logs(np.array([[1e3, 0.0], [1e15, -1e15], [1e30, 1e30]]), None)
    assert np.isfinite(totals).all()


@pytest.mark.parametrize("loops", [True, False])
def test_a_pass_that_is_left_out_counts_for_nothing(monkeypatch, loops):
    if not loops:
        monkeypatch.setitem(__import__("sys").modules, "ib_core.mixture.kernels.own_loops", None)
    rng = np.random.default_rng(0)
    centres, row, without = rng.normal(size=(3, 7, 2)), np.array([0, 1, 2, 2]), np.array([0, 3, 6, 2])
    points = centres[row, without] + 1e-9
    found = log_mixture(points, row, centres, without)
    for k in range(4):
        others = np.delete(centres[row[k]], without[k], axis=0)
        squares = np.square(points[k] - others).sum(1) / 2
        assert found[k] == pytest.approx(np.log(np.exp(-squares).mean()), abs=1e-6)


def test_few_own_passes_leave_none_for_them():
    layer = neuron_chain(40)
    rng = np.random.default_rng(0)
    found = layer_information(layer.passes(rng, 5), layer.beta, own=families(layer, 0, 30), target_stderr=0.02)
    assert found.bracket[0] < layer.truth(np.full(40, 1 / 40), np.zeros(40))[0] < found.bracket[1]
