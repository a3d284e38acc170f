"""Every bound at one place where all of its terms count: the printed formula, in thirty digits of another program."""

import math

import numpy as np
import pytest

from ib_core import bounds
from ib_core.channels.closed_forms import finite_input_information
from ib_core.laws.coupling import Steps

# beta = .5: A = 1 + sqrt(2/pi)/beta has A^2 = 6.738017.
W = np.array([0.5, 0.3, 0.2])
FAIR = np.full(2, 0.5)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: bounds.bias_lower_bound(50, 3, 0.2, 0.3), -2.2158015013),  # k* = floor(3.147)
        (lambda: bounds.monte_carlo_mse_printed(100, 10, 5, 0.5), 0.09),
        (lambda: bounds.capacity(2, 0.5), 1.3539165877),  # peak power
        (lambda: bounds.capacity(3, 0.1, 0.5), 3.6886648398),
        (lambda: bounds.capacity(2, 1.5, 0.5), 0.1053605157),  # mean power
        (lambda: bounds.layer_capacity([bounds.capacity(d, 0.3) for d in (5, 2, 4)], [True, True]), 1.9211037211),
        (lambda: bounds.layer_capacity([5.0, 2.0, 4.0], [True, False]), 4.0),
        (lambda: bounds.reached_capacity(3, 0.5, None, 2.0), 3 * math.log(3)),
        (lambda: bounds.reached_capacity(3, 0.5, 1.0, 2.0), bounds.capacity(3, 0.5)),
        (lambda: bounds.reached_capacity(3, 0.5, None, 0.0), math.inf),
        (lambda: bounds.tv_seed(0.3, 10), 1.2700316753),
        (lambda: bounds.tv_capacity(0.3, 1.0), 0.9108643021),
        (lambda: bounds.tv_capacity(0.6, 1.0), 0.6 + math.log(2)),
        (lambda: bounds.tv_capacity(0.0, math.inf), 0.0),
        (lambda: bounds.entropy_bias(10, 2, 0.5), 0.4534941784),
        (lambda: bounds.entropy_bias(10, 2, 0.5, [1.0, 0.1]), 0.1831540387),
        (lambda: bounds.entropy_bias(10, 2, 0.5, n_atoms=1000), 0.4534941784),  # the box is the smaller class
        (lambda: bounds.entropy_spread(10), 0.5140013122),
        (lambda: bounds.risk_bounded_printed(1000, 3, 0.5), 4.7709929421),
        (lambda: bounds.risk_bounded_printed(1000, 3, 0.5, 0.5), 4.9279828976),
        (lambda: bounds.risk_subgaussian_printed(1000, 3, 0.5, 0.7), 41.0835878261),
        (lambda: bounds.information_risk(100, 10, 2, 0.5), 0.9083921251),
        (lambda: bounds.information_risk_printed(0.01, 100, 2, 0.5), 0.1004718956),
        (lambda: bounds.passes_deviation(W, 4, 0.05), 2.0753818751),
        (lambda: bounds.passes_deviation_joint(W, 4, 0.05), 1.2295506192),
        (lambda: bounds.passes_spread(W, 4), 0.5023193591),
        (lambda: bounds.enumerated_risk(W, 4, 2, 0.5, 2, 1.0), 1.3920625356),
        (lambda: bounds.shift_and_passes(0.2, W, 4, 2, 0.5, 2, 1.0, 0.05), 2.4541445424),
        (lambda: bounds.estimation_risk(W, 4, 2, 0.5, 2, 1.0), 2.3496980263),
        (lambda: bounds.sampled_bias(10, 4, 2, 0.5, 2, 1.0), (-0.4534941784, 0.8897431765)),
        (lambda: bounds.sampled_bias(10, 4, 2, 0.5, 1, 1.0), (-0.4534941784, 0.0)),
        (lambda: bounds.sampled_risk(4, 10, 2, 0.5, 2, 1.0), 1.4520783212),
        (lambda: bounds.sampled_risk(10, 4, 2, 0.5, 2, 1.0), 1.4037444888),
        (lambda: bounds.sampled_deviation(10, 0.05), 1.3961319225),
        (lambda: bounds.shift_and_sampling(0.2, 4, 10, 2, 0.5, 2, 1.0, 0.05), 2.6171596011),
        (lambda: bounds.shift_and_sampling(0.2, 10, 4, 2, 0.5, 2, 1.0, 0.05), 2.4858750990),
        (lambda: bounds.entropy_w2(0.3, 4, 0.5), 1.2),
        (lambda: bounds.entropy_w1(0.3, 2.0, 0.5), 2.4),
        (lambda: bounds.wasserstein(0.2, 0.3, 4, 0.5, 1.5, 1, None), 1.8),
        (lambda: bounds.wasserstein(0.2, 0.3, 4, 0.5, 1.5, 2, None), 3.0),
        (lambda: bounds.wasserstein(0.2, 0.3, 4, 5.0, 1.5, 1, 1.0), 0.048),
        (lambda: bounds.wasserstein(0.2, 0.3, 4, 5.0, 1.5, 2, 1.0), 0.096),
        (lambda: bounds.wasserstein_coupled(Steps(0.2, 0.4, 0.3), 4, 0.5, 1, None), 1.6),
        (lambda: bounds.wasserstein_coupled(Steps(0.2, 0.4, 0.3), 4, 0.5, 2, None), 2.8),
        (lambda: bounds.wasserstein_coupled(Steps(0.2, 0.4, 0.3), 4, 5.0, 2, 1.0), 0.064),
        (lambda: bounds.polyanskiy_wu(0.3, 4, 0.5), 5.0832815730),
        (lambda: bounds.polyanskiy_wu(0.3, 4, 0.5, 2.0), 9.7477267507),
        (lambda: bounds.sample_complexity_exponent(1.0, 0.1), 0.3859444133),
        (lambda: bounds.sample_complexity_rate(10, 0.2, 1.0, 0.1), 2**3.859444133 / 2),
    ],
)
def test_a_bound_has_the_value_of_its_formula(found, expected):
    assert found() == pytest.approx(expected, rel=1e-5, abs=1e-12)  # the exponents are quoted to six digits


def test_an_exponent_is_what_a_law_attains():
    # Below beta = .05 no optimal law is known; points one beta apart carry what is promised, and other laws more.
    attained = finite_input_information(np.linspace(-1, 1, 101), 0.02)
    assert bounds.sample_complexity_exponent(0.02) * math.log(2) == pytest.approx(attained, abs=1e-9)


# Two equally likely atoms with i = 2 and 3: at D(P'||P) = ln 2 - H_b(.9) the extreme laws are (.1, .9) and (.9, .1).
KAPPA = 0.368064207168497
I = np.array([2.0, 3.0])  # noqa: E741
ERROR = np.array([0.1, 0.2])


def test_the_intervals_of_two_atoms():
    assert bounds.golden_interval(KAPPA, I, FAIR) == pytest.approx((2.1 - KAPPA, 2.9), rel=1e-9)
    kept = 0.5 * 2 + 0.3 * 3  # at TV .2, less what the others may say of each other
    assert bounds.tv_interval(0.2, I, FAIR) == pytest.approx((kept + 0.8 * math.log(0.8), 2.7), rel=1e-12)
    spread = 1 + 3 * math.hypot(0.1, 0.2)
    found = bounds.kl_pointwise(1.0, I, FAIR, ERROR)
    assert found == pytest.approx(0.6644445150903829 * spread + 1.0, rel=1e-12)


def test_the_certificates_of_two_atoms_count_three_errors_of_the_extreme_laws():
    lower, fall = 1.9 + 0.8 * math.log(0.8), 0.6 - 0.8 * math.log(0.8)
    found = bounds.tv_certificate(0.2, I, ERROR, FAIR)
    assert found.upper == pytest.approx(2.7 + 3 * math.hypot(0.3 * 0.1, 0.7 * 0.2))
    assert found.lower == pytest.approx(lower - 3 * math.hypot(0.5 * 0.1, 0.3 * 0.2))
    # What I(P) and an extreme law share of an error cancels: the first atom keeps its weight, the second loses .2.
    assert found.deviation == pytest.approx(fall + 3 * 0.2 * 0.2) and found.widening == pytest.approx(3 * 0.2 * 0.2)
    held = bounds.tv_certificate(0.2, I, ERROR, FAIR, low=I - 0.1, reference=(2.4, 2.6))
    assert held.lower == pytest.approx(found.lower - 0.1 * 0.8) and held.upper == found.upper
    assert held.deviation == pytest.approx(2.6 - held.lower)
    assert held.widening == pytest.approx(max(found.upper - 2.7, lower - found.lower))
    golden = bounds.golden_certificate(KAPPA, I, ERROR, FAIR, low=I - 0.1)
    assert golden.lower == pytest.approx(2.0 - KAPPA - 3 * math.hypot(0.9 * 0.1, 0.1 * 0.2))
    assert golden.upper == pytest.approx(2.9 + 3 * math.hypot(0.1 * 0.1, 0.9 * 0.2))


def test_an_information_cannot_fall_by_more_than_there_is():
    found = bounds.tv_certificate(0.5, np.array([0.1, 0.5]), ERROR, FAIR)
    assert found.lower == 0 and found.deviation == pytest.approx(0.3 + 3 * math.hypot(0.05, 0.1))
    # Where an extreme law leaves a little and stands on the atom that is hardly known: all there is, and its error.
    kappa = 0.8 * math.log(9)  # from (.9, .1) to (.1, .9)
    found = bounds.golden_certificate(kappa, np.array([3.0, 1.9]), np.array([0.0, 1.0]), np.array([0.9, 0.1]))
    assert found.lower == 0 and found.deviation == pytest.approx(0.9 * 3 + 0.1 * 1.9 + 3 * 0.1)


def test_an_extreme_law_chosen_by_noise_shows_in_the_inflation():
    # All i(x) are equal: the tenth of the mass that the lower end takes is chosen by noise alone, and the mean of the
    # largest tenth of normal errors is 1.755 standard deviations.
    error, w = np.full(400, 0.2), np.full(400, 1 / 400)
    found = bounds.tv_certificate(0.1, np.full(400, 2.0), error, w)
    assert found.inflation == pytest.approx(0.1 * 0.2 * 1.755, rel=0.25)
    assert bounds.tv_certificate(0.1, np.full(400, 2.0), 0 * error, w).inflation == 0


@pytest.mark.parametrize("beta", [1e-51, 1e51, math.inf])
def test_noise_whose_powers_leave_float64_is_refused(beta):
    with pytest.raises(ValueError, match="beta must be between"):
        bounds.entropy_w2(0.1, 1, beta)
