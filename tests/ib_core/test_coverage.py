"""Standard errors are honest: over 200 seeds, 95 % intervals cover the truth in 91 to 99 % of the runs."""

import itertools
import math

import numpy as np
import pytest

from ib_core.closed_forms import hypercube_information, noise_entropy
from ib_core.estimate import Estimate
from ib_core.mixture.quadrature import quadrature_entropy
from ib_core.sample_propagation import layer_information
from ib_core.smoothed_entropy import smoothed_entropy

SEEDS = 200


def check_coverage(estimates, truth, most=0.99):
    # Binomial(200, .95) leaves this range with probability .006.
    scores = np.array([(estimate.value - truth) / estimate.stderr for estimate in estimates])
    assert 0.91 <= (np.abs(scores) < 1.96).mean() <= most
    assert np.abs(scores).max() < 4.5
    assert abs(scores.mean()) < 4 / math.sqrt(SEEDS)


def entropy(centres, beta, weights):
    """h(S + Z) by quadrature, for centres (n, 1 or 2)."""
    return quadrature_entropy(centres / beta, weights) + centres.shape[1] * math.log(beta)


def hypercube(d):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=d)))


@pytest.mark.parametrize(
    ("d", "law", "target"), [(1, "equal", 1e-2), (1, "random", 1e-2), (2, "one heavy", 2e-2), (2, "equal", 6e-3)]
)
def test_entropies_of_sampled_mixtures(monkeypatch, d, law, target):
    monkeypatch.setattr("ib_core.smoothed_entropy.quadrature_entropy", lambda *_: None)
    rng = np.random.default_rng(d)
    centres = np.tanh(rng.normal(size=(60, d)))
    weights = {"equal": np.full(60, 1 / 60), "random": rng.dirichlet(np.full(60, 0.5)), "one heavy": np.full(60, 1e-2)}
    weights = weights[law]
    weights[0] += 1 - weights.sum()
    truth = entropy(centres, 0.3, weights)
    check_coverage(
        [smoothed_entropy(centres, 0.3, weights=weights, target_stderr=target, seed=seed) for seed in range(SEEDS)],
        truth,
    )


def test_entropies_of_hypercubes():
    truth = hypercube_information(5, 1.0) + noise_entropy(5, 1.0)
    runs = [smoothed_entropy(hypercube(5), 1.0, target_stderr=1e-2, seed=seed) for seed in range(SEEDS)]
    check_coverage(runs, truth)


def column(estimate, k):
    return Estimate(estimate.value[k], estimate.stderr[k])


@pytest.fixture(scope="module", params=[(1, 12, 10), (2, 40, 16)], ids=str)
def layer(request):
    """A noisy layer under two laws: its runs over all seeds, and the truth of its stored passes by quadrature."""
    d, n, n_passes = request.param
    rng = np.random.default_rng(d)
    mean = np.tanh(rng.normal(size=(n, 1, 3)))
    passes = np.tanh((mean + 0.2 * rng.normal(size=(n, n_passes, 3))) @ rng.normal(size=(3, d)))
    weights = np.stack([np.full(n, 1 / n), rng.dirichlet(np.full(n, 2.0))], axis=1)
    labels = np.arange(n) % 2

    def output_entropy(law):
        return entropy(passes.reshape(-1, d), 0.2, np.repeat(law / n_passes, n_passes))

    given_input = [entropy(own, 0.2, np.full(n_passes, 1 / n_passes)) for own in passes]
    truth = {
        "entropy": [output_entropy(law) for law in weights.T],
        "conditional_entropy": list(given_input @ weights),
        "label_information": [],
    }
    for law, output in zip(weights.T, truth["entropy"], strict=True):
        classes = [law * (labels == y) for y in (0, 1)]
        given_label = sum(part.sum() * output_entropy(part / part.sum()) for part in classes)
        truth["label_information"].append(output - given_label)
    truth["plug_in"] = [a - b for a, b in zip(truth["entropy"], truth["conditional_entropy"], strict=True)]
    # Fresh passes are drawn from the stored ones, which then are the channel itself, and I_SP its information.
    truth["held_out"], truth["label_information_held_out"] = truth["plug_in"], truth["label_information"]
    runs = []
    for seed in range(SEEDS):
        chosen = np.random.default_rng(seed).integers(n_passes, size=(n, 30))
        fresh = np.take_along_axis(passes, chosen[..., None], axis=1)
        common = dict(weights=weights, labels=labels, fresh=fresh, target_stderr=1e-2, seed=seed)
        runs.append(layer_information(passes, 0.2, **common))
    return runs, truth


@pytest.mark.parametrize(
    "name",
    [
        "plug_in",
        "held_out",
        "label_information",
        "label_information_held_out",
        "entropy",
        "conditional_entropy",
    ],
)
def test_both_laws_of_a_noisy_layer(layer, name):
    runs, truth = layer
    for k in (0, 1):
        check_coverage([column(getattr(run, name), k) for run in runs], truth[name][k])


@pytest.mark.parametrize("held_out", [False, True])
def test_differences_between_laws(layer, held_out):
    runs, truth = layer
    low, high = truth["plug_in"]
    check_coverage([run.difference(1, 0, held_out=held_out) for run in runs], high - low)


def test_information_of_a_deterministic_layer():
    signals = hypercube(5)[:, None]
    runs = [layer_information(signals, 1.0, fresh=signals, target_stderr=2e-2, seed=seed) for seed in range(SEEDS)]
    for end in ("plug_in", "held_out"):
        check_coverage([getattr(run, end) for run in runs], hypercube_information(5, 1.0))


def test_layers_with_many_signals_err_on_the_safe_side(monkeypatch):
    # Signals then come back in turn, but are counted as if they came back at random.
    monkeypatch.setattr("ib_core.mixture.draws.MOST_CELLS", 0)
    rng = np.random.default_rng(3)
    passes = np.tanh(rng.normal(size=(15, 1, 1)) + 0.3 * rng.normal(size=(15, 20, 1)))
    truth = entropy(passes.reshape(-1, 1), 0.2, np.full(300, 1 / 300))
    truth -= np.mean([entropy(own, 0.2, np.full(20, 1 / 20)) for own in passes])
    runs = [layer_information(passes, 0.2, target_stderr=2e-2, seed=seed) for seed in range(SEEDS)]
    check_coverage([run.plug_in for run in runs], truth, most=1.0)
