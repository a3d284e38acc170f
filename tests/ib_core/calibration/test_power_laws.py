"""Slopes and crossings of curves whose exponent is known, and the laws that the calibration draws from."""

import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import truncnorm

from ib_core import bounds
from ib_core.calibration.known_laws import KNOWN_LAWS, CornerMixture, FiniteLaw, smoothed_truth
from ib_core.calibration.power_laws import crossing, power_slope, straight_slope
from ib_core.channels.closed_forms import finite_input_information, noise_entropy
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.streams import stream

X = np.array([1.0, 2.0, 4.0, 8.0, 16.0])


def test_a_pure_power_law_gives_its_exponent():
    fit = power_slope(X, 3 * X**-0.5, 0.01 * X**-0.5)
    assert fit.value == pytest.approx(-0.5, abs=1e-12) and fit.points == 5


def test_the_standard_error_of_a_slope_is_the_spread_of_slopes():
    generator = stream(0, "slopes")
    noise = 0.1 * generator.standard_normal((400, len(X)))
    fits = [straight_slope(X, 2 * X + row, np.full(len(X), 0.1)) for row in noise]
    spread = np.std([fit.value for fit in fits])
    assert np.mean([fit.value for fit in fits]) == pytest.approx(2, abs=4 * spread / 20)
    # The error is widened where a sample scatters more than it should, so that on average it is a little too large.
    assert spread < np.mean([fit.stderr for fit in fits]) < 1.4 * spread


def test_three_standard_errors_of_an_exponent_cover_it_where_noise_hides_the_last_points():
    generator, x = stream(0, "powers"), 2.0 ** np.arange(9)
    draws = 1 / x + 0.06 * generator.standard_normal((1000, 32, len(x)))
    fits = [power_slope(x, each.mean(0), each.std(0, ddof=1) / math.sqrt(32)) for each in draws]
    deviations = np.array([(fit.value + 1) / fit.stderr for fit in fits])
    # Without the points that are not clear of 0, or on a logarithmic scale, the mean is about half a standard error.
    assert abs(deviations.mean()) < 0.15 and np.mean(np.abs(deviations) > 3) < 0.01


@pytest.mark.parametrize("slope", [straight_slope, power_slope])
def test_points_that_scatter_more_than_their_errors_say_widen_the_error_of_a_slope(slope):
    y = np.array([1.0, 0.45, 0.3, 0.11, 0.07])
    honest, tenth = (slope(X, y, share * np.full(5, 0.05)) for share in (1.0, 0.1))
    assert tenth.value == pytest.approx(honest.value, rel=1e-6)
    # What counts is then the scatter about the curve, from three degrees of freedom, and not what was said of it.
    assert tenth.stderr > 2 * honest.stderr / 10
    assert slope(X, y, np.full(5, 1e-6)).stderr == pytest.approx(slope(X, y, np.full(5, 1e-7)).stderr, rel=1e-6)


def test_what_is_no_power_law_has_no_exponent():
    assert math.isnan(power_slope(X, np.array([1.0, 0.1, 0.1, 0.1, 0.1]), np.full(5, 0.04)).value)  # one is clear of 0
    assert math.isnan(power_slope(X, np.array([1.0, 0.1, -0.2, 0.1, 0.0]), np.full(5, 0.2)).value)
    assert math.isnan(power_slope(np.array([1.0, 1.2]), np.array([1.0, 0.9]), np.full(2, 0.29)).value)


def test_a_curve_is_read_off_exactly_where_it_is_a_power_law():
    assert crossing(X, 1 / X, 0.3) == pytest.approx(1 / 0.3)
    assert crossing(X, 1 / X, 2.0) == 0 and crossing(X, 1 / X, 0.01) == math.inf


@pytest.mark.parametrize(("name", "beta"), [("hypercube", 0.5), ("skewed_hypercube", 1.0), ("grid", 0.1)])
def test_the_truth_of_a_finite_law_is_that_of_its_enumerated_support(name, beta):
    law = KNOWN_LAWS[name](2, beta)
    support = np.stack(np.meshgrid(law.points, law.points), axis=-1).reshape(-1, 2)
    weights = np.multiply.outer(law.weights, law.weights).reshape(-1)
    assert smoothed_truth(law, beta) == pytest.approx(smoothed_entropy(support, beta, weights=weights).value, abs=1e-8)
    assert law.n_atoms == len(support)


def test_draws_of_a_law_have_its_mean():
    generator = stream(1, "laws")
    drawn = KNOWN_LAWS["skewed_hypercube"](3, 0.5).draw(4000, generator)
    assert np.abs(drawn.mean(0) + 0.5).max() < 4 * math.sqrt(0.75 / 4000)
    law = KNOWN_LAWS["gaussian"](3, 0.5)
    assert np.abs(law.draw(4000, generator).mean(0)).max() < 4 / math.sqrt(4000)
    assert smoothed_truth(law, 0.5) == pytest.approx(noise_entropy(3, math.hypot(1, 0.5)))


def test_the_grid_is_the_finest_that_decodes():
    for d, points in ((2, [-1, 0, 1]), (12, [-1, 1])):  # k* is 3 up to d = 11 and 2 beyond
        law = KNOWN_LAWS["grid"](d, 0.1)
        assert law.points.tolist() == points and law.weights == pytest.approx(np.full(len(points), 1 / len(points)))


def test_the_psi_2_norm_of_a_gaussian_is_the_largest_of_its_moments():
    p = np.linspace(1, 60, 2000)
    log_moments = p / 2 * math.log(2) + gammaln((p + 1) / 2) - math.log(math.pi) / 2  # ln E|G|^p
    assert KNOWN_LAWS["gaussian"](3, 0.5).psi2 == pytest.approx(np.exp(log_moments / p - np.log(p) / 2).max())


def test_a_finite_law_outside_the_cube_or_a_grid_of_too_many_points_is_refused():
    for points, weights in (([-1.0, 1.1], [0.5, 0.5]), ([1.0], [0.5, 0.5]), ([0.0, 1.0], [0.5, 0.6])):
        with pytest.raises(ValueError, match=r"points must|weights must"):
            FiniteLaw(1, np.array(points), np.array(weights))
    with pytest.raises(ValueError, match="beta must be large enough for a grid of 10000 points"):
        KNOWN_LAWS["grid"](1, 1e-6)


def test_a_grid_that_does_not_decode_is_refused():
    with pytest.raises(ValueError, match="epsilon"):
        KNOWN_LAWS["grid"](2, 1.0)


@pytest.mark.parametrize(("d", "eta", "beta"), [(1, 0.1, 1.0), (5, 0.3, 0.5), (10, 1.0, 0.5)])
def test_enough_samples_are_enough_and_hardly_more(d, eta, beta):
    n = bounds.samples_enough(d, eta, beta)
    assert bounds.entropy_risk(math.ceil(n), d, beta) <= eta < bounds.entropy_risk(int(0.99 * n), d, beta)
    assert n >= bounds.sample_complexity(d, eta, beta)


@pytest.mark.parametrize(("spread", "beta"), [(0.02, 0.1), (0.1, 0.1), (0.1, 2.0), (0.5, 0.5), (3.0, 0.3)])
def test_the_truth_of_a_corner_mixture_is_that_of_a_fine_grid_of_its_density(spread, beta):
    law, middles = CornerMixture(2, spread), (np.arange(20_000) + 0.5) / 10_000 - 1
    density = np.exp(-((middles - 1) ** 2) / (2 * spread**2)) + np.exp(-((middles + 1) ** 2) / (2 * spread**2))
    known = finite_input_information(middles, beta, density / density.sum())
    assert law.information(beta) == pytest.approx(2 * known, abs=1e-6)


def test_draws_of_a_corner_mixture_are_those_of_its_density():
    drawn = CornerMixture(3, 0.4).draw(20_000, stream(2, "corners"))
    assert np.abs(drawn).max() <= 1 and np.abs(drawn.mean(0)).max() < 4 / math.sqrt(20_000)
    below = truncnorm(0, 5, scale=0.4)  # of what a coordinate is short of its corner; some cross the middle
    expected = below.moment(2) - 2 * below.mean() + 1
    assert (drawn**2).mean() == pytest.approx(expected, abs=4 / math.sqrt(60_000))
