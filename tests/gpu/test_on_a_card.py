"""Whole estimates on a card: closed forms, quadrature, one core, and the same bits in every run."""

import math

import numpy as np
import pytest
import torch

from ib_core.arrays import normals, smaller_tiles
from ib_core.channels.closed_forms import hypercube_information
from ib_core.estimators.sample_propagation import layer_information
from ib_core.philox.generator import philox

SEEDS = 16


def cube(d):
    return np.stack(np.meshgrid(*[[-1.0, 1.0]] * d, indexing="ij"), -1).reshape(-1, d)


def test_the_hypercube_is_its_closed_form():
    truth = hypercube_information(6, 0.8)
    runs = [
        layer_information(cube(6)[:, None], 0.8, deterministic=True, target_stderr=0.01, seed=seed, device="cuda").upper
        for seed in range(SEEDS)
    ]
    scores = np.array([(run.value - truth) / run.stderr for run in runs])
    assert np.abs(scores).max() < 4 and abs(scores.mean()) < 4 / math.sqrt(SEEDS) and scores.std() > 0.4


def noisy(seed, count, n=300, d=5):
    """Passes of a layer that has Gaussian noise of its own in front of tanh."""
    means = np.random.default_rng(0).normal(size=(n, 1, d))
    return np.tanh(means + 0.3 * np.random.default_rng(seed + 1).normal(size=(n, count, d)))


@pytest.mark.parametrize("labelled", [False, True])
def test_card_and_core_agree_within_their_errors(labelled):
    rng = np.random.default_rng(0)
    weights = np.stack([np.full(300, 1 / 300), rng.dirichlet(np.ones(300)), rng.dirichlet(np.full(300, 0.1))], axis=1)
    labels = rng.integers(3, size=300) if labelled else None
    options = {"weights": weights, "labels": labels, "own": noisy(1, 200), "target_stderr": 0.005}
    card, core = (layer_information(noisy(0, 30), 0.3, device=device, **options) for device in ("cuda", None))
    for name in ("upper", "lower", "label_upper", "label_lower") if labelled else ("upper", "lower"):
        a, b = getattr(card, name), getattr(core, name)
        assert (np.abs(a.value - b.value) < 4 * np.hypot(a.stderr, b.stderr)).all(), name
    assert (card.bracket[0] <= core.bracket[1]).all() and (core.bracket[0] <= card.bracket[1]).all()


def test_a_run_has_the_same_bits_as_another_and_with_smaller_tiles():
    options = {"own": noisy(1, 100), "target_stderr": 0.01, "device": "cuda"}
    first, again = (layer_information(noisy(0, 20), 0.3, **options) for _ in range(2))
    with smaller_tiles(0.01):
        smaller = layer_information(noisy(0, 20), 0.3, **options)
    for other in (again, smaller):
        assert other.upper == first.upper and other.lower == first.lower
        np.testing.assert_array_equal(other.pointwise, first.pointwise)


def test_random_numbers_are_those_of_the_host_but_for_their_last_digits():
    from ib_core.arrays import arrays_of
    from ib_core.philox.generator import key_words

    found = normals(arrays_of("cuda"), (100_001,), 3, "noise", 1).cpu().numpy()
    a, b, c, d = (word.numpy() for word in philox(torch.arange(50_001), key_words(3, "noise", 1)))
    first, second = ((high >> 5) * 67108864.0 + (low >> 6) for high, low in ((a, b), (c, d)))
    radius, angle = np.sqrt(-2 * np.log1p(-first / 2.0**53)), 2 * np.pi * second / 2.0**53
    np.testing.assert_allclose(found[::2], radius * np.cos(angle), atol=1e-14)
    np.testing.assert_allclose(found[1::2], (radius * np.sin(angle))[:50_000], atol=1e-14)
