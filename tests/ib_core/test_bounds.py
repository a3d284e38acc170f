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


def test_estimation_risk_vanishes_at_the_first_layer_and_with_many_passes():
    w = np.full(100, 0.01)
    assert bounds.estimation_risk(w, 5, 3, 0.5, 1, 1.0) == 0
    few, many = (bounds.estimation_risk(w, n, 3, 0.5, 2, 1.0) for n in (10, 10**6))
    assert 0 < many < 0.01 < few


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_a_total_variation_outside_0_1_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        bounds.tv_seed(epsilon, 10)
