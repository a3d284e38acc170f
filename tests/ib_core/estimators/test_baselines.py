import math

import numpy as np
import pytest

from ib_core.channels.closed_forms import finite_input_information, neuron_chain_information, noise_entropy
from ib_core.channels.finite import information
from ib_core.estimators.binning import bin_edges, binned_information
from ib_core.estimators.pairwise import pairwise_bounds
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.estimators.unpooled import slides_information


def law_of(n, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(n))


def stored_information(passes, beta, weights):
    """I(X; T) of the empirical channel of scalar passes (N, n_x), by quadrature."""
    n_passes = passes.shape[1]
    output = finite_input_information(passes.reshape(-1), beta, np.repeat(weights / n_passes, n_passes))
    return output - weights @ [finite_input_information(row, beta) for row in passes]


def test_one_pass_in_bins_has_the_entropy_of_its_clusters():
    signals = np.array([[-0.9, 0.9], [-0.95, 0.8], [0.9, 0.9], [0.9, -0.9]])[:, None]
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    found = binned_information(signals, bin_edges(signals, 2), weights=weights, labels=[0, 1, 1, 1])
    clusters = np.array([0.3, 0.3, 0.4])
    entropy = -clusters @ np.log(clusters)
    within_one = np.array([0.2, 0.3, 0.4]) / 0.9
    assert found.occupied == 3
    assert found.information == pytest.approx(entropy)
    assert found.label_information == pytest.approx(entropy + 0.9 * within_one @ np.log(within_one))
    assert "not I(X;T)" in found.measures


@pytest.mark.parametrize("fit", ["range", "quantiles"])
def test_binned_information_is_that_of_the_counted_channel(fit):
    rng = np.random.default_rng(0)
    passes = np.maximum(rng.normal(size=(7, 1, 2)) + 0.5 * rng.normal(size=(7, 40, 2)), 0)
    weights, labels, edges = law_of(7), np.arange(7) % 3, bin_edges(passes, 4, fit)
    cell = np.array([[np.clip(np.digitize(t, edges), 1, 4) - 1 for t in row] for row in passes])
    symbol = cell[..., 0] * 4 + cell[..., 1]
    channel = np.array([np.bincount(row, minlength=16) / 40 for row in symbol]).T  # (bins, N)
    found = binned_information(passes, edges, weights=weights, labels=labels)
    assert found.information == pytest.approx(information(channel, weights))
    classes = np.array([weights[labels == y].sum() for y in range(3)])
    of_class = np.stack([channel @ (weights * (labels == y)) / classes[y] for y in range(3)], axis=1)
    assert found.label_information == pytest.approx(information(of_class, classes))


def test_bins_of_a_deterministic_layer_say_nothing_of_the_noise():
    # Layers of the same information, at this noise nearly H(X): clustered within a bin, and spread over the bins.
    clustered, spread = np.linspace(0.01, 0.05, 8)[:, None, None], np.linspace(-0.9, 0.9, 8)[:, None, None]
    edges = bin_edges(clustered, 8)
    assert binned_information(clustered, edges).information == 0
    assert binned_information(spread, edges).information == pytest.approx(math.log(8))
    for signals, beta in ((clustered, 5e-4), (spread, 0.02)):
        assert finite_input_information(signals[:, 0, 0], beta) == pytest.approx(math.log(8), abs=1e-3)


def test_edges_fit_the_activation():
    signals = np.maximum(np.random.default_rng(0).normal(size=(500, 4)), 0) * 3
    np.testing.assert_allclose(bin_edges(signals, 4), [-1, -0.5, 0, 0.5, 1])
    assert bin_edges(signals, 5, "range")[[0, -1]].tolist() == [0, signals.max()]
    positive = signals[signals > 0]
    counts, _ = np.histogram(positive, bin_edges(positive, 10, "quantiles"))
    assert np.ptp(counts) <= 1


@pytest.mark.parametrize("beta", [0.02, 0.1, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("d", [1, 2])
def test_pairwise_bounds_enclose_the_quadrature_value(d, beta):
    signals, weights = np.tanh(np.random.default_rng(1).normal(size=(60, d))), law_of(60)
    truth = smoothed_entropy(signals, beta, weights=weights)
    found = pairwise_bounds(signals[:, None], beta, weights=weights)
    assert truth.stderr == 0
    assert found.entropy[0] <= truth.value <= found.entropy[1]
    low, high = found.information
    assert low <= truth.value - noise_entropy(d, beta) <= high
    assert found.conditional_entropy == pytest.approx((noise_entropy(d, beta),) * 2)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_pairwise_bounds_are_the_published_sums(backend):
    rng = np.random.default_rng(2)
    passes, weights, beta = rng.normal(size=(9, 5, 3)), law_of(9), 0.7
    found = pairwise_bounds(passes, beta, weights=weights, backend=backend)
    squares = np.square(passes[:, :, None, None] - passes).sum(-1)  # (N, n_x, N, n_x)
    bounds = []
    for scale in (8, 2):
        kernel = np.exp(-squares / (scale * beta**2))
        output = np.log(np.einsum("ikjl,j->ik", kernel, weights) / 5)
        own = np.log(np.einsum("ikil->ik", kernel) / 5)
        bounds.append((-weights @ output.mean(1), -weights @ own.mean(1)))
    (low, low_given), (high, high_given) = bounds
    noise = noise_entropy(3, beta)
    np.testing.assert_allclose(found.entropy, [low + noise, high + noise], atol=1e-5)
    np.testing.assert_allclose(found.conditional_entropy, [low_given + noise, high_given + noise], atol=1e-5)
    np.testing.assert_allclose(found.information, [low - high_given, high - low_given], atol=1e-5)


def test_pairwise_bounds_meet_where_atoms_are_far_apart_or_equal():
    weights = law_of(6)
    apart = pairwise_bounds(100.0 * np.arange(6)[:, None, None], 1.0, weights=weights).information
    np.testing.assert_allclose(apart, -weights @ np.log(weights), atol=1e-9)
    np.testing.assert_allclose(pairwise_bounds(np.ones((6, 4, 2)), 1.0).information, 0, atol=1e-9)


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_pairwise_bounds_enclose_the_plug_in_of_a_noisy_layer(beta):
    passes = np.tanh(np.linspace(-2, 2, 12)[:, None] + beta * np.random.default_rng(3).normal(size=(12, 20)))
    weights = law_of(12)
    low, high = pairwise_bounds(passes[..., None], beta, weights=weights).information
    assert low <= stored_information(passes, beta, weights) <= high


def test_the_slides_and_both_ends_agree_where_one_pass_is_the_channel():
    passes, weights = np.random.default_rng(4).normal(size=(30, 1, 3)), law_of(30)
    found = slides_information(passes, 0.5, weights=weights, target_stderr=5e-3)
    exact = layer_information(passes, 0.5, deterministic=True, weights=weights, target_stderr=5e-3)
    assert found.conditional_entropy == exact.conditional_entropy == (noise_entropy(3, 0.5), 0.0)
    error = math.hypot(found.information.stderr, exact.upper.stderr)
    assert abs(found.information.value - exact.upper.value) < 4 * error


def test_pooled_slides_are_the_plug_in_and_single_ones_are_the_quadrature_of_their_signals():
    passes = np.tanh(np.linspace(-2, 2, 12)[:, None] + 0.3 * np.random.default_rng(5).normal(size=(12, 20)))
    weights = law_of(12)
    pooled, single = (
        slides_information(passes[..., None], 0.3, weights=weights, unconditional=which, target_stderr=2e-3)
        for which in ("pooled", "single")
    )
    truth = stored_information(passes, 0.3, weights)
    assert abs(pooled.information.value - truth) < 4 * pooled.information.stderr
    output = finite_input_information(passes[:, 0], 0.3, weights)
    given_input = weights @ [finite_input_information(row, 0.3) for row in passes]
    assert abs(single.information.value - (output - given_input)) < 4 * single.information.stderr


def test_single_slides_fall_below_the_information_that_they_should_bound():
    x, beta = np.linspace(-1, 1, 3), 0.5
    truth = neuron_chain_information(x, [2, 3], [0, 0], beta)[1]
    values = {"single": [], "pooled": []}
    for seed in range(100):
        hidden = np.tanh(2 * x)[:, None] + beta * np.random.default_rng(seed).normal(size=(3, 60))
        passes = np.tanh(3 * hidden)
        conditional = np.mean([finite_input_information(row, beta) for row in passes])
        for which, signals in (("single", passes[:, 0]), ("pooled", passes.reshape(-1))):
            values[which].append(finite_input_information(signals, beta) - conditional)
    error = {which: np.std(v, ddof=1) / 10 for which, v in values.items()}
    assert np.mean(values["single"]) < truth - 4 * error["single"]
    assert np.mean(values["pooled"]) > truth - 4 * error["pooled"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bin_edges([0.0, 1.0], 0), "bins must be at least 1"),
        (lambda: bin_edges([0.0, 1.0], 3, "relu"), "fit must be"),
        (lambda: binned_information(np.zeros((3, 2)), np.zeros(3)), r"passes must have shape \(N, n_x, d\)"),
        (lambda: binned_information(np.zeros((3, 1, 2)), np.zeros(3), labels=[0, 1]), r"labels must have shape \(3,\)"),
        (lambda: pairwise_bounds(np.zeros((3, 1, 2)), -1.0), "beta must be positive"),
        (lambda: pairwise_bounds(np.zeros((2, 1, 2)), 1.0, weights=np.full((2, 2), 0.5)), "weights must have shape"),
        (lambda: slides_information(np.zeros((3, 1, 2)), 1.0, unconditional="all"), "unconditional must be"),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
