"""Risk, bias and sample complexity of the plug-in: the published numbers, and no violation where the truth is known."""

import math

import numpy as np
import pytest

from ib_core import bounds
from ib_core.closed_forms import finite_input_information

TABLE_I = {1: 7.41e-4, 2: 0.00166, 3: 0.00369, 5: 0.0179, 7: 0.0856, 9: 0.402, 10: 0.869, 11: 1.87, 12: 4.02}


@pytest.mark.parametrize(("d", "published"), TABLE_I.items())
def test_table_one_is_reproduced_to_one_per_cent(d, published):
    assert bounds.risk_bounded_printed(10**9, d, 1.0) == pytest.approx(published, rel=0.01)


def test_the_sharp_bound_is_thousands_of_times_smaller_at_table_one():
    assert bounds.entropy_risk(10**9, 10, 1.0) == pytest.approx(3.4e-4, rel=0.02)


def test_the_subgaussian_risk_falls_like_one_over_root_n_up_to_logarithms():
    few, many = (bounds.risk_subgaussian_printed(n, 2, 1.0, 1.0) for n in (10**8, 10**10))
    assert 0 < many < few and few / many == pytest.approx(10 / ((10 / 8) ** 2), rel=0.3)


def test_the_grid_of_the_bias_example():
    assert {bounds.bias_lower_bound_grid(d, 0.1, 0.01) for d in range(1, 12)} == {3}
    assert {bounds.bias_lower_bound_grid(d, 0.1, 0.01) for d in (12, 100, 10**4)} == {2}
    assert bounds.bias_lower_bound(1, 10, 0.1, 0.01) == pytest.approx(9.9 * math.log(3) - 0.0560, abs=1e-4)


def test_a_grid_that_does_not_decode_is_refused():
    with pytest.raises(ValueError, match="epsilon"):
        bounds.bias_lower_bound_grid(1, 2.0, 0.1)


@pytest.mark.parametrize("n", [1, 2, 4, 8])
@pytest.mark.parametrize("beta", [0.1, 0.3, 1.0, 3.0])
def test_the_exact_bias_lies_between_its_bounds(n, beta):
    signals = np.array([-1.0, 0.0, 1.0])
    exact = bounds.bias_identity(signals, beta, n)
    assert -1e-9 <= exact <= bounds.entropy_bias(n, 1, beta) + 1e-9
    assert exact <= bounds.entropy_bias(n, 1, beta, n_atoms=3) + 1e-9
    if beta == 0.1:  # where k* = 3, and the grid of the theorem is this one
        assert exact >= bounds.bias_lower_bound(n, 1, beta, 0.01)


def test_the_exact_bias_of_one_sample_is_the_whole_information():
    signals, weights = np.array([-1.0, 0.5, 1.0]), np.array([0.2, 0.3, 0.5])
    assert bounds.bias_identity(signals, 0.4, 1, weights) == pytest.approx(
        finite_input_information(signals, 0.4, weights), abs=1e-9
    )


def test_risk_and_spread_hold_for_resampled_plug_ins():
    rng = np.random.default_rng(0)
    signals, n, beta = np.array([-1.0, -0.2, 1.0]), 12, 0.3
    truth = finite_input_information(signals, beta)
    counts = rng.multinomial(n, np.full(3, 1 / 3), size=200)
    plug_in = [finite_input_information(signals[c > 0], beta, c[c > 0] / n) for c in counts]
    assert np.abs(np.array(plug_in) - truth).mean() <= bounds.entropy_risk(n, 1, beta)
    assert np.std(plug_in) <= bounds.entropy_spread(n)


def test_unequal_boxes_and_atoms_sharpen_the_bias():
    cube = bounds.entropy_bias(100, 2, 0.5, 1.0)
    assert bounds.entropy_bias(100, 2, 0.5, [1.0, 0.1]) < cube
    assert bounds.entropy_bias(100, 2, 0.5, [1.0, 1.0]) == pytest.approx(cube)
    assert bounds.entropy_bias(100, 2, 0.5, n_atoms=2) == pytest.approx(math.log(1.01))
    assert bounds.entropy_bias(1, 400, 0.001) == pytest.approx(400 * math.log1p(math.sqrt(2 / math.pi) / 0.001))


def test_estimation_risk_vanishes_at_the_first_layer_and_with_many_passes():
    w = np.full(100, 0.01)
    assert bounds.estimation_risk(w, 5, 3, 0.5, 1, 1.0) == 0
    few, many = (bounds.estimation_risk(w, n, 3, 0.5, 2, 1.0) for n in (10, 10**6))
    assert 0 < many < 0.01 < few


def test_the_slides_term_is_the_misprint_of_an_exponential():
    c, n, beta = 2.0, 10**6, 0.5
    for d in (1, 5, 10):
        right = bounds.information_risk_printed(c**d / math.sqrt(n), n, d, beta)
        literal = bounds.information_risk_slides(c, n, d, beta)
        assert right - literal == pytest.approx(8 * (c**d - c * d) / (4 * math.sqrt(n)))
    # Below the exponential lower bound: with c = 1.5 at d = 100 the literal risk would be small at an impossible n.
    n = int(bounds.sample_complexity(100, 1.0, 0.1)) // 10
    assert n > 10**20 and bounds.information_risk_slides(1.5, n, 100, 0.1) < 1e-3 < 1.0


def test_the_sharp_information_risk_vanishes_with_both_sample_sizes():
    assert bounds.information_risk(10**8, 10**8, 2, 0.5) < 0.002
    assert bounds.information_risk(10**8, 10, 2, 0.5) > 0.1


def test_the_exponent_falls_with_the_noise_and_is_one_bit_at_two_decodable_points():
    exponents = [bounds.sample_complexity_exponent(beta) for beta in (0.1, 0.3, 0.5, 1.0, 2.0)]
    assert exponents == sorted(exponents, reverse=True)
    assert exponents[3] == pytest.approx(0.336831 / math.log(2), abs=2e-6)
    assert bounds.sample_complexity_rate(10, 0.1, 1.0) == pytest.approx(2 ** (10 * exponents[3]))


def test_so_many_samples_leave_a_bias_of_eta():
    # The count is where the best lower bound equals eta.
    n = bounds.sample_complexity(8, 0.2, 0.1)
    assert 1e3 < n < 1e5
    best = max(bounds.bias_lower_bound(int(n), 8, 0.1, e) for e in np.geomspace(0.01, 0.4, 2000))
    assert best == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(
    "bound",
    [
        lambda: bounds.risk_bounded_printed(4096, 784, 0.1),
        lambda: bounds.risk_subgaussian_printed(10_000, 1024, 0.005, 1.0),
        lambda: bounds.sample_complexity(1024, 0.1, 0.005),
        lambda: bounds.sample_complexity_rate(1024, 0.1, 0.1),
        lambda: bounds.samples_enough(1024, 0.1, 0.05),
    ],
)
def test_beyond_float64_a_bound_is_infinite_and_not_an_error(bound):
    assert bound() == math.inf


def test_the_monte_carlo_error_needs_no_noise_level():
    assert bounds.monte_carlo_mse(100, 10, 5) == pytest.approx(0.005)
    ratio = bounds.monte_carlo_mse_printed(100, 10, 5, 0.005) / bounds.monte_carlo_mse(100, 10, 5)
    assert ratio == pytest.approx(1.6e5, rel=0.01)


def test_monte_carlo_draws_have_no_larger_error():
    rng = np.random.default_rng(1)
    centres, beta, n_mc = np.array([-1.0, -0.3, 0.8]), 0.4, 4
    t = centres[:, None] + beta * rng.standard_normal((4000, 3, n_mc))
    logs = np.log(np.exp(-((t[..., None] - centres) ** 2) / (2 * beta**2)).mean(axis=-1))
    assert logs.mean(axis=(1, 2)).var() <= bounds.monte_carlo_mse(3, n_mc, 1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bounds.entropy_bias(0, 1, 1.0),
        lambda: bounds.entropy_bias(1, 1, 0.0),
        lambda: bounds.risk_bounded_printed(1, 1, 1.0),
        lambda: bounds.risk_subgaussian_printed(10, 1, 1.0, -1.0),
        lambda: bounds.sample_complexity(1, 0.0, 1.0),
        lambda: bounds.monte_carlo_mse(1, 0, 1),
    ],
)
def test_hypotheses_are_checked(call):
    with pytest.raises(ValueError):
        call()
