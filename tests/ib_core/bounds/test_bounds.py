"""Shift theorems: never violated by random channels, attained where theory says so."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from scipy.special import rel_entr

from ib_core import bounds
from ib_core.channels.attribution import parts
from ib_core.channels.finite import information
from ib_core.laws.divergences import kl_divergence, total_variation


def laws(rng, n, sharpness):
    weights = rng.gamma(sharpness, size=(2, n)) + 1e-12
    return weights / weights.sum(axis=1, keepdims=True)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.integers(2, 8), st.sampled_from([0.1, 1.0, 10.0]))
def test_no_random_channel_violates_a_total_variation_or_kl_bound(seed, n, m, sharpness):
    rng = np.random.default_rng(seed)
    p, q = laws(rng, n, sharpness)
    channel = rng.gamma(rng.choice([0.05, 0.5, 5]), size=(m, n)) + 1e-12
    channel /= channel.sum(axis=0)
    moved = abs(information(channel, p) - information(channel, q))
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
@pytest.mark.parametrize(
    "bound",
    [
        lambda epsilon: bounds.tv_seed(epsilon, 10),
        lambda epsilon: bounds.tv_capacity(epsilon, 1.0),
        lambda epsilon: bounds.tv_interval(epsilon, np.ones(2), np.full(2, 0.5)),
        lambda epsilon: bounds.tv_certificate(epsilon, np.ones(2), np.zeros(2), np.full(2, 0.5)),
        lambda epsilon: bounds.tv_directional_sizes(epsilon, 5, 5),
        lambda epsilon: bounds.tv_directional_measured(epsilon, (0.0, 1.0), (0.0, 1.0)),
    ],
)
def test_a_total_variation_outside_0_1_is_refused(bound, epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        bound(epsilon)


def test_the_rounding_of_a_sum_does_not_make_a_total_variation_too_large():
    beyond = np.nextafter(1.0, 2.0)
    assert bounds.tv_seed(beyond, 10) == bounds.tv_seed(1.0, 10) == pytest.approx(math.log(9))
    assert bounds.tv_directional_sizes(beyond, 3, 1) == pytest.approx((-math.log(3), 0))


@pytest.mark.parametrize("kappa", [-0.1, math.nan])
@pytest.mark.parametrize(
    "bound",
    [
        bounds.tv_from_kl,
        lambda kappa: bounds.kl_seed(kappa, 10),
        lambda kappa: bounds.kl_capacity(kappa, 1.0),
        lambda kappa: bounds.kl_pointwise(kappa, np.ones(2), np.full(2, 0.5)),
        lambda kappa: bounds.golden_interval(kappa, np.ones(2), np.full(2, 0.5)),
        lambda kappa: bounds.golden_certificate(kappa, np.ones(2), np.zeros(2), np.full(2, 0.5)),
    ],
)
def test_a_divergence_below_0_is_refused(bound, kappa):
    with pytest.raises(ValueError, match="kappa"):
        bound(kappa)


@pytest.mark.parametrize(
    ("bound", "argument"),
    [
        (lambda: bounds.tv_seed(0.1, 0), "n must"),
        (lambda: bounds.kl_seed(0.1, 0), "n must"),
        (lambda: bounds.tv_capacity(0.1, -1.0), "cap must"),
        (lambda: bounds.kl_capacity(0.1, math.nan), "cap must"),
        (lambda: bounds.capacity(0, 1.0), "d must"),
        (lambda: bounds.capacity(1, 1.0, -1.0), "half_width must"),
        (lambda: bounds.layer_capacity([], []), "capacities must"),
        (lambda: bounds.tv_directional(np.array([0.5, 0.5]), np.array([0.5, 0.4])), "q must"),
        (lambda: bounds.tv_directional(np.array([math.nan, 0.5]), np.array([0.5, 0.5])), "p must"),
        (lambda: bounds.tv_directional(np.array([1.5, -0.5]), np.array([0.5, 0.5])), "p must"),
        (lambda: bounds.tv_directional(np.ones((1, 1)), np.ones(1)), "p must"),
        (lambda: bounds.tv_directional(np.ones(0), np.ones(1)), "p must"),
        (lambda: bounds.tv_directional(np.ones(1), np.full(2, 0.5)), "one shape"),
        (lambda: bounds.tv_directional(np.ones(1), np.ones(1), -1.0), "cap must"),
        (lambda: bounds.tv_directional_sizes(0.1, 0, 1), "n_removed must"),
        (lambda: bounds.tv_directional_measured(0.1, (0.2, 0.1), (0.0, 0.1)), "removed must"),
        (lambda: bounds.tv_directional_measured(0.1, (0.0, 0.1), (0.0, math.nan)), "added must"),
        (lambda: bounds.tv_directional_measured(0.1, (0.0, 0.1), (0.0, 0.1), (1.1, 1.0)), "separation must"),
        (lambda: bounds.tv_directional_measured(0.1, (0.0, 0.1), (0.0, 0.1), (1.0, math.nan)), "separation must"),
    ],
)
def test_what_no_theorem_speaks_of_is_refused_by_name(bound, argument):
    with pytest.raises(ValueError, match=argument):
        bound()


def binary_divergence(p, q):
    """d(p || q) in nats, elementwise."""
    return rel_entr(p, q) + rel_entr(1 - p, 1 - q)


@pytest.mark.parametrize(
    ("kappa", "largest"), [(0, 0), (0.5, 0.4856), (1, 0.6644), (1.594, 0.8014), (2, 0.8652), (math.inf, 1)]
)
def test_the_largest_total_variation_at_a_divergence(kappa, largest):
    assert bounds.tv_from_kl(kappa) == pytest.approx(largest, abs=5e-5)


@pytest.mark.parametrize("kappa", [1e-8, 1e-4, 0.999e-3, 1.001e-3, 0.02, 0.5, 1.0, 2.0, 6.0, 20.0])
def test_the_largest_total_variation_is_that_of_the_best_pair_of_two_atoms(kappa):
    def largest(q):  # p - q at d(p || q) = kappa, p > q
        if binary_divergence(1.0, q) <= kappa:
            return 1 - q
        return brentq(lambda p: binary_divergence(p, q) - kappa, q, 1.0, xtol=1e-16, rtol=1e-15) - q

    q = np.linspace(0.0, 1.0, 4002)[1:-1] if kappa < 4 else np.geomspace(1e-16, 0.5, 4000)
    best = q[np.argmax([largest(each) for each in q])]
    best = minimize_scalar(lambda x: -largest(x), bounds=(best * 0.99, best * 1.01), options={"xatol": 1e-12})
    # d(p || q) is a difference of numbers near 1, and kappa goes with the square of p - q.
    rounding = 1e-15 / math.sqrt(kappa)
    assert -rounding <= bounds.tv_from_kl(kappa) + best.fun <= rounding + 1e-11


def test_the_largest_total_variation_is_right_to_twelve_digits():
    # Of the parametrisation in sixty digits; the series ends at 1e-3.
    known = {
        0.0001: 0.007071028527871689435,
        0.00099: 0.022247371701030656298,
        0.00101: 0.022470944021856596595,
        0.5: 0.48556679247275801573,
        1.0: 0.6644445150903828575,
        2.0: 0.86515145323203643093,
        5.0: 0.9932620530009145329,
    }
    for kappa, value in known.items():
        assert 0 <= bounds.tv_from_kl(kappa) / value - 1 < 1e-12
    assert 0 <= bounds.tv_from_kl(1e-300) - math.sqrt(0.5e-300) < 1e-162
    assert bounds.tv_from_kl(5e-324) > 0 and bounds.tv_from_kl(36.0) == bounds.tv_from_kl(1e9) == 1


def test_no_pair_of_laws_has_a_larger_total_variation_than_its_divergence_allows():
    rng = np.random.default_rng(0)
    for n in (2, 3, 8):
        p, q = rng.gamma(rng.choice([0.05, 0.5, 5.0], size=(2, 20_000, 1)), size=(2, 20_000, n)) + 1e-12
        q = np.where(rng.random((20_000, 1)) < 0.3, p * rng.uniform(0.9, 1.1, size=p.shape), q)  # near ones
        p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
        tv, kl = 0.5 * np.abs(p - q).sum(1), np.maximum(rel_entr(p, q).sum(1), 0)
        allowed = np.array([bounds.tv_from_kl(each) for each in kl])
        assert (tv <= allowed + 1e-9 * (kl < 1e-12) + 1e-14).all()
        assert (allowed <= np.minimum(np.sqrt(kl / 2), np.sqrt(-np.expm1(-kl))) * (1 + 1e-12)).all()
        assert (tv[kl > 1e-9] / allowed[kl > 1e-9]).max() > 0.999


def many_shifts(n, m, count, seed):
    """`count` channels (m, n) with two laws each: sparse, nearly equal, disjoint, on few atoms, or dense."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        channel = rng.gamma(rng.choice([0.02, 0.3, 5]), size=(m, n)) * (rng.random((m, n)) < rng.choice([0.5, 1]))
        channel[rng.integers(m, size=n), np.arange(n)] += 1e-3 + rng.choice([0.0, 100.0])
        p, q = rng.gamma(rng.choice([0.05, 1.0, 20.0], size=(2, 1)), size=(2, n)) + 1e-9
        kind = rng.integers(5)
        if kind == 1:  # disjoint supports
            side = np.arange(n) < rng.integers(1, n)
            p, q = p * side, q * ~side
        elif kind == 2:  # atoms without mass, in one law or in both
            p[1:] *= rng.random(n - 1) < 0.5
            q[:-1] *= rng.random(n - 1) < 0.5
        p, q = p / p.sum(), q / q.sum()
        if kind == 3:
            q = p + (q - p) * rng.choice([0.0, 1e-6, 0.01, 0.3])
        elif kind == 4:  # contamination with one atom, either way
            one = np.zeros(n)
            one[rng.integers(n)] = 1
            p, q = (p, p + 0.3 * (one - p)) if rng.random() < 0.5 else (one, one + 0.3 * (p - one))
        yield channel / channel.sum(0), p, q


def test_no_given_shift_leaves_its_directional_interval_in_ten_thousand_channels():
    checked, widest = 0, 0.0
    for seed, (n, m) in enumerate([(2, 2), (2, 5), (3, 3), (5, 2), (8, 8), (12, 20)]):
        for channel, p, q in many_shifts(n, m, 2000, seed):
            change = information(channel, q) - information(channel, p)
            epsilon, common, removed, added = parts(p, q)
            cap = math.log(m)
            lowest, highest = bounds.tv_directional(p, q, cap)
            sizes = bounds.tv_directional_sizes(epsilon, max((p > q).sum(), 1), max((q > p).sum(), 1))
            of_a, of_b = information(channel, removed), information(channel, added)
            apart = [0.5 * np.abs(channel @ (part - common)).sum() for part in (removed, added)]
            apart = tuple(np.minimum(apart, 1) if epsilon < 1 else (1.0, 1.0))
            measured = bounds.tv_directional_measured(epsilon, (of_a, of_a), (of_b, of_b))
            sharpest = bounds.tv_directional_measured(epsilon, (of_a, of_a), (of_b, of_b), apart)
            for low, high in ((lowest, highest), bounds.tv_directional(p, q), sizes, measured, sharpest):
                assert low - 1e-11 <= change <= high + 1e-11
            # Each step gives something away.
            n_union = ((p > 0) | (q > 0)).sum()
            symmetric = min(bounds.tv_seed(epsilon, n_union), bounds.tv_capacity(epsilon, cap)) + 1e-11
            if epsilon <= 0.5:  # the capacity form speaks of TV <= eps
                assert max(-lowest, highest) <= symmetric
            assert measured[0] <= sharpest[0] + 1e-11 and sharpest[1] <= measured[1] + 1e-11
            widest = max(widest, change / highest if highest > 0 else 0, change / lowest if lowest < 0 else 0)
            checked += 1
    assert checked == 12_000 and widest > 0.99


def test_contamination_with_one_atom_may_raise_the_information_of_the_uniform_law_by_the_entropy_of_its_size():
    p = np.full(4096, 1 / 4096)
    q = p * (1 - 0.2 * 4096 / 4095)
    q[-1] += 1 - q.sum()
    lowest, highest = bounds.tv_directional(p, q)
    assert highest == pytest.approx(0.5004, abs=5e-5) and -lowest == pytest.approx(2.1639, abs=5e-5)
    assert (lowest, highest) == pytest.approx(bounds.tv_directional_sizes(0.2, 4095, 1))
    assert bounds.tv_directional(q, p) == pytest.approx((-highest, -lowest))
    assert bounds.tv_directional(p, q, 1.5) == pytest.approx((-0.8004, highest), abs=5e-5)
    assert bounds.tv_directional(p, q, 0.1) == (-0.1, 0.1)


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 0.9, 1.0])
def test_both_ends_of_the_directional_interval_are_attained_by_a_noiseless_layer(epsilon):
    # From a point mass to its mixture with other atoms nothing is lost, and all that the theorem allows is gained.
    p = np.array([1.0, 0.0, 0.0, 0.0])
    q = (1 - epsilon) * p + epsilon * np.array([0.0, 0.2, 0.3, 0.5])
    change = information(np.eye(4), q)
    assert bounds.tv_directional(p, q)[1] == pytest.approx(change, rel=1e-12)
    assert bounds.tv_directional(q, p)[0] == pytest.approx(-change, rel=1e-12)


def test_equal_laws_leave_no_room_and_disjoint_ones_their_entropies():
    p, q = np.array([0.25, 0.25, 0.5, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 0.5, 0.5])
    assert bounds.tv_directional(p, p) == bounds.tv_directional_sizes(0.0, 3, 2) == (0.0, 0.0)
    assert bounds.tv_directional_measured(0.0, (0.0, math.inf), (0.0, math.inf)) == (0.0, 0.0)
    assert bounds.tv_directional(p, q) == pytest.approx((-1.5 * math.log(2), math.log(2)))
    assert bounds.tv_directional_measured(1.0, (0.3, 0.4), (0.9, 1.0)) == pytest.approx((0.5, 0.7))


def test_no_law_gains_or_loses_more_than_all_it_has():
    # Half of P stays, on the very atoms where the other half arrives: parts and label together say more than X.
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.0, 0.5, 0.5])
    assert bounds.tv_directional(p, q) == pytest.approx((-math.log(2), math.log(2)))  # not 1.5 ln 2
    assert bounds.tv_directional(q, p) == pytest.approx((-math.log(2), math.log(2)))


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


def test_no_violation_in_three_thousand_random_finite_channels():
    checked = 0
    for seed, (n, m) in enumerate([(2, 2), (2, 6), (3, 3), (5, 2), (8, 8)]):
        channels, ps, qs = finite_channels(n, m, 600, seed)
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
    assert checked == 3000


def test_the_pointwise_form_wins_for_small_shifts_and_loses_for_large_ones():
    i, w = np.zeros(4096), np.full(4096, 1 / 4096)
    i[0] = math.log(4096)
    assert bounds.kl_pointwise(0.01, i, w) == pytest.approx(0.598, abs=5e-4)
    assert bounds.kl_seed(0.01, 4096) == pytest.approx(0.843, abs=5e-4)
    assert bounds.kl_pointwise(0.6, i, w) < bounds.kl_seed(0.6, 4096)
    assert bounds.kl_pointwise(0.8, i, w) > bounds.kl_seed(0.8, 4096)


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
