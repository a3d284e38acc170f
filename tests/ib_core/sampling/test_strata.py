"""Stratified means against sums written out; their errors against brute force and the normal law."""

import math

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import norm

from ib_core.estimate import WIDTH
from ib_core.mixture.atoms import Atoms
from ib_core.sampling.draws import Draws
from ib_core.sampling.strata import Strata, quantile, widening
from ib_core.sampling.until import EVENTS, Sampler, Spread, Unseen, planned_units


def units(rng, count, variables, n, columns, controls=2):
    """`count` units of values that their controls explain in part."""
    found = []
    for _ in range(count):
        control = rng.normal(size=(n, controls))
        values = rng.normal(size=(variables, n, columns)) + (control @ [[2.0], [-1.0]])[None]
        found.append((values + np.arange(n)[:, None], control))
    return found


@pytest.mark.parametrize("count", [2, 5, 9])
def test_means_and_covariances_are_those_of_the_definition(count):
    rng = np.random.default_rng(count)
    given = [(values, 0 * control) for values, control in units(rng, count, 3, 7, 4)]
    weights = rng.dirichlet(np.ones(7), size=4).T
    strata = Strata(weights, 2, given)
    values = np.stack([unit[0] for unit in given])  # (R, V, n, K)
    np.testing.assert_allclose(strata.means(), (values.mean(0) * weights).sum(1), rtol=1e-12)
    np.testing.assert_allclose(strata.stratum_means(), values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(strata.stratum_variances(), values.var(0, ddof=1) / count, rtol=1e-9)
    covariance, variance = strata.spread()
    for v in range(3):
        expected = np.zeros((4, 4))
        for i in range(7):
            expected += np.outer(weights[i], weights[i]) * np.cov(values[:, v, i].T, ddof=1) / count
        np.testing.assert_allclose(variance[v], np.diag(expected), rtol=1e-9)
        if v < 2:
            np.testing.assert_allclose(covariance[v], expected, rtol=1e-9)


def test_one_unit_takes_the_differences_of_neighbouring_strata_for_its_spread():
    values, weights = np.array([1.0, 4.0, 2.0, 2.5, 7.0]), np.array([0.1, 0.2, 0.3, 0.1, 0.3])
    strata = Strata(weights[:, None], 1, [(values[None, :, None], np.zeros((5, 1)))])
    w = weights * values
    expected = (w[0] - w[1]) ** 2 + (w[2] - w[3]) ** 2 + w[4] ** 2  # an odd one has no neighbour
    assert strata.spread()[1] == pytest.approx(expected) and strata.spread()[0] == pytest.approx(expected)


def slopes(values, controls, weights, by_stratum=True):
    """By least squares over (units, n): deviations from the strata's means, weighted with squared weights."""
    axis = 0 if by_stratum else 1
    values, controls = values - values.mean(axis, keepdims=True), controls - controls.mean(axis, keepdims=True)
    root = np.broadcast_to(weights, values.shape).reshape(-1, 1)
    return np.linalg.lstsq(root * controls.reshape(len(root), -1), root[:, 0] * values.reshape(-1), rcond=None)[0]


def test_no_slope_corrects_a_draw_that_it_comes_from():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(400, 5.0))
    # With two units, each half of the strata takes the slopes of the other half.
    given = units(rng, 2, 1, 400, 1)
    values, controls = (np.stack(part) for part in zip(*given, strict=True))
    values = values[:, 0, :, 0]
    corrected = values.copy()
    for mine, others in ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2))):
        corrected[:, mine] -= controls[:, mine] @ slopes(values[:, others], controls[:, others], weights[others])
    found = Strata(weights[:, None], 1, given)
    assert found.means()[0, 0] == pytest.approx(corrected.mean(0) @ weights, rel=1e-9)
    # With six, units of even number take those of odd ones and the reverse; later ones take those of all six.
    given = units(rng, 8, 1, 400, 1)
    values, controls = (np.stack(part) for part in zip(*given, strict=True))
    values, corrected = values[:, 0, :, 0], values[:, 0, :, 0].copy()
    for k in range(8):
        others = slice(1 - k % 2, 6, 2) if k < 6 else slice(0, 6)
        corrected[k] -= controls[k] @ slopes(values[others], controls[others], weights)
    found = Strata(weights[:, None], 1, given[:6])
    for unit in given[6:]:
        found.add(unit)
    assert found.means()[0, 0] == pytest.approx(corrected.mean(0) @ weights, rel=1e-9)
    # Few strata that carry the weight have no slopes at all.
    heavy = np.full(400, 0.1 / 398)
    heavy[:2] = 0.45
    few = Strata(heavy[:, None], 1, given[:2])
    assert few.means()[0, 0] == pytest.approx(values[:2].mean(0) @ heavy, rel=1e-12)


@pytest.mark.parametrize(("n", "degrees"), [(1, 1), (1, 4), (3, 1), (5, 3), (20, 1), (300, 1)])
def test_widened_errors_cover_nearly_as_often_as_those_of_a_normal_variable(n, degrees):
    runs, rng = 200_000 if n < 300 else 40_000, np.random.default_rng(n)
    weights = rng.dirichlet(np.ones(n))
    means = np.abs(weights @ rng.normal(size=(n, runs))) / math.sqrt(degrees + 1)
    parts = np.square(weights)[:, None] * rng.chisquare(degrees, size=(n, runs)) / degrees / (degrees + 1)
    error = np.sqrt(parts.sum(0))
    wide = widening(parts[None], np.full(n, float(degrees)))[0]
    missed, plain = (means > WIDTH * wide * error).mean(), (means > WIDTH * error).mean()
    allowed = 2 * norm.sf(WIDTH)
    noise = 4 * math.sqrt(allowed / runs)
    if n == 1:  # then it is Student's law itself
        assert abs(missed - allowed) < noise < 0.02 < plain
    elif n == 300:
        assert missed < 1.3 * allowed + noise
    else:  # few strata with few degrees: the degrees of a sum are themselves hardly known
        assert allowed < missed < 0.4 * plain


def test_quantiles_of_students_law():
    # One degree of freedom is Cauchy's law; with many it is the normal one.
    one, many = quantile(np.array([1.0, math.inf]))
    assert one == pytest.approx(math.tan(math.pi * (norm.cdf(3) - 0.5))) and many == pytest.approx(3, rel=1e-6)


def test_controls_have_mean_0_in_every_stratum():
    rng = np.random.default_rng(0)
    passes = rng.normal(size=(6, 1, 3)) + 0.7 * rng.normal(size=(6, 5, 3))
    for sampled in (False, True):
        weights = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])[:, None]
        draws = Draws(Atoms(passes, 0.5), np.full(6, 5), weights, sampled, 0, "test")
        found = []
        for block in range(draws.max_units or 60):
            chosen = draws.block(block)
            if len(chosen.atom):
                controls = draws.controls(chosen, draws.atoms.centres[chosen.atom, chosen.signal])
                found += draws.by_unit(controls.T[:, :, None])
        found = np.stack(found)[..., 0]  # (units, controls, strata)
        assert found.shape[1] == 3 and (found.std(0) > 0.01).all()
        assert (np.abs(found.mean(0)) < 4.5 * found.std(0, ddof=1) / math.sqrt(len(found)) + 1e-9).all() or sampled


def test_units_of_a_sample_never_show_a_signal_twice_and_average_all_draws_of_an_atom():
    rng = np.random.default_rng(0)
    passes, weights = rng.normal(size=(10, 40, 2)), np.full((10, 1), 0.1 / 9)
    weights[3] = 0.9  # of nine times the mean weight
    draws = Draws(Atoms(passes, 0.5), np.full(10, 40), weights, True, 0, "test", most_units=20)
    seen = {atom: [] for atom in range(10)}
    blocks = -(-draws.max_units // draws.units)
    for block in range(blocks):
        chosen = draws.block(block)
        values = rng.normal(size=len(chosen.atom))
        parts = draws.by_unit(values[None, :, None])
        size = len(chosen.atom) // len(parts)
        for k, part in enumerate(parts):
            rows = slice(k * size, (k + 1) * size)
            atom, signal = chosen.atom[rows], chosen.signal[rows]
            for i in range(10):
                assert part[0, i, 0] == pytest.approx(values[rows][atom == i].mean())
                seen[i] += sorted(set(signal[atom == i]))
    for i in range(10):
        assert len(seen[i]) == len(set(seen[i])) == (20 if i != 3 else 20 * draws.seen[3])
    assert draws.max_units == 20 and draws.copies[3] == draws.seen[3] == 2


@pytest.mark.parametrize("sampled", [True, False])
def test_draws_begin_at_a_random_signal_of_every_atom(sampled, monkeypatch):
    # So that a few draws are a fair sample of the signals, in whatever order those were given.
    monkeypatch.setattr("ib_core.sampling.draws.MOST_CELLS", 0)
    n, signals = 2000, 5
    draws = Draws(
        Atoms(np.zeros((n, signals, 1)), 1.0), np.full(n, signals), np.full((n, 1), 1 / n), sampled, 0, "test"
    )
    first, *_ = draws.by_unit(draws.block(0).signal[None, :, None].astype(float))
    counts = np.bincount(first.reshape(-1).astype(int), minlength=signals)
    assert (np.abs(counts - n / signals) < 4 * math.sqrt(n / signals)).all()


def test_a_channel_of_its_signals_gives_every_copy_its_share_of_the_weight():
    passes, weights = np.random.default_rng(0).normal(size=(20, 3, 2)), np.full((20, 1), 0.5 / 19)
    weights[7] = 0.5
    draws = Draws(Atoms(passes, 0.5), np.full(20, 3), weights, False, 0, "test")
    assert draws.weights.sum() == pytest.approx(1)
    for i in range(20):
        mine = draws.weights[draws.stratum_atom == i, 0]
        assert mine.sum() == pytest.approx(weights[i, 0]) and len(mine) == 3 * (2 if i == 7 else 1)
    assert draws.shares[7, 0] == pytest.approx(0.5 / 6)


def test_many_matrices_are_inverted_some_at_a_time(monkeypatch):
    passes = np.random.default_rng(0).normal(size=(7, 5, 3))
    found = []
    for size in (100, 2):
        monkeypatch.setattr("ib_core.sampling.draws.MATRICES", size)
        draws = Draws(Atoms(passes, 1.0), np.full(7, 5), np.full((7, 1), 1 / 7), True, 0, "test")
        found.append(draws.own_precision)
    spreads = np.stack([np.cov(each.T, bias=True) for each in passes]) + np.eye(3)
    for each in found:
        np.testing.assert_allclose(each, np.linalg.inv(spreads), rtol=1e-6)


def test_unseen_events_that_add_information_are_shared_out_as_a_linear_programme_would():
    rng = np.random.default_rng(0)
    for _ in range(20):
        law, counts = rng.dirichlet(np.ones(5)), rng.integers(20, 90, size=5)
        gain = law * (1 - np.log(law))
        most = -linprog(-gain, counts[None].astype(float), [EVENTS], bounds=(0, 1), method="highs").fun
        assert WIDTH * Unseen(law[:, None], counts, loss=False).errors()[0] == pytest.approx(most)


def test_the_error_of_a_sum_of_laws_counts_its_covariance_its_degrees_and_one_event():
    covariance, shares = np.array([[4.0, 1.0], [1.0, 9.0]]) * 1e-6, np.array([[0.01, 0.0], [0.0, 0.02]])
    drawn = Spread(covariance, np.array([1.0, 1.5]), shares, sampled=False)
    assert drawn.error(np.array([1.0, 0.0])) == pytest.approx(math.hypot(2e-3, 0.01))
    assert drawn.error(np.array([1.0, -1.0])) == pytest.approx(math.hypot(1.5 * math.sqrt(11e-6), 0.02))
    passes = Spread(covariance, np.array([1.0, 1.5]), shares, sampled=True)
    event = 0.02 * EVENTS * (1 - math.log(0.02)) / WIDTH
    assert passes.error(np.array([0.0, 1.0])) == pytest.approx(math.hypot(1.5 * 3e-3, event))


def test_so_many_more_units_as_a_sampler_asks_for_meet_its_target():
    passes, rng = np.random.default_rng(0).normal(size=(30, 4, 2)), np.random.default_rng(1)
    draws = Draws(Atoms(passes, 0.5), np.full(30, 4), np.full((30, 1), 1 / 30), False, 0, "test")
    sampler = Sampler(draws, 1, 1, np.array([1e-3]), 10**9)
    for _ in range(50):
        variance, events = rng.uniform(0, 1e-4, (1, 1)), rng.uniform(0, 0.05, (1, 1))
        more = sampler._more(variance, events)
        assert variance[0, 0] / more + (events[0, 0] / more) ** 2 == pytest.approx(1e-6)


def test_planned_units_are_the_first_that_are_enough():
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights, variance = rng.dirichlet(np.ones(12))[:, None], rng.uniform(0, 3e-3, (2, 1))
        signals, target = np.full(12, 400), np.array([rng.uniform(0.01, 0.05)])
        found = planned_units(weights, signals, target, np.ones(1), variance, range(2, 401))

        def error(count, weights=weights, variance=variance):
            most = np.maximum(1, (12 * weights[:, 0] / 4).astype(int))
            shown = np.minimum(np.clip(400 // count, 1, most) * count, 400)
            return variance.max() / count + Unseen(weights, shown, loss=True).errors()[0] ** 2

        if found < 400:
            assert error(found) <= target[0] ** 2 or error(2 * found) - variance.max() / 2 / found > 0
        if found > 2:
            assert error(found - 1) > target[0] ** 2
