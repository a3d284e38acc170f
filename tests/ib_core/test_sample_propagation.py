import itertools
import math
import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp

from ib_core.closed_forms import (
    finite_input_information,
    gaussian_atoms,
    hypercube_information,
    linear_chain_information,
    neuron_chain_information,
    noise_entropy,
)
from ib_core.estimate import Estimate
from ib_core.sample_propagation import layer_information


def hypercube(d):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=d)))[:, None]


def within(estimate, truth, errors=4):
    return np.all(np.abs(estimate.value - truth) < errors * estimate.stderr + 1e-9)


def noisy_chain(seed, beta, n=64, n_passes=24):
    """Signals of the two layers of a random tanh network: (n, n_passes, 4) and (n, n_passes, 3)."""
    rng = np.random.default_rng(seed)
    x = np.random.default_rng(0).normal(size=(n, 5))
    first, second = (np.random.default_rng(1).normal(size=(4, 5)), np.random.default_rng(2).normal(size=(3, 4)))
    s_1 = np.repeat(np.tanh(x @ first.T)[:, None], n_passes, axis=1)
    t_1 = s_1 + beta * rng.normal(size=s_1.shape)
    return s_1, np.tanh(t_1 @ second.T)


def densities(points, passes, beta):
    """ln p_i(t) for all points (m, d) and atoms, from float64 differences: (m, N)."""
    squares = np.square(points[:, None, None] - passes).sum(3) / (2 * beta**2)
    d = points.shape[1]
    return logsumexp(-squares, axis=2) - math.log(passes.shape[1]) - d * math.log(beta * math.sqrt(2 * math.pi))


@pytest.mark.parametrize("weights", [None, np.array([0.7, 0.1, 0.1, 0.1])])
def test_separated_atoms_carry_their_entropy(weights):
    passes = 50.0 * np.eye(4)[:, None] + 0.01 * np.random.default_rng(0).normal(size=(4, 6, 4))
    result = layer_information(passes, 0.5, weights=weights, labels=[0, 0, 1, 1], fresh=passes[:, ::-1])
    law = np.full(4, 0.25) if weights is None else weights
    entropy = -(law * np.log(law)).sum()
    classes = np.array([law[:2].sum(), law[2:].sum()])
    assert abs(result.plug_in.value - entropy) < 1e-9
    assert abs(result.held_out.value - entropy) < 1e-3
    assert abs(result.label_information.value + (classes * np.log(classes)).sum()) < 1e-9
    np.testing.assert_allclose(result.pointwise, -np.log(law), atol=1e-9)
    assert abs(result.saturation - 1) < 1e-9


@pytest.mark.parametrize("n", [1, 2, 50])
def test_equal_atoms_carry_nothing(n):
    result = layer_information(np.full((n, 3, 2), 4.0), 0.2, fresh=np.full((n, 1, 2), 4.0))
    assert abs(result.plug_in.value) < 1e-7
    assert abs(result.held_out.value) < 1e-7
    assert within(result.entropy, noise_entropy(2, 0.2))
    assert result.bracket[0] <= 0 <= result.bracket[1]


@pytest.mark.parametrize("d", [2, 4, 8])
@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 2.0])
def test_hypercubes_have_their_closed_form(d, beta):
    target = 5e-3 if beta == 0.5 else 1e-3  # errors are rare events at .5 and take ten times the draws
    labels = hypercube(d)[:, 0, 0]
    result = layer_information(hypercube(d), beta, fresh=hypercube(d), labels=labels, target_stderr=target)
    assert max(result.plug_in.stderr, result.held_out.stderr) <= target
    assert within(result.plug_in, hypercube_information(d, beta))
    assert within(result.held_out, hypercube_information(d, beta))
    assert within(result.label_information, hypercube_information(1, beta))
    assert within(result.label_information_held_out, hypercube_information(1, beta))
    assert within(result.entropy, hypercube_information(d, beta) + noise_entropy(d, beta))
    assert result.conditional_entropy == (noise_entropy(d, beta), 0.0)


def check_both_ends(truth, signals_of, beta, n_passes, **arguments):
    """held-out <= truth <= plug-in over 20 networks of passes, and their mean gap."""
    ends = []
    for seed in range(20):
        signals = signals_of(np.random.default_rng(seed), 2 * n_passes)
        stored, fresh = signals[:, :n_passes], signals[:, n_passes:]
        result = layer_information(stored, beta, fresh=fresh, target_stderr=1e-2, seed=seed, **arguments)
        ends.append((result.held_out.value, result.plug_in.value))
    low, high = np.mean(ends, axis=0)
    low_error, high_error = np.std(ends, axis=0, ddof=1) / math.sqrt(len(ends))
    assert low - 4 * low_error < truth < high + 4 * high_error
    return high - low


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_both_ends_enclose_the_truth_of_a_single_neuron_chain(beta):
    x = np.linspace(-1, 1, 6)
    weights = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
    truth = neuron_chain_information(x, [2, 3], [0.1, -0.2], beta, weights=weights)

    def signals_of(rng, n_passes):
        hidden = np.tanh(2 * x + 0.1)[:, None] + beta * rng.normal(size=(6, n_passes))
        return np.tanh(3 * hidden - 0.2)[..., None]

    assert check_both_ends(truth[1], signals_of, beta, 100, weights=weights) < 0.1
    first = layer_information(np.tanh(2 * x + 0.1)[:, None, None], beta, weights=weights, target_stderr=1e-3)
    assert within(first.plug_in, truth[0])


def test_both_ends_enclose_the_truth_of_a_linear_gaussian_chain_and_close_in():
    rng = np.random.default_rng(0)
    first, second = 0.6 * rng.normal(size=(3, 2)), 0.6 * rng.normal(size=(3, 3))
    # At this noise the nine nodes on each axis carry the information of the Gaussian within 1e-9.
    atoms, weights = gaussian_atoms(9, 2)
    truth = linear_chain_information([first, second], 1.0)

    def signals_of(rng, n_passes):
        hidden = (atoms @ first.T)[:, None] + rng.normal(size=(len(atoms), n_passes, 3))
        return hidden @ second.T

    few, many = (check_both_ends(truth[1], signals_of, 1.0, n_passes, weights=weights) for n_passes in (10, 60))
    assert 4 < few / many < 9  # like 1 / n_x
    deterministic = layer_information((atoms @ first.T)[:, None], 1.0, weights=weights, target_stderr=2e-3)
    assert deterministic.reached and within(deterministic.plug_in, truth[0])


@pytest.mark.parametrize("beta", [0.05, 0.2, 0.6])
def test_the_held_out_end_lies_below_and_data_processing_holds(beta):
    results = []
    for stored, fresh in zip(noisy_chain(3, beta), noisy_chain(4, beta), strict=True):
        results.append(layer_information(stored, beta, fresh=fresh, target_stderr=2e-2))
    for result in results:
        error = math.hypot(result.plug_in.stderr, result.held_out.stderr)
        assert result.held_out.value <= result.plug_in.value + 4 * error
        assert result.bracket[0] < result.bracket[1]
    first, second = results
    assert second.held_out.value - 4 * second.held_out.stderr <= first.plug_in.value + 4 * first.plug_in.stderr


def test_columns_agree_with_one_by_one_evaluation():
    passes, fresh = noisy_chain(5, 0.2)[1], noisy_chain(6, 0.2)[1]
    weights = np.random.default_rng(7).dirichlet(np.full(64, 5.0), size=6).T
    # The first two units are drawn in any case: with the same number of draws, the same draws.
    common = dict(fresh=fresh, labels=np.arange(64) % 3, max_draws=1)
    together = layer_information(passes, 0.2, weights=weights, **common)
    for k in range(6):
        alone = layer_information(passes, 0.2, weights=weights[:, k], **common)
        for name in ("plug_in", "held_out", "label_information", "label_information_held_out", "entropy"):
            np.testing.assert_allclose(
                np.array(getattr(together, name))[:, k], getattr(alone, name), rtol=0, atol=1e-10, err_msg=name
            )
        np.testing.assert_allclose(together.pointwise[:, k], alone.pointwise, rtol=0, atol=1e-10)


@pytest.mark.parametrize("beta", [0.05, 0.3])
def test_the_plug_in_is_what_its_definition_says(beta):
    passes = noisy_chain(5, beta)[1]
    weights = np.random.default_rng(7).dirichlet(np.full(64, 2.0))
    labels = np.arange(64) % 3
    result = layer_information(passes, beta, weights=weights, labels=labels, target_stderr=5e-3)
    information, label_information = reference(passes, beta, weights, labels)
    for found, truth in ((result.plug_in, information), (result.label_information, label_information)):
        assert abs(found.value - truth.value) < 4 * math.hypot(found.stderr, truth.stderr)
    assert abs(result.plug_in.value - (result.entropy.value - result.conditional_entropy.value)) < 1e-2
    assert abs(result.pointwise @ weights - result.plug_in.value) < 1e-9


def reference(passes, beta, weights, labels, draws=4000):
    """I(X; T) and I(T; Y) of the stored passes, as the definitions say, by plain Monte Carlo."""
    rng = np.random.default_rng(8)
    atom = rng.choice(len(passes), size=draws, p=weights)
    points = passes[atom, rng.integers(passes.shape[1], size=draws)] + beta * rng.normal(size=(draws, passes.shape[2]))
    logs = densities(points, passes, beta)
    total = logsumexp(logs, axis=1, b=weights)
    same = labels[atom][:, None] == labels
    own_class = logsumexp(logs, axis=1, b=weights * same) - np.log((weights * same).sum(1))
    values = (logs[np.arange(draws), atom] - total, own_class - total)
    return [Estimate(x.mean(), x.std() / math.sqrt(draws)) for x in values]


def test_fresh_passes_far_from_every_stored_one_are_evaluated_exactly():
    # At this beta a fresh pass is up to 60 beta away from all stored passes of its own atom: p_i(t) is e^-2000.
    passes, fresh = noisy_chain(9, 0.3, n=40, n_passes=4)[1], noisy_chain(10, 0.3, n=40, n_passes=6)[1]
    beta = 0.005
    result = layer_information(passes, beta, fresh=fresh, labels=np.arange(40) % 2)
    rng = np.random.default_rng(11)
    points = (fresh[:, :, None] + beta * rng.normal(size=(40, 6, 20, 3))).reshape(-1, 3)
    atom = np.repeat(np.arange(40), 120)
    logs = densities(points, passes, beta)
    twin = logs[np.arange(len(atom)), atom] - logsumexp(logs, axis=1) + math.log(40)
    assert twin.min() < -2000
    assert abs(result.held_out.value / twin.mean() - 1) < 0.02
    same = (atom[:, None] - np.arange(40)) % 2 == 0
    label = logsumexp(np.where(same, logs, -np.inf), axis=1) - logsumexp(logs, axis=1) + math.log(2)
    assert abs(result.label_information_held_out.value / label.mean() - 1) < 0.02


def test_equal_columns_have_equal_bits_and_no_difference():
    passes = noisy_chain(5, 0.2)[1]
    law = np.random.default_rng(0).dirichlet(np.ones(64))
    weights = np.stack([law, np.full(64, 1 / 64), law], axis=1)
    result = layer_information(passes, 0.2, weights=weights, fresh=noisy_chain(6, 0.2)[1])
    assert result.plug_in.value[0] == result.plug_in.value[2]
    assert result.difference(0, 2) == (0.0, 0.0)
    assert result.difference(0, 2, held_out=True) == (0.0, 0.0)
    np.testing.assert_array_equal(result.pointwise[:, 0], result.pointwise[:, 2])


def test_differences_of_nearby_laws_are_far_sharper_than_their_values():
    law = np.full(256, 1 / 256)
    tilted = law * (1 + 0.05 * hypercube(8)[:, 0, 0])
    runs = []
    for seed in range(40):
        weights = np.stack([law, tilted], axis=1)
        runs.append(layer_information(hypercube(8), 1.0, weights=weights, target_stderr=2e-2, seed=seed))
    differences = np.array([run.difference(1, 0) for run in runs])
    assert (differences[:, 1] < 0.3 * runs[0].plug_in.stderr[0]).all()
    # One coordinate is biased by .05, which costs information of second order; the mean of 40 runs knows it well.
    biased = finite_input_information(np.array([-1.0, 1.0]), 1.0, np.array([0.475, 0.525]))
    scores = (differences[:, 0] - (biased - hypercube_information(1, 1.0))) / differences[:, 1]
    assert abs(scores.mean()) < 4 / math.sqrt(40)
    assert 0.6 < scores.std() < 1.5


@pytest.mark.parametrize("passes_per_atom", [1, 2, 8])
def test_held_out_intervals_know_that_few_fresh_passes_are_few(passes_per_atom):
    passes = noisy_chain(0, 0.3)[1]
    long_run = layer_information(passes, 0.3, fresh=noisy_chain(100, 0.3, n_passes=3000)[1], target_stderr=4e-3)
    scores = []
    for seed in range(40):
        fresh = noisy_chain(200 + seed, 0.3, n_passes=passes_per_atom)[1]
        found = layer_information(passes, 0.3, fresh=fresh, seed=seed).held_out
        scores.append((found.value - long_run.held_out.value) / math.hypot(found.stderr, long_run.held_out.stderr))
    assert np.mean(np.abs(scores) < 3) >= 0.95
    assert passes_per_atom == 1 or np.std(scores) > 0.6


@pytest.mark.parametrize(
    ("n", "heavy", "passes_per_atom", "target"),
    [(3, 0, 2, 1e-2), (8, 0, 2, 1e-2), (512, 0.5, 4, 0.02), (512, 0.5, 20, 0.05)],
)
def test_held_out_intervals_where_few_passes_carry_a_law(n, heavy, passes_per_atom, target):
    rng = np.random.default_rng(0)
    means = rng.normal(size=(n, 1, 2))
    weights = np.full((n, 2), 1 / n)
    weights[:, 1] *= 1 - heavy
    weights[0, 1] += heavy

    def channel(m):
        return means + 0.6 * rng.normal(size=(n, m, 2))

    def held_out(m, target, seed=0):
        found = layer_information(passes, 0.4, weights=weights, fresh=channel(m), target_stderr=target, seed=seed)
        assert (found.bracket[0] <= found.bracket[1]).all()
        return found.held_out.value[1], found.held_out.stderr[1], *found.difference(1, 0, held_out=True)

    passes = channel(16)
    truth = np.array(held_out(max(64, 6000 // n), 1e-2))
    runs = np.array([held_out(passes_per_atom, target, seed) for seed in range(40)])
    # Three of Student's deviations cover 94 % at three degrees of freedom.
    assert np.mean(np.abs(runs[:, 0] - truth[0]) <= 3 * runs[:, 1]) >= 0.9
    assert np.mean(np.abs(runs[:, 2] - truth[2]) <= 3 * runs[:, 3]) >= 0.9


def test_signals_far_apart_beyond_the_digits_of_their_covariance():
    passes = np.arange(4.0)[:, None, None] * np.full(2, 1e6)
    assert layer_information(passes, 0.005).plug_in.value == pytest.approx(math.log(4), abs=1e-9)


def test_memory_stays_bounded_for_few_atoms_in_wide_noisy_layers():
    passes = np.random.default_rng(0).normal(size=(8, 20, 256))
    tracemalloc.start()
    layer_information(passes, 2.0, max_draws=2048)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e8


def test_a_heavy_atom_gets_more_draws():
    weights = np.full(4096, 0.6 / 4095)
    weights[17] = 0.4
    passes = np.random.default_rng(0).normal(size=(4096, 1, 3))
    result = layer_information(passes, 0.5, weights=weights, target_stderr=2e-2)
    assert result.reached
    assert result.draws < 20_000


def test_atoms_without_weight_in_any_law_are_not_drawn():
    passes = noisy_chain(5, 0.2)[1]
    law = np.zeros(64)
    law[:32] = 1 / 32
    result = layer_information(passes, 0.2, weights=law, labels=np.arange(64) // 32, target_stderr=5e-3)
    alone = layer_information(passes[:32], 0.2, target_stderr=5e-3)
    assert np.isnan(result.pointwise[32:]).all()
    assert abs(result.plug_in.value - alone.plug_in.value) < 5 * math.hypot(result.plug_in.stderr, 5e-3)
    assert within(result.label_information, 0.0)


def test_a_law_off_the_support_of_another_has_finite_pointwise_information():
    passes = 3.0 * np.arange(4.0)[:, None, None]
    weights = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]).T
    result = layer_information(passes, 0.05, weights=weights, labels=[0, 0, 1, 1])
    np.testing.assert_allclose(result.plug_in.value, math.log(2), atol=1e-9)
    # ln p_i - ln p is |t - 3|^2 / (2 beta^2) + ln 2 with t around 6, for the third atom under the first law.
    assert abs(result.pointwise[2, 0] - 1800 - math.log(2)) < 10
    np.testing.assert_allclose(result.label_information.value, 0.0, atol=1e-9)


def test_scaling_rotation_and_translation_change_nothing():
    passes, fresh = noisy_chain(5, 0.2)[1], noisy_chain(6, 0.2)[1]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    base = layer_information(passes, 0.2, fresh=fresh, target_stderr=5e-3)
    moved = layer_information(40 * passes @ rotation + 900, 8.0, fresh=40 * fresh @ rotation + 900, target_stderr=5e-3)
    for a, b in ((base.plug_in, moved.plug_in), (base.held_out, moved.held_out)):
        assert abs(a.value - b.value) < 5 * math.hypot(a.stderr, b.stderr)
    assert abs(moved.entropy.value - base.entropy.value - 3 * math.log(40)) < 0.05


def test_the_same_seed_gives_the_same_bits():
    passes, fresh = noisy_chain(5, 0.2)[1], noisy_chain(6, 0.2)[1]
    runs = [layer_information(passes, 0.2, fresh=fresh, seed=seed) for seed in (3, 3, 4)]
    assert runs[0].plug_in == runs[1].plug_in and runs[0].held_out == runs[1].held_out
    assert runs[0].plug_in != runs[2].plug_in


def test_max_draws_ends_an_estimate_that_says_so():
    result = layer_information(hypercube(4), 1.0, target_stderr=1e-6, max_draws=10_000)
    assert not result.reached and 0 < result.remainder <= 1e-7
    assert result.draws <= 10_000
    assert result.held_out is None and result.label_information is None
    assert result.bracket[0] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(passes=np.zeros((3, 2))), r"passes must have shape \(N, n_x, d\)"),
        (dict(passes=np.full((3, 4, 2), np.nan)), "24 of 24 are NaN"),
        (dict(beta=-1.0), "beta must be positive"),
        (dict(fresh=np.zeros((3, 4, 1))), r"fresh must have shape \(3, m, 2\)"),
        (dict(labels=[0, 1]), r"labels must have shape \(3,\)"),
        (dict(weights=np.ones((3, 2))), "sum to 1"),
        (dict(target_stderr=0.0), "target_stderr must be positive"),
    ],
)
def test_refusals_name_the_argument(arguments, message):
    call = {"passes": np.zeros((3, 4, 2)), "beta": 1.0, **arguments}
    with pytest.raises(ValueError, match=message):
        layer_information(call.pop("passes"), call.pop("beta"), **call)


def test_a_held_out_difference_needs_fresh_passes():
    with pytest.raises(ValueError, match="needs fresh passes"):
        layer_information(hypercube(2), 1.0).difference(0, 0, held_out=True)


def test_first_order_less_divergence_is_the_change_and_laws_need_not_share_their_weight():
    _, passes = noisy_chain(3, 0.4, n=32)
    uniform, rng = np.full(32, 1 / 32), np.random.default_rng(5)
    tilted, half = rng.dirichlet(np.ones(32)), np.repeat([1 / 16, 0.0], 16)
    weights = np.stack([uniform, tilted, half], axis=1)
    found = layer_information(passes, 0.4, weights=weights, target_stderr=np.array([5e-3, 5e-3, 1.0]))
    assert np.isnan(found.pointwise[16:, 2]).all() and np.isfinite(found.pointwise[:, :2]).all()
    for k in (1, 2):
        change, divergence = found.difference(k, 0), Estimate(*(part[k] for part in found.output_divergence))
        predicted = (weights[:, k] - uniform) @ found.pointwise[:, 0]
        error = np.sqrt(np.square(weights[:, k] - uniform) @ np.square(found.pointwise_stderr[:, 0]))
        assert abs(predicted - divergence.value - change.value) < 4 * (error + divergence.stderr + change.stderr)
        assert divergence.value > 5 * divergence.stderr
    assert found.output_divergence.value[0] == 0
    three = found.combination({0: -1.0, 1: 0.5, 2: 0.5})
    halves = [found.difference(k, 0) for k in (1, 2)]
    assert three.value == pytest.approx(np.mean([half.value for half in halves]))
    assert three.stderr <= np.mean([half.stderr for half in halves]) + 1e-12
