"""The estimator with its arrays on a device, for which torch's CPU stands, against closed forms and quadrature."""

import numpy as np
import pytest
from test_coverage import families, gaussian, hypercube, neuron_chain

from ib_core import arrays
from ib_core.arrays import smaller_tiles
from ib_core.channels.closed_forms import hypercube_information
from ib_core.estimators.sample_propagation import layer_information
from ib_core.sampling import draws

SEEDS = 12


@pytest.fixture(autouse=True)
def device(monkeypatch):
    monkeypatch.setattr(arrays, "resident", lambda device: device is not None)
    monkeypatch.setattr(draws, "DEVICE_POINTS", 2048)  # enough to fill a CPU


def test_a_deterministic_layer_is_its_closed_form():
    truth = hypercube_information(5, 1.0)
    runs = [
        layer_information(
            hypercube(5)[:, None], 1.0, deterministic=True, target_stderr=0.02, seed=seed, device="cpu"
        ).upper
        for seed in range(SEEDS)
    ]
    scores = np.array([(run.value - truth) / run.stderr for run in runs])
    assert np.abs(scores).max() < 4 and abs(scores.mean()) < 4 / np.sqrt(SEEDS) and scores.std() > 0.4


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("case", ["chain", "gaussian", "few"])
def test_brackets_hold_and_close(case, made):
    layer = {"chain": neuron_chain(60), "gaussian": gaussian(40, 4, 0.5, 0.5), "few": neuron_chain(8)}[case]
    n = layer.n
    labels = np.arange(n) % 2
    laws = np.stack([np.full(n, 1 / n), np.random.default_rng(0).dirichlet(np.ones(n))], axis=1)
    truth = [layer.truth(law, labels) for law in laws.T]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        own = families(layer, seed, 300) if made else layer.passes(rng, 300)
        found = layer_information(
            layer.passes(rng, 20), layer.beta, own=own, weights=laws, labels=labels, target_stderr=0.03, seed=seed,
            max_draws=2048, device="cpu",
        )  # fmt: skip
        for k, (information, _, label) in enumerate(truth):
            low, high = (float(end[k]) for end in found.bracket)
            assert low - 1e-9 <= information <= high + 1e-9 and high - low < 0.6
            below, above = (float(end[k]) for end in found.label_bracket)
            assert below - 1e-9 <= label <= above + 1e-9


def test_fresh_passes_serve_there_too():
    layer = neuron_chain(50)
    truth = layer.truth(np.full(50, 0.02), np.zeros(50))[0]
    rng = np.random.default_rng(0)
    found = layer_information(
        layer.passes(rng, 20), layer.beta, fresh=layer.passes(rng, 10), target_stderr=0.03, max_draws=2048, device="cpu"
    )
    assert found.bracket[0] <= truth <= found.bracket[1]


def test_numbers_are_the_same_again_and_nearly_the_same_in_smaller_tiles():
    layer, numbers = neuron_chain(60), []
    for share in (1.0, 1.0, 1e-5):
        rng = np.random.default_rng(0)
        passes, own = layer.passes(rng, 20), layer.passes(rng, 300)
        with smaller_tiles(share):
            found = layer_information(passes, layer.beta, own=own, target_stderr=0.03, max_draws=2048, device="cpu")
        numbers.append((found.upper.value, found.upper.stderr, found.lower.value, found.lower.stderr))
    assert numbers[0] == numbers[1]
    np.testing.assert_allclose(numbers[2], numbers[0], rtol=1e-6)


def test_the_device_has_draws_of_its_own():
    layer = neuron_chain(60)
    rng = np.random.default_rng(0)
    passes, own = layer.passes(rng, 20), layer.passes(rng, 300)
    here, there = (
        layer_information(passes, layer.beta, own=own, target_stderr=0.03, max_draws=2048, device=device)
        for device in (None, "cpu")
    )
    assert here.upper.value != there.upper.value
    assert abs(here.upper.value - there.upper.value) < 4 * np.hypot(here.upper.stderr, there.upper.stderr)
