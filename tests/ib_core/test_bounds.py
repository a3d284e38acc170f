"""Shift theorems: never violated by random channels, attained where theory says so."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_core import bounds
from ib_core.divergences import kl_divergence, total_variation


def information(p, channel):
    """I(X;T) of input weights p (n,) and channel (n, m)."""
    joint = p[:, None] * channel
    t = joint.sum(axis=0)
    inside = joint > 0
    return float((joint[inside] * np.log((joint / (p[:, None] * t))[inside])).sum()) if inside.any() else 0.0


def laws(rng, n, sharpness):
    weights = rng.gamma(sharpness, size=(2, n)) + 1e-12
    return weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(2, 8), st.sampled_from([0.1, 1.0, 10.0]))
def test_no_random_channel_violates_a_total_variation_or_kl_bound(seed, n, m, sharpness):
    rng = np.random.default_rng(seed)
    p, q = laws(rng, n, sharpness)
    channel = rng.gamma(rng.choice([0.05, 0.5, 5]), size=(n, m)) + 1e-12
    channel /= channel.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = abs(information(p, channel) - information(q, channel))
    tv, kl, cap = total_variation(p, q), kl_divergence(q, p), math.log(m)
    for allowed in (
        bounds.tv_seed(tv, n),
        bounds.tv_capacity(tv, cap),
        bounds.kl_seed(kl, n),
        bounds.kl_capacity(kl, cap),
    ):
        assert moved <= allowed + 1e-12


@pytest.mark.parametrize("n", [2, 10, 1000])
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_the_total_variation_bound_is_attained_by_a_point_mass_and_a_noiseless_channel(n, epsilon):
    # From a point mass to the mixture with the uniform law on the other atoms: I goes from 0 to its maximum.
    q = np.full(n, epsilon / (n - 1))
    q[0] = 1 - epsilon
    moved = -(q * np.log(q)).sum()
    assert bounds.tv_seed(epsilon, n) == pytest.approx(moved, rel=1e-12)


def test_bretagnolle_huber_takes_over_where_pinsker_says_nothing():
    assert bounds.tv_from_kl(1.5) == pytest.approx(math.sqrt(0.75))
    assert bounds.tv_from_kl(1.7) == pytest.approx(math.sqrt(1 - math.exp(-1.7)))
    assert bounds.tv_from_kl(math.inf) == 1


def test_an_infinite_kl_leaves_ln_n():
    assert bounds.kl_seed(math.inf, 4096) == pytest.approx(math.log(4096))


def test_capacity_caps_a_binary_input_and_is_reached_by_no_smaller_noise():
    # BPSK at beta = 1 carries .336831 nats, by THEORY's quadrature; the cap lies above and below the Gaussian one.
    assert 0.336831 < bounds.capacity(1, 1.0) <= 0.5 * math.log(2)
    assert bounds.capacity(3, 0.01) == pytest.approx(3 * math.log1p(2 / (0.01 * math.sqrt(2 * math.pi * math.e))))


def test_wasserstein_bound_holds_for_a_gaussian_input_through_a_linear_layer():
    # X ~ N(0, a^2), S = c X, T = S + N(0, beta^2): I = 1/2 ln(1 + c^2 a^2 / beta^2), W_2 = |a - a'|.
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, b, c, beta = rng.uniform(0.1, 3, 4)
        moved = abs(0.5 * math.log1p((c * a / beta) ** 2) - 0.5 * math.log1p((c * b / beta) ** 2))
        w2 = abs(a - b)
        assert moved <= bounds.wasserstein(w2, w2, 1, beta, c, 1, None) + 1e-12


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_a_total_variation_outside_0_1_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        bounds.tv_seed(epsilon, 10)


def finite_channels(n, m, count, seed):
    """`count` random channels (count, m, n) with pairs of laws (count, n) each, from sparse to nearly uniform."""
    rng = np.random.default_rng(seed)
    channel = rng.gamma(rng.choice([0.05, 0.5, 5], size=(count, 1, 1)), size=(count, m, n)) + 1e-12
    sharpness = rng.choice([0.1, 1.0, 10.0], size=(count, 1))
    p, q = (rng.gamma(sharpness, size=(count, n)) + 1e-12 for _ in range(2))
    # Small shifts, too, where the pointwise forms are the tight ones.
    q = q / q.sum(1, keepdims=True)
    p = p / p.sum(1, keepdims=True)
    step = rng.choice([1.0, 0.3, 0.01], size=(count, 1))
    return channel / channel.sum(1, keepdims=True), p, (1 - step) * p + step * q


def pointwise_information(channel, p):
    """i(x) of every atom: (count, m, n), (count, n) -> (count, n)."""
    output = np.einsum("cmn,cn->cm", channel, p)
    return (channel * np.log(channel / output[:, :, None])).sum(1)


def test_no_violation_in_ten_thousand_random_finite_channels():
    checked = 0
    for seed, (n, m) in enumerate([(2, 2), (2, 6), (3, 3), (5, 2), (8, 8)]):
        channels, ps, qs = finite_channels(n, m, 2000, seed)
        i_p, i_q = pointwise_information(channels, ps), pointwise_information(channels, qs)
        before, after = (ps * i_p).sum(1), (qs * i_q).sum(1)
        for p, q, i, a, b in zip(ps, qs, i_p, before, after, strict=True):
            tv, kl, cap = total_variation(p, q), kl_divergence(q, p), math.log(m)
            moved = abs(a - b) - 1e-11
            assert moved <= bounds.tv_seed(tv, n)
            assert moved <= bounds.tv_capacity(tv, cap)
            assert moved <= bounds.kl_seed(kl, n)
            assert moved <= bounds.kl_capacity(kl, cap)
            assert moved <= bounds.kl_pointwise(kl, i, p)
            for lower, upper in (bounds.golden_interval(kl, i, p), bounds.tv_interval(tv, i, p)):
                assert lower - 1e-11 <= b <= upper + 1e-11
            checked += 1
    assert checked == 10_000


def test_the_pointwise_form_wins_for_small_shifts_and_loses_for_large_ones():
    i, w = np.zeros(4096), np.full(4096, 1 / 4096)
    i[0] = math.log(4096)
    assert bounds.kl_pointwise(0.01, i, w) == pytest.approx(0.598, abs=5e-4)
    assert bounds.kl_seed(0.01, 4096) == pytest.approx(0.844, abs=5e-4)
    assert bounds.kl_pointwise(2.0, i, w) > bounds.kl_seed(2.0, 4096)


def test_golden_interval_at_no_shift_is_the_information_itself():
    i, w = np.array([0.1, 0.5, 0.3]), np.array([0.2, 0.3, 0.5])
    for low, high in (bounds.golden_interval(0.0, i, w), bounds.tv_interval(0.0, i, w)):
        assert low == pytest.approx(w @ i) and high == pytest.approx(w @ i)


def test_the_tilt_of_the_golden_interval_is_the_best_one():
    rng = np.random.default_rng(0)
    i, w = rng.uniform(0, 2, 6), rng.dirichlet(np.ones(6))
    lam = np.geomspace(1e-3, 1e3, 20001)[:, None]
    ends = (0.1 + np.log((w * np.exp(lam * (i - i.max()))).sum(1))) / lam[:, 0] + i.max()
    assert bounds.golden_interval(0.1, i, w)[1] == pytest.approx(ends.min(), abs=1e-6)


def test_atoms_without_weight_do_not_enter_and_nan_on_the_support_is_refused():
    i, w = np.array([0.1, 0.5, math.nan]), np.array([0.4, 0.6, 0.0])
    assert bounds.golden_interval(0.1, i, w) == bounds.golden_interval(0.1, i[:2], w[:2])
    with pytest.raises(ValueError, match="finite"):
        bounds.kl_pointwise(0.1, i, np.full(3, 1 / 3))


def test_infinite_kl_leaves_the_extremes_of_the_pointwise_information():
    i, w = np.array([0.1, 0.5]), np.array([0.4, 0.6])
    assert bounds.kl_pointwise(math.inf, i, w) == math.inf
    assert bounds.golden_interval(math.inf, i, w) == (-math.inf, 0.5)


def test_certificates_are_the_intervals_widened_by_the_error_of_pointwise_information():
    rng = np.random.default_rng(0)
    w, i = rng.dirichlet(np.ones(50)), rng.gamma(2.0, size=50)
    value = float(w @ i)
    for interval, certificate in (
        (bounds.golden_interval(0.1, i, w), bounds.golden_certificate),
        (bounds.tv_interval(0.1, i, w), bounds.tv_certificate),
    ):
        exact = certificate(0.1, i, np.zeros(50), w)
        assert (exact.lower, exact.upper) == pytest.approx((max(interval[0], 0), interval[1]))
        assert exact.deviation == pytest.approx(max(exact.upper - value, value - exact.lower)) and exact.widening == 0
        noise = np.full(50, 0.2)
        noisy = [certificate(0.1, i + noise * rng.standard_normal(50), noise, w) for _ in range(200)]
        for name, sign in (("lower", -1), ("upper", 1), ("deviation", 1)):
            outwards = [sign * (getattr(each, name) - getattr(exact, name)) >= 0 for each in noisy]
            assert np.mean(outwards) > 0.97
        assert all(each.widening > 0 for each in noisy)
    assert bounds.kl_pointwise(0.1, i, w, np.full(50, 0.1)) > bounds.kl_pointwise(0.1, i, w)
