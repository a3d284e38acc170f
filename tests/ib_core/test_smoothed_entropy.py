import itertools
import math

import numpy as np
import pytest
import torch

from ib_core.closed_forms import (
    finite_input_information,
    gaussian_information,
    hypercube_information,
    linear_gaussian_information,
    noise_entropy,
)
from ib_core.smoothed_entropy import smoothed_entropy


def hypercube(d):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=d)))


def within(estimate, truth, errors=4):
    return abs(estimate.value - truth) < errors * estimate.stderr + 1e-9


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("n", [2, 16])
def test_separated_points_add_log_n(n, d):
    far_apart = np.zeros((n, d))
    far_apart[:, 0] = 100.0 * np.arange(n)
    estimate = smoothed_entropy(torch.from_numpy(far_apart), 1.0)
    assert abs(estimate.value - math.log(n) - noise_entropy(d, 1.0)) < 1e-9


@pytest.mark.parametrize("d", [1, 2, 3, 20])
def test_equal_points_leave_the_noise(d):
    assert abs(smoothed_entropy(np.full((30, d), 7.0), 0.3).value - noise_entropy(d, 0.3)) < 1e-9


def test_separated_clusters_add_the_entropy_of_their_weights():
    weights = np.array([0.5, 0.25, 0.125, 0.125])
    centres = 50.0 * np.eye(4)
    expected = -(weights * np.log(weights)).sum() + noise_entropy(4, 0.5)
    assert abs(smoothed_entropy(centres, 0.5, weights=weights).value - expected) < 1e-9


@pytest.mark.parametrize("d", [1, 2, 4, 8])
@pytest.mark.parametrize("beta", [0.25, 0.5, 1.0, 2.0])
def test_hypercubes_have_their_closed_form(d, beta):
    estimate = smoothed_entropy(hypercube(d), beta, target_stderr=2e-3)
    assert estimate.stderr <= 2e-3
    assert within(estimate, hypercube_information(d, beta) + noise_entropy(d, beta))


@pytest.mark.parametrize(("beta", "expected"), [(0.25, 0.693054), (0.5, 0.632720), (1.0, 0.336831), (4.0, 0.030311)])
def test_binary_input_information_is_the_gauss_hermite_value(beta, expected):
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    loss = np.logaddexp(0, -2 / beta**2 - 2 * nodes / beta)
    assert abs(hypercube_information(1, beta) - expected) < 1e-6
    assert abs(math.log(2) - (weights * loss).sum() / math.sqrt(2 * math.pi) - expected) < 1e-5


def test_gaussian_forms_agree_with_each_other():
    assert math.isclose(gaussian_information(3, 2.0, 0.5), linear_gaussian_information(2 * np.eye(3), 0.5))


def test_fine_grids_approach_the_gaussian_form():
    quantiles = np.linspace(-6, 6, 2001)
    weights = np.exp(-(quantiles**2) / 2)
    information = finite_input_information(quantiles, 0.5, weights / weights.sum())
    assert abs(information - gaussian_information(1, 1.0, 0.5)) < 1e-6


@pytest.mark.parametrize("d", [2, 5])
def test_scaling_space_adds_d_log_a_and_motions_add_nothing(d):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(40, d))
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    base = smoothed_entropy(centres, 0.5)
    scaled = smoothed_entropy(10 * centres, 5.0)
    moved = smoothed_entropy(centres @ rotation + 3.0, 0.5)
    assert within(base, scaled.value - d * math.log(10), errors=6)
    assert within(base, moved.value, errors=6)


def test_splitting_a_centre_changes_nothing():
    centres = np.random.default_rng(1).normal(size=(5, 3))
    doubled = smoothed_entropy(np.repeat(centres, 2, axis=0), 0.5)
    assert doubled == smoothed_entropy(centres, 0.5)


def test_the_same_seed_gives_the_same_bits_for_any_number_of_threads():
    centres = np.random.default_rng(2).normal(size=(200, 20))
    threads = torch.get_num_threads()
    try:
        found = []
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(smoothed_entropy(centres, 2.0, target_stderr=1e-2, seed=5))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]
    assert found[0] != smoothed_entropy(centres, 2.0, target_stderr=1e-2, seed=6)


def test_max_draws_ends_an_estimate_that_says_so():
    estimate = smoothed_entropy(hypercube(4), 0.5, target_stderr=1e-6, max_draws=5000)
    assert estimate.stderr > 1e-6
    assert within(estimate, hypercube_information(4, 0.5) + noise_entropy(4, 0.5))


def test_weights_of_several_laws_are_refused():
    with pytest.raises(ValueError, match=r"weights must have shape \(n,\)"):
        smoothed_entropy(np.zeros((2, 3)), 1.0, weights=np.full((2, 2), 0.5))
