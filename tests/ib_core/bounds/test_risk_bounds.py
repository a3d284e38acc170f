"""Risk, bias and sample complexity of the plug-in: the published numbers, and no violation where the truth is known."""

import math

import numpy as np
import pytest
from scipy.special import xlogy

from ib_core import bounds
from ib_core.channels.closed_forms import finite_input_information, neuron_chain_information

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


def densities(passes, beta):
    """Mixture densities (..., N, grid) around scalar passes (..., N, n_x), and the spacing of the grid."""
    step = beta / 6
    t = np.arange(passes.min() - 9 * beta, passes.max() + 9 * beta, step)
    kernel = np.exp(-np.square(t - passes[..., None]) / (2 * beta**2)) / (beta * math.sqrt(2 * math.pi))
    return kernel.mean(axis=-2), step


def entropies(passes, weights, beta):
    """h(p^) (...) and h(p_i^) (..., N) by the trapezoid rule; I_SP is the first less the mean of the second."""
    own, step = densities(passes, beta)
    pooled = np.einsum("n,...nt->...t", weights, own)
    return -xlogy(pooled, pooled).sum(-1) * step, -xlogy(own, own).sum(-1) * step


def plug_in(passes, weights, beta):
    """I_SP (...) without Monte Carlo error."""
    pooled, own = entropies(passes, weights, beta)
    return pooled - own @ weights


BETA, SLOPES, OFFSETS = 0.3, (1.5, 2.0), (0.2, -0.3)
VALUES, LAW = np.array([-2.0, -0.5, 0.3, 1.0]), np.array([0.1, 0.4, 0.3, 0.2])


def second_layer(inputs, n_passes, rng):
    """Signals S_2 (..., n_x) of independent passes through the chain of two neurons."""
    first = np.tanh(SLOPES[0] * inputs + OFFSETS[0])[..., None]
    hidden = first + BETA * rng.standard_normal((*inputs.shape, n_passes))
    return np.tanh(SLOPES[1] * hidden + OFFSETS[1])


def chain_truth(weights):
    return neuron_chain_information(VALUES, SLOPES, OFFSETS, BETA, weights=weights)[1]


# Few inputs lower the plug-in, few passes raise it: a bias of either sign.
@pytest.mark.parametrize(("n", "n_passes", "sign"), [(3, 40, -1), (12, 4, 1), (40, 1, 1), (2, 2, 0)])
def test_the_plug_in_on_sampled_inputs_keeps_its_bias_risk_and_deviation(n, n_passes, sign):
    rng = np.random.default_rng(n)
    truth, runs = chain_truth(LAW), 400
    found = plug_in(second_layer(rng.choice(VALUES, (runs, n), p=LAW), n_passes, rng), np.full(n, 1 / n), BETA)
    low, high = bounds.sampled_bias(n, n_passes, 1, BETA, 2, 1.0)
    bias, stderr = found.mean() - truth, found.std() / math.sqrt(runs)
    assert low - 4 * stderr <= bias <= high + 4 * stderr and bias * sign >= 0
    assert np.abs(found - truth).mean() <= bounds.sampled_risk(n, n_passes, 1, BETA, 2, 1.0)
    assert found.std() <= bounds.entropy_spread(n)
    q = np.array([0.05, 0.3, 0.35, 0.3])
    tv = 0.5 * np.abs(LAW - q).sum()
    for delta in (0.5, 0.1):
        assert (np.abs(found - found.mean()) > bounds.sampled_deviation(n, delta)).mean() <= delta
        allowed = bounds.shift_and_sampling(bounds.tv_seed(tv, 4), n, n_passes, 1, BETA, 2, 1.0, delta)
        assert (np.abs(found - chain_truth(q)) > allowed).mean() <= delta


@pytest.mark.parametrize("n_passes", [1, 3, 20])
def test_the_plug_in_on_enumerated_inputs_keeps_its_bias_risk_and_deviation(n_passes):
    rng = np.random.default_rng(n_passes)
    truth, runs = chain_truth(LAW), 1000
    found = plug_in(second_layer(np.tile(VALUES, (runs, 1)), n_passes, rng), LAW, BETA)
    risk = bounds.enumerated_risk(LAW, n_passes, 1, BETA, 2, 1.0)
    stderr = found.std() / math.sqrt(runs)
    assert -4 * stderr <= found.mean() - truth <= bounds.entropy_bias(n_passes, 1, BETA) + 4 * stderr
    assert found.std() <= bounds.passes_spread(LAW, n_passes)
    assert np.abs(found - truth).mean() <= risk < bounds.estimation_risk(LAW, n_passes, 1, BETA, 2, 1.0)
    q = np.array([0.05, 0.3, 0.35, 0.3])
    shift = bounds.tv_directional(LAW, q)
    for delta in (0.5, 0.1):
        for deviation in (bounds.passes_deviation, bounds.passes_deviation_joint):
            assert (truth > found + deviation(LAW, n_passes, delta)).mean() <= delta
            assert (found > found.mean() + deviation(LAW, n_passes, delta)).mean() <= delta
        allowed = bounds.shift_and_passes(max(-shift[0], shift[1]), LAW, n_passes, 1, BETA, 2, 1.0, delta)
        assert (np.abs(found - chain_truth(q)) > allowed).mean() <= delta


def test_one_pass_moves_the_entropies_by_no_more_than_the_bounded_differences():
    rng = np.random.default_rng(0)
    largest = 0.0
    for _ in range(1500):
        n, n_passes, beta = rng.integers(1, 5), rng.integers(1, 5), rng.choice([0.05, 0.3, 1.0])
        weights = rng.dirichlet(np.full(n, rng.choice([0.2, 2.0])))
        # Clusters, so that passes often meet those of other atoms.
        passes = np.tile(rng.integers(-3, 4, size=(n, n_passes)) + 0.1 * rng.standard_normal((n, n_passes)), (9, 1, 1))
        i, k = rng.integers(n), rng.integers(n_passes)
        passes[:, i, k] = [*range(-3, 4), rng.uniform(-3, 3), 30 * beta + 3]
        pooled, own = entropies(passes, weights, beta)
        w, pass_entropy = weights[i], float(bounds.binary_entropy(weights[i] / n_passes))
        assert np.ptp(pooled) <= pass_entropy + 1e-9
        assert np.ptp(w * own[:, i]) <= w * bounds.binary_entropy(1 / n_passes) + 1e-9
        both = np.ptp(pooled - own @ weights)
        assert both <= pass_entropy + 1e-9
        largest = max(largest, both / pass_entropy if pass_entropy > 1e-6 else 0)
    assert largest > 0.7


def test_the_difference_of_a_pass_is_nearly_attained_where_it_leaves_a_heavy_atom_for_nowhere():
    weights, passes = np.array([0.001, 0.999]), np.array([[0.0, 10.0], [10.0, 10.0]])
    moved = passes.copy()
    moved[0, 1] = 20.0
    change = plug_in(moved, weights, 0.1) - plug_in(passes, weights, 0.1)
    assert 0.9 < change / bounds.binary_entropy(0.0005) < 1


def test_the_deviation_over_passes_of_the_uniform_law_on_all_patterns():
    weights = np.full(4096, 1 / 4096)
    assert bounds.passes_deviation(weights, 20, 0.00135) == pytest.approx(0.1034, abs=5e-5)
    assert bounds.passes_deviation_joint(weights, 20, 0.00135) == pytest.approx(0.0782, abs=5e-5)
    # Atoms without weight have no say.
    padded = np.append(weights, 0.0)
    assert bounds.passes_deviation(padded, 20, 0.1) == pytest.approx(bounds.passes_deviation(weights, 20, 0.1))


def test_what_the_sampled_risk_leaves_out():
    n, n_passes, d, beta = 4096, 20, 3, 0.5
    gained = bounds.information_risk(n, n_passes, d, beta) - bounds.sampled_risk(n, n_passes, d, beta, 2, 1.0)
    capacity = bounds.capacity(d, beta) / (2 * math.sqrt(n))
    spread, less = bounds.entropy_spread(n_passes) / math.sqrt(n), bounds.entropy_bias(n, d, beta)
    assert gained == pytest.approx(capacity + spread + less)
    # At the first layer only the inputs are a sample; without a bound of the activation nothing is known.
    first = bounds.entropy_bias(n, d, beta) + bounds.entropy_spread(n)
    assert bounds.sampled_risk(n, n_passes, d, beta, 1, 1.0) == pytest.approx(first)
    assert bounds.sampled_risk(n, n_passes, d, beta, 2, None) == math.inf
    assert bounds.enumerated_risk(np.full(4, 0.25), 5, d, beta, 1, None) == 0.0
    assert bounds.enumerated_risk(np.full(4, 0.25), 5, d, beta, 2, None) == math.inf
    assert bounds.shift_and_passes(0.3, np.full(4, 0.25), 5, d, beta, 1, None, 0.1) == 0.3


def test_values_without_weight_do_not_enter_the_bias():
    with_weight = bounds.bias_identity(np.array([-1.0, 1.0]), 0.5, 3, np.array([0.3, 0.7]))
    padded = bounds.bias_identity(np.array([-1.0, 0.0, 1.0]), 0.5, 3, np.array([0.3, 0.0, 0.7]))
    assert padded == pytest.approx(with_weight, abs=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: bounds.entropy_bias(0, 1, 1.0),
        lambda: bounds.entropy_bias(1, 1, 0.0),
        lambda: bounds.risk_bounded_printed(1, 1, 1.0),
        lambda: bounds.risk_subgaussian_printed(10, 1, 1.0, -1.0),
        lambda: bounds.sample_complexity(1, 0.0, 1.0),
        lambda: bounds.monte_carlo_mse(1, 0, 1),
        lambda: bounds.bias_lower_bound_grid(1, 0.1, 1.0),
        lambda: bounds.estimation_risk(np.ones(1), 0, 1, 1.0, 2, 1.0),
        lambda: bounds.sampled_risk(0, 1, 1, 1.0, 2, 1.0),
        lambda: bounds.sampled_risk(1, 0, 1, 1.0, 1, 1.0),
        lambda: bounds.sampled_risk(1, 1, 1, 1.0, 0, 1.0),
        lambda: bounds.sampled_deviation(10, 0.0),
        lambda: bounds.sampled_deviation(10, math.nan),
        lambda: bounds.shift_and_sampling(-1.0, 1, 1, 1, 1.0, 2, 1.0, 0.1),
        lambda: bounds.passes_deviation(np.full(2, 0.4), 5, 0.1),
        lambda: bounds.passes_deviation(np.full(2, 0.5), 0, 0.1),
        lambda: bounds.passes_deviation_joint(np.full(2, 0.5), 5, 1.0),
        lambda: bounds.enumerated_risk(np.full(2, 0.5), 5, 1, 1.0, 0, 1.0),
        lambda: bounds.shift_and_passes(0.1, np.full(2, 0.5), 5, 1, 1.0, 2, 1.0, 1.5),
    ],
)
def test_hypotheses_are_checked(call):
    with pytest.raises(ValueError):
        call()
