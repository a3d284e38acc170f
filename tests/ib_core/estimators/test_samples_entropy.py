"""Entropies from samples alone, against Gaussians, a kernel estimate of scipy's, and scaling."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde, multivariate_normal

from ib_core.estimators.measure import SeenLayer
from ib_core.estimators.samples_entropy import kernel_entropy, nearest_neighbour_entropy
from ib_core.laws.input_law import InputLaw
from ib_core.measures import entropy

SPREAD = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, 0.3], [0.0, 0.3, 0.5]])
SAMPLES = np.random.default_rng(0).multivariate_normal(np.zeros(3), SPREAD, size=2000)
TRUTH = float(multivariate_normal(np.zeros(3), SPREAD).entropy())


@pytest.mark.parametrize("k", [1, 3, 10])
def test_nearest_neighbours_find_the_entropy_of_a_gaussian(k):
    # Its standard deviation is about (d/2 + var of a log distance)^1/2 / n^1/2.
    assert nearest_neighbour_entropy(SAMPLES, k) == pytest.approx(TRUTH, abs=0.12)


def test_kernels_find_it_and_are_those_of_scipy():
    assert kernel_entropy(SAMPLES) == pytest.approx(TRUTH, abs=0.12)
    few = SAMPLES[:60]
    spread = np.cov(few.T) * 60 ** (-2 / 7)
    left_out = [
        np.mean([multivariate_normal(few[j], spread).pdf(few[i]) for j in range(60) if j != i]) for i in range(60)
    ]
    assert kernel_entropy(few) == pytest.approx(-np.mean(np.log(left_out)), abs=1e-10)
    assert gaussian_kde(few.T).covariance == pytest.approx(spread)


@pytest.mark.parametrize("estimate", [nearest_neighbour_entropy, kernel_entropy])
def test_scaling_adds_d_log_a_and_a_line_has_the_entropy_of_a_number(estimate):
    assert estimate(5.0 * SAMPLES) - estimate(SAMPLES) == pytest.approx(3 * np.log(5), abs=1e-6)
    line = SAMPLES[:, :1] / np.sqrt(SPREAD[0, 0])
    assert estimate(line) == pytest.approx(0.5 * np.log(2 * np.pi * np.e), abs=0.1)


def test_what_no_estimate_can_be_made_of_is_refused():
    with pytest.raises(ValueError, match="k must be from 1 to 4, one fewer than samples, got 5"):
        nearest_neighbour_entropy(SAMPLES[:5], 5)
    with pytest.raises(ValueError, match="samples must not coincide, got 2 at one place"):
        nearest_neighbour_entropy(np.zeros((5, 2)), 1)
    with pytest.raises(ValueError, match="spread in all 3 dimensions"):
        kernel_entropy(SAMPLES[:3])


def test_a_layer_of_more_units_than_samples_has_no_kernel_estimate(monkeypatch):
    monkeypatch.setattr(entropy, "COUNTS", (64, 128))
    monkeypatch.setattr(entropy, "REPLICATIONS", 2)
    passes = np.random.default_rng(0).normal(size=(40, 4, 70)).astype(np.float32)
    law = InputLaw(np.zeros((40, 1)), np.full(40, 1 / 40), np.arange(40) % 2)
    found = entropy.by_samples(SeenLayer(passes[:, 0], law, 0.3, None, passes))
    assert set(found["nearest_neighbours"]) == {64.0, 128.0} and set(found["kernel"]) == {128.0}
