import itertools
import math
import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from ib_core.channels.closed_forms import (
    finite_input_information,
    gaussian_atoms,
    hypercube_information,
    linear_chain_information,
    neuron_chain_information,
    noise_entropy,
)
from ib_core.estimate import Estimate
from ib_core.estimators.sample_propagation import _distinct_columns, layer_information
from ib_core.mixture.own_passes import OwnPasses


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


@pytest.mark.parametrize("further", ["fresh", "own"])
@pytest.mark.parametrize("weights", [None, np.array([0.7, 0.1, 0.1, 0.1])])
def test_separated_atoms_carry_their_entropy(weights, further):
    passes = 50.0 * np.eye(4)[:, None, :3] + 0.01 * np.random.default_rng(0).normal(size=(4, 18, 3))
    passes, others = passes[:, :6], passes[:, 6:]
    result = layer_information(passes, 0.5, weights=weights, labels=[0, 0, 1, 1], **{further: others})
    law = np.full(4, 0.25) if weights is None else weights
    entropy = -(law * np.log(law)).sum()
    classes = np.array([law[:2].sum(), law[2:].sum()])
    for end in (result.plug_in, result.upper):
        assert abs(end.value - entropy) < 1e-7
    assert abs(result.lower.value - entropy) < 2e-3
    for end in (result.label_upper, result.label_lower):
        assert abs(end.value + (classes * np.log(classes)).sum()) < 1e-9
    assert result.bracket[0] < entropy <= result.bracket[1] + 1e-9
    np.testing.assert_allclose(result.pointwise, -np.log(law), atol=1e-7)
    assert abs(result.saturation - 1) < 1e-7


@pytest.mark.parametrize("n", [1, 2, 50])
def test_equal_atoms_carry_nothing(n):
    result = layer_information(np.full((n, 3, 2), 4.0), 0.2, fresh=np.full((n, 1, 2), 4.0))
    assert abs(result.plug_in.value) < 1e-7
    assert abs(result.lower.value) < 1e-7
    assert within(result.entropy, noise_entropy(2, 0.2))
    assert result.bracket[0] <= 0 <= result.bracket[1]
    assert n > 1 or str(result.bracket) == "(0.0, 0.0)"  # not -0.0


@pytest.mark.parametrize("d", [2, 4, 8])
@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 2.0])
def test_hypercubes_have_their_closed_form(d, beta):
    target = 5e-3 if beta == 0.5 else 1e-3  # errors are rare events at .5 and take ten times the draws
    labels = hypercube(d)[:, 0, 0]
    result = layer_information(hypercube(d), beta, deterministic=True, labels=labels, target_stderr=target)
    assert result.upper.stderr <= target
    assert result.lower_form == "exact" and result.lower == result.plug_in == result.upper
    assert within(result.upper, hypercube_information(d, beta))
    assert result.label_lower == result.label_upper
    assert within(result.label_upper, hypercube_information(1, beta))
    assert within(result.entropy, hypercube_information(d, beta) + noise_entropy(d, beta))
    assert result.conditional_entropy == (noise_entropy(d, beta), 0.0)


def mean_ends(signals_of, beta, n_passes, n_own, **arguments):
    """Means of (lower, upper, plug-in) over 20 families of passes, and their errors, with own passes or fresh ones."""
    ends = []
    for seed in range(20):
        signals = signals_of(np.random.default_rng(seed), n_passes + (n_own or n_passes))
        further = {"own" if n_own else "fresh": signals[:, n_passes:]}
        result = layer_information(signals[:, :n_passes], beta, seed=seed, **further, **arguments)
        ends.append((result.lower.value, result.upper.value, result.plug_in.value))
    return np.mean(ends, axis=0), np.std(ends, axis=0, ddof=1) / math.sqrt(len(ends))


@pytest.mark.parametrize("n_own", [None, 400])
@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_both_ends_enclose_the_truth_of_a_single_neuron_chain(beta, n_own):
    x = np.linspace(-1, 1, 6)
    weights = np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
    truth = neuron_chain_information(x, [2, 3], [0.1, -0.2], beta, weights=weights)

    def signals_of(rng, n_passes):
        hidden = np.tanh(2 * x + 0.1)[:, None] + beta * rng.normal(size=(6, n_passes))
        return np.tanh(3 * hidden - 0.2)[..., None]

    n_passes = 20 if n_own else 100
    (low, high, _), (low_error, high_error, _) = mean_ends(signals_of, beta, n_passes, n_own, weights=weights)
    assert low - 4 * low_error < truth[1] < high + 4 * high_error
    assert high - low < 0.1
    signals = np.tanh(2 * x + 0.1)[:, None, None]
    first = layer_information(signals, beta, weights=weights, deterministic=True, target_stderr=1e-3)
    assert within(first.upper, truth[0])


def test_all_ends_enclose_the_truth_of_a_linear_gaussian_chain_and_close_in():
    rng = np.random.default_rng(0)
    first, second = 0.6 * rng.normal(size=(3, 2)), 0.6 * rng.normal(size=(3, 3))
    # At this noise the nine nodes on each axis carry the information of the Gaussian within 1e-9.
    atoms, weights = gaussian_atoms(9, 2)
    truth = linear_chain_information([first, second], 1.0)

    def signals_of(rng, n_passes):
        hidden = (atoms @ first.T)[:, None] + rng.normal(size=(len(atoms), n_passes, 3))
        return hidden @ second.T

    def ends(n_passes, n_own=None):
        found, errors = mean_ends(signals_of, 1.0, n_passes, n_own, weights=weights)
        assert found[0] - 4 * errors[0] < truth[1]
        assert (truth[1] < found[1:] + 4 * errors[1:]).all()
        return found

    few, many, close = ends(10), ends(60), ends(10, n_own=100)
    assert 4 < (few[2] - truth[1]) / (many[2] - truth[1]) < 9  # the plug-in, like 1 / n_x
    assert close[1] - close[0] < 0.25 * (few[1] - few[0])
    assert close[1] < close[2]
    signals = (atoms @ first.T)[:, None]
    exact = layer_information(signals, 1.0, weights=weights, deterministic=True, target_stderr=2e-3)
    assert exact.reached and within(exact.upper, truth[0])


@pytest.mark.parametrize("beta", [0.05, 0.2, 0.6])
def test_the_lower_end_lies_below_and_data_processing_holds(beta):
    results = []
    for stored, fresh in zip(noisy_chain(3, beta), noisy_chain(4, beta), strict=True):
        results.append(layer_information(stored, beta, fresh=fresh, target_stderr=2e-2))
    for result in results:
        error = math.hypot(result.upper.stderr, result.lower.stderr)
        assert result.lower.value <= result.upper.value + 4 * error
        assert result.bracket[0] < result.bracket[1]
    first, second = results
    assert second.lower.value - 4 * second.lower.stderr <= first.upper.value + 4 * first.upper.stderr


@pytest.mark.parametrize("further", ["fresh", "own"])
def test_columns_agree_with_one_by_one_evaluation(further):
    passes, others = noisy_chain(5, 0.2)[1], noisy_chain(6, 0.2)[1]
    weights = np.random.default_rng(7).dirichlet(np.full(64, 5.0), size=6).T
    # The first two units are drawn in any case: with the same number of draws, the same draws.
    common = dict(labels=np.arange(64) % 3, max_draws=1) | {further: others}
    together = layer_information(passes, 0.2, weights=weights, **common)
    same_form = 0
    for k in range(6):
        alone = layer_information(passes, 0.2, weights=weights[:, k], **common)
        same_form += together.lower_form[k] == alone.lower_form  # the pilot looks at the heaviest atoms of all laws
        names = ["upper", "plug_in", "label_upper", "label_lower", "entropy"]
        for name in names + ["lower"] * (together.lower_form[k] == alone.lower_form):
            atol = 1e-6 if name == "lower" else 1e-10  # decoders of Gaussians are products in float32
            np.testing.assert_allclose(
                np.array(getattr(together, name))[:, k], getattr(alone, name), rtol=0, atol=atol, err_msg=name
            )
        np.testing.assert_allclose(together.pointwise[:, k], alone.pointwise, rtol=0, atol=1e-10)
    assert further == "own" or same_form == 6


@pytest.mark.parametrize("beta", [0.05, 0.3])
def test_the_plug_in_is_what_its_definition_says(beta):
    passes = noisy_chain(5, beta)[1]
    weights = np.random.default_rng(7).dirichlet(np.full(64, 2.0))
    labels = np.arange(64) % 3
    result = layer_information(passes, beta, weights=weights, labels=labels, target_stderr=5e-3)
    information, label_information = reference(passes, beta, weights, labels)
    assert result.upper == result.plug_in
    for found, truth in ((result.plug_in, information), (result.label_upper, label_information)):
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


@pytest.mark.parametrize(("n_own", "form"), [(400, "split"), (400, "gaussian")])
def test_both_ends_are_what_their_definitions_say(n_own, form):
    # Passes that spread like a Gaussian are known from their moments, but not such as pile up at -1 and 1.
    n, beta, spread = 80, {"split": 0.5, "gaussian": 0.02}[form], {"split": 20.0, "gaussian": 0.3}[form]
    pooled = {"split": 210, "gaussian": 8}[form]
    rng = np.random.default_rng(0)
    means = np.linspace(-1, 1, n)[:, None, None]
    passes, own = (np.tanh(spread * (means + 0.3 * rng.normal(size=(n, m, 2)))) for m in (pooled, n_own))
    weights, labels = rng.dirichlet(np.full(n, 50.0)), np.arange(n) % 3
    assert weights.max() < 4 / n  # no atom has passes of another number
    result = layer_information(passes, beta, own=own, weights=weights, labels=labels, target_stderr=1e-2)
    assert result.lower_form == form

    def draws(signals, m=1200):
        atom = rng.choice(n, size=m, p=weights)
        points = signals[atom, rng.integers(signals.shape[1], size=m)] + beta * rng.normal(size=(m, 2))
        pooled, ours = densities(points, passes, beta), np.empty(m)
        for k in range(m):
            ours[k] = densities(points[k : k + 1], own[atom[k] : atom[k] + 1], beta)[0, 0]
        return atom, points, pooled, ours

    def label_ratio(atom, logs):
        same = weights * (labels[atom][:, None] == labels)
        return logsumexp(logs, axis=1, b=same) - np.log(same.sum(1)) - logsumexp(logs, axis=1, b=weights)

    truth = {}
    atom, _, logs, ours = draws(own)
    truth["label_lower"] = label_ratio(atom, logs)
    logs[np.arange(len(atom)), atom] = ours
    truth["upper"] = ours - logsumexp(logs, axis=1, b=weights)
    atom, points, logs, ours = draws(passes)
    truth["label_upper"] = label_ratio(atom, logs)
    truth["lower"] = ours - logsumexp(logs, axis=1, b=weights)
    if form == "gaussian":
        mixtures = [multivariate_normal(s.mean(0), np.cov(s.T, ddof=0) + beta**2 * np.eye(2)) for s in own]
        logs = np.stack([each.logpdf(points) for each in mixtures], axis=1)
        truth["lower"] = logs[np.arange(len(atom)), atom] - logsumexp(logs, axis=1, b=weights)
    for name, values in truth.items():
        found, error = getattr(result, name), values.std() / math.sqrt(len(values))
        assert abs(found.value - values.mean()) < 4 * math.hypot(found.stderr, error) + 2e-3, name


def test_fresh_passes_far_from_every_stored_one_are_evaluated_exactly():
    # At this beta a fresh pass is up to 60 beta away from all stored passes of its own atom: p_i(t) is e^-2000.
    passes, fresh = noisy_chain(9, 0.3, n=40, n_passes=3)[1], noisy_chain(10, 0.3, n=40, n_passes=6)[1]
    beta = 0.005
    result = layer_information(passes, beta, fresh=fresh, labels=np.arange(40) % 2)
    rng = np.random.default_rng(11)
    points = (fresh[:, :, None] + beta * rng.normal(size=(40, 6, 20, 3))).reshape(-1, 3)
    atom = np.repeat(np.arange(40), 120)
    logs = densities(points, passes, beta)
    ratio = logs[np.arange(len(atom)), atom] - logsumexp(logs, axis=1) + math.log(40)
    assert ratio.min() < -2000
    smoothed = np.logaddexp(math.log(0.98) + ratio, math.log(0.02)).mean()
    assert result.lower_form == "smoothed" and abs(result.lower.value - smoothed) < 0.03
    same = (atom[:, None] - np.arange(40)) % 2 == 0
    label = logsumexp(np.where(same, logs, -np.inf), axis=1) - logsumexp(logs, axis=1) + math.log(2)
    assert abs(result.label_lower.value / label.mean() - 1) < 0.02


def test_a_deterministic_layer_tells_no_more_than_its_power_allows():
    constant = layer_information(np.full((50, 1, 3), 0.3), 0.1, deterministic=True, labels=np.arange(50) % 2)
    assert constant.bracket == (0.0, 0.0) and constant.label_bracket == (0.0, 0.0) and constant.upper.stderr == 0.0
    signals = 0.002 * np.array([-1.0, 0.0, 3.0])[:, None, None]
    weak = layer_information(signals, 0.1, deterministic=True, weights=[0.5, 0.25, 0.25])
    truth = finite_input_information(signals[:, 0, 0], 0.1, np.array([0.5, 0.25, 0.25]))
    # The draws alone allow events of a probability of one in all of them, hundreds of times as much.
    assert weak.bracket[0] <= truth <= weak.bracket[1] < 1.01 * truth


@pytest.mark.parametrize("seed", range(8))
def test_an_end_that_noise_made_negative_still_reaches_a_truth_that_is_smaller_than_that_noise(seed):
    rng = np.random.default_rng(seed)
    signals, law = 1e-3 * rng.normal(size=(6, 1, 1)) - 50, rng.dirichlet(np.ones(6))
    low, high = layer_information(signals, 1.0, deterministic=True, weights=law).bracket
    variance = law @ (signals[:, 0, 0] - law @ signals[:, 0, 0]) ** 2
    assert low <= variance / 2 * (1 - variance) and variance / 2 * (1 - variance) <= high < variance


def test_equal_columns_have_equal_bits_and_no_difference():
    passes = noisy_chain(5, 0.2)[1]
    law = np.random.default_rng(0).dirichlet(np.ones(64))
    weights = np.stack([law, np.full(64, 1 / 64), law], axis=1)
    result = layer_information(passes, 0.2, weights=weights, fresh=noisy_chain(6, 0.2)[1])
    assert result.upper.value[0] == result.upper.value[2] and result.lower.value[0] == result.lower.value[2]
    assert result.difference(0, 2) == (0.0, 0.0)
    assert result.change(0, 2) == ((0.0, 0.0), (0.0, 0.0))
    assert result.change_bracket(0, 2) == (0.0, 0.0)
    np.testing.assert_array_equal(result.pointwise[:, 0], result.pointwise[:, 2])


def test_a_result_keeps_no_strata():
    passes = noisy_chain(5, 0.2)[1]
    ends = layer_information(passes, 0.2, fresh=noisy_chain(6, 0.2)[1])._ends
    assert ends.upper.stratum_means.size == ends.upper.stratum_variances.size == 0


def test_laws_that_differ_in_two_weights_alone_are_not_equal():
    law = np.random.default_rng(0).dirichlet(np.ones(500))
    other = law.copy()
    other[[33, 34]] = other[[34, 33]]
    distinct, column = _distinct_columns(np.stack([law, other, law, other], axis=1))
    assert column.tolist() == [0, 1, 0, 1]
    np.testing.assert_array_equal(distinct, np.stack([law, other], axis=1))


def test_differences_of_nearby_laws_are_far_sharper_than_their_values():
    law = np.full(256, 1 / 256)
    tilted = law * (1 + 0.05 * hypercube(8)[:, 0, 0])
    runs = []
    for seed in range(40):
        weights = np.stack([law, tilted], axis=1)
        common = dict(weights=weights, deterministic=True, target_stderr=2e-2, seed=seed)
        runs.append(layer_information(hypercube(8), 1.0, **common))
    assert runs[0].change(1, 0) == (runs[0].difference(1, 0),) * 2
    differences = np.array([run.difference(1, 0) for run in runs])
    assert (differences[:, 1] < 0.3 * runs[0].upper.stderr[0]).all()
    # One coordinate is biased by .05, which costs information of second order; the mean of 40 runs knows it well.
    biased = finite_input_information(np.array([-1.0, 1.0]), 1.0, np.array([0.475, 0.525]))
    scores = (differences[:, 0] - (biased - hypercube_information(1, 1.0))) / differences[:, 1]
    assert abs(scores.mean()) < 4 / math.sqrt(40)
    assert 0.6 < scores.std() < 1.5


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
    result = layer_information(passes, 0.5, weights=weights, deterministic=True, target_stderr=2e-2)
    assert result.reached
    assert result.draws < 20_000


def test_atoms_without_weight_in_any_law_are_not_drawn():
    passes = noisy_chain(5, 0.2)[1]
    law = np.zeros(64)
    law[:32] = 1 / 32
    result = layer_information(passes, 0.2, weights=law, labels=np.arange(64) // 32, target_stderr=5e-3)
    alone = layer_information(passes[:32], 0.2, target_stderr=5e-3)
    assert np.isnan(result.pointwise[32:]).all()
    assert abs(result.upper.value - alone.upper.value) < 5 * math.hypot(result.upper.stderr, alone.upper.stderr)
    assert within(result.label_upper, 0.0)


def test_a_law_off_the_support_of_another_has_finite_pointwise_information():
    passes = 3.0 * np.arange(4.0)[:, None, None]
    weights = np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]).T
    result = layer_information(passes, 0.05, weights=weights, labels=[0, 0, 1, 1], deterministic=True)
    np.testing.assert_allclose(result.upper.value, math.log(2), atol=1e-9)
    # ln p_i - ln p is |t - 3|^2 / (2 beta^2) + ln 2 with t around 6, for the third atom under the first law.
    assert abs(result.pointwise[2, 0] - 1800 - math.log(2)) < 10
    np.testing.assert_allclose(result.label_upper.value, 0.0, atol=1e-9)


@pytest.mark.parametrize("further", ["fresh", "own"])
def test_scaling_rotation_and_translation_change_nothing(further):
    passes, others = noisy_chain(5, 0.2)[1], noisy_chain(6, 0.2)[1]
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    base = layer_information(passes, 0.2, **{further: others}, target_stderr=5e-3)
    moved = {further: 40 * others @ rotation + 900}
    moved = layer_information(40 * passes @ rotation + 900, 8.0, **moved, target_stderr=5e-3)
    for a, b in ((base.upper, moved.upper), (base.lower, moved.lower), (base.plug_in, moved.plug_in)):
        assert abs(a.value - b.value) < 5 * math.hypot(a.stderr, b.stderr)
    assert abs(moved.entropy.value - base.entropy.value - 3 * math.log(40)) < 0.05


def test_the_same_seed_gives_the_same_bits():
    passes, fresh = noisy_chain(5, 0.2)[1], noisy_chain(6, 0.2)[1]
    runs = [layer_information(passes, 0.2, fresh=fresh, seed=seed) for seed in (3, 3, 4)]
    assert runs[0].plug_in == runs[1].plug_in and runs[0].lower == runs[1].lower
    assert runs[0].plug_in != runs[2].plug_in


@pytest.mark.parametrize("n", [64, 200])
def test_own_passes_give_the_same_bits_in_blocks_of_any_size_as_in_an_array(n):
    passes, own = noisy_chain(5, 0.2, n)[1], noisy_chain(6, 0.2, n, n_passes=100)[1]
    weights = np.full((n, 2), 1 / n)
    weights[:, 1] *= 0.5
    weights[7, 1] += 0.5
    families = [own, own.astype(np.float64).tolist()]
    families += [OwnPasses(100, lambda first, last: own[first:last], size=size) for size in (1, 13, 64, 1000)]
    found = [layer_information(passes, 0.2, own=family, weights=weights, max_draws=2000) for family in families]
    for each in found[1:]:
        for name in ("upper", "lower", "plug_in", "entropy"):
            np.testing.assert_array_equal(getattr(each, name), getattr(found[0], name))
        np.testing.assert_array_equal(each.pointwise, found[0].pointwise)


def test_a_block_of_own_passes_is_only_asked_for_as_a_whole():
    asked = set()

    def of(first, last):
        asked.add((first, last))
        return noisy_chain(first, 0.2, n=100, n_passes=80)[1][first:last]

    weights = np.full(100, 0.5 / 99)
    weights[50] = 0.5  # an atom that has passes of its own number
    passes = noisy_chain(5, 0.2, n=100, n_passes=10)[1]
    layer_information(passes, 0.2, own=OwnPasses(80, of, size=40), weights=weights, max_draws=1)
    assert asked == {(0, 40), (40, 80), (80, 100)}


def test_own_passes_are_held_together_only_where_they_are_small(monkeypatch):
    monkeypatch.setattr("ib_core.mixture.own_passes.KEPT_BYTES", 2**20)
    n, n_own, d = 1024, 500, 3
    means = np.random.default_rng(0).normal(size=(n, 1, d))

    def of(first, last):
        return means[first:last] + 0.1 * np.random.default_rng(first).normal(size=(last - first, n_own, d))

    tracemalloc.start()
    layer_information(means.repeat(2, axis=1), 0.3, own=OwnPasses(n_own, of, size=64), max_draws=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * 8 * n * n_own * d
    asked = []
    few = OwnPasses(50, lambda first, last: asked.append(first) or of(first, last)[:, :50], size=64)
    layer_information(means.repeat(2, axis=1), 0.3, own=few, max_draws=1)
    assert len(asked) == len(set(asked))


def test_max_draws_ends_an_estimate_that_says_so():
    result = layer_information(hypercube(4), 1.0, deterministic=True, target_stderr=1e-6, max_draws=10_000)
    assert not result.reached and 0 < result.remainder <= 1e-7
    assert result.draws <= 10_000
    assert result.label_upper is None and result.label_lower is None


def test_stored_passes_alone_have_no_lower_end():
    result = layer_information(noisy_chain(5, 0.2)[1], 0.2)
    assert result.lower is None and result.lower_form is None and result.bracket[0] == 0.0
    with pytest.raises(ValueError, match="give `own` or `fresh`"):
        result.change(0, 0)
    # One pass of every atom, which need not be a function of it, could carry everything.
    assert layer_information(noisy_chain(5, 0.2)[1][:, :1], 0.2).lower is None


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
        (dict(own=np.zeros((3, 5, 1))), r"own must have shape \(3, n_own, 2\) like passes, got \(3, 5, 1\)"),
        (dict(own=np.zeros((3, 2))), r"own must have shape \(3, n_own, 2\)"),
        (dict(own=np.zeros((3, 0, 2))), r"own must have shape \(3, n_own, 2\)"),
        (dict(own=np.full((3, 5, 2), np.inf)), "own must be finite: 0 of 30 are NaN and 30 are infinite"),
        (dict(own=lambda first, last: 0), r"own must have shape \(3, n_own, 2\) like passes, got \(\)"),
        (dict(own=OwnPasses(0, lambda a, b: np.zeros((b - a, 0, 2)))), "n_passes of own must be at least 1, got 0"),
        (dict(own=OwnPasses(5, lambda a, b: np.zeros((b - a, 5, 2)), size=0)), "size of own must be at least 1"),
        (dict(own=OwnPasses(5, lambda a, b: np.zeros((b - a, 4, 2)))), r"own must give signals of shape \(3, 5, 2\)"),
        (dict(own=OwnPasses(9, lambda a, b: np.full((b - a, 9, 2), np.nan))), "own must be finite"),
        (
            dict(own=OwnPasses(9, lambda a, b: np.zeros((b - a, 9, 2)), lambda *_: np.zeros((3, 1, 2)))),
            "for heavy atoms, got",
        ),
        (dict(own=np.zeros((3, 5, 2)), fresh=np.zeros((3, 5, 2))), "give own or fresh passes, not both"),
        (dict(deterministic=True), "a deterministic layer has one pass"),
        (dict(passes=np.zeros((3, 1, 2)), deterministic=True, fresh=np.zeros((3, 1, 2))), "needs no further ones"),
        (dict(confidence="certain"), "confidence must be"),
        (dict(max_draws=0), "max_draws must be at least 1, got 0"),
    ],
)
def test_refusals_name_the_argument(arguments, message):
    call = {"passes": np.zeros((3, 4, 2)), "beta": 1.0, **arguments}
    with pytest.raises(ValueError, match=message):
        layer_information(call.pop("passes"), call.pop("beta"), **call)


@pytest.mark.parametrize("own", [None, noisy_chain(4, 0.4, n=32, n_passes=200)[1]], ids=["plug-in", "own"])
def test_first_order_less_divergence_is_the_difference_and_laws_need_not_share_their_weight(own):
    _, passes = noisy_chain(3, 0.4, n=32)
    uniform, rng = np.full(32, 1 / 32), np.random.default_rng(5)
    tilted, half = rng.dirichlet(np.ones(32)), np.repeat([1 / 16, 0.0], 16)
    weights = np.stack([uniform, tilted, half], axis=1)
    found = layer_information(passes, 0.4, own=own, weights=weights, target_stderr=np.array([5e-3, 5e-3, 1.0]))
    assert np.isnan(found.pointwise[16:, 2]).all() and np.isfinite(found.pointwise[:, :2]).all()
    for k in (1, 2):
        change, divergence = found.difference(k, 0), Estimate(*(part[k] for part in found.output_divergence))
        predicted = (weights[:, k] - uniform) @ found.pointwise[:, 0]
        # All three come from the same draws, and differ in how controls correct them.
        assert abs(predicted - divergence.value - change.value) < 3e-3 < divergence.value / 5
    assert found.output_divergence.value[0] == 0
    three = found.combination({0: -1.0, 1: 0.5, 2: 0.5})
    halves = [found.difference(k, 0) for k in (1, 2)]
    assert three.value == pytest.approx(np.mean([half.value for half in halves]))
    assert three.stderr <= np.mean([half.stderr for half in halves]) + 1e-12
