import itertools
import math

import numpy as np
import pytest
import torch

from ib_core.bounds import bias_lower_bound, bias_lower_bound_grid
from ib_core.channels.closed_forms import (
    finite_input_information,
    gaussian_atoms,
    gaussian_information,
    hypercube_information,
    linear_gaussian_information,
    noise_entropy,
)
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.mixture import log_density


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
@pytest.mark.parametrize("n", [1, 30])
def test_equal_points_leave_the_noise(n, d):
    assert abs(smoothed_entropy(np.full((n, d), 7.0), 0.3).value - noise_entropy(d, 0.3)) < 1e-9


@pytest.mark.parametrize("n", [4, 300])
def test_separated_clusters_add_the_entropy_of_their_weights(n):
    weights = np.arange(1.0, n + 1) / (n * (n + 1) / 2)
    centres = 50.0 * np.random.default_rng(0).permutation(n)[:, None] * np.eye(4)[0]
    expected = -(weights * np.log(weights)).sum() + noise_entropy(4, 0.5)
    assert abs(smoothed_entropy(centres, 0.5, weights=weights).value - expected) < 1e-9


@pytest.mark.parametrize("d", [1, 2, 3, 4, 8, 12])
def test_hypercubes_have_their_closed_form(d):
    # At beta = .5, where errors are rare events, a wide one takes seconds.
    for beta in (0.25, 0.5, 1.0, 2.0) if d in (4, 8) else (0.25, 1.0, 2.0):
        estimate = smoothed_entropy(hypercube(d), beta)
        assert estimate.stderr <= 1e-3
        assert within(estimate, hypercube_information(d, beta) + noise_entropy(d, beta))


@pytest.mark.parametrize(("d", "nodes"), [(1, 15), (2, 15), (3, 9), (4, 7)])
def test_gaussians_on_the_nodes_of_gauss_and_hermite_have_their_closed_form(d, nodes):
    centres, weights = gaussian_atoms(nodes, d)
    estimate = smoothed_entropy(1.5 * centres, 1.5, weights=weights)
    assert estimate.stderr <= 1e-3
    assert within(estimate, gaussian_information(d, 1.5, 1.5) + noise_entropy(d, 1.5))


def test_a_flat_gaussian_in_a_wide_layer_has_its_closed_form():
    matrix = 0.5 * np.random.default_rng(0).normal(size=(20, 2))
    centres, weights = gaussian_atoms(9, 2)
    beta = 1.3 * np.linalg.norm(matrix, 2)
    estimate = smoothed_entropy(centres @ matrix.T, beta, weights=weights)
    assert estimate.stderr <= 1e-3
    assert within(estimate, linear_gaussian_information(matrix, beta) + noise_entropy(20, beta))


@pytest.mark.parametrize(("d", "beta"), [(2, 0.1), (4, 0.1), (4, 0.25)])
def test_grids_that_still_decode_have_their_closed_form_and_the_bias_of_the_theorem(d, beta):
    k = bias_lower_bound_grid(d, beta, 0.2)
    points = np.linspace(-1, 1, k)
    grid = np.array(list(itertools.product(points, repeat=d)))
    truth = d * finite_input_information(points, beta) + noise_entropy(d, beta)
    estimate = smoothed_entropy(grid, beta)
    assert k > 1 and estimate.stderr <= 1e-3
    assert within(estimate, truth)
    n = max(1, len(grid) // 100)  # so few that the theorem says something
    sampled = smoothed_entropy(grid[np.random.default_rng(0).integers(len(grid), size=n)], beta)
    bias = bias_lower_bound(n, d, beta, 0.2)
    assert bias > 0.5 and truth - sampled.value > bias - 4 * sampled.stderr


def test_all_codewords_of_the_reed_muller_code_of_length_16_have_their_closed_form():
    codewords, beta = hypercube(16), 1.0
    points = codewords[::1024] + beta * np.random.default_rng(0).normal(size=(64, 16))
    each = np.logaddexp(-np.square(points - 1) / 2, -np.square(points + 1) / 2) - math.log(2 * math.sqrt(2 * math.pi))
    np.testing.assert_allclose(log_density(points, codewords, beta), each.sum(1), rtol=0, atol=1e-5)
    # The first 8 bits are the input, the others are the passes of each input.
    found = layer_information(codewords.reshape(256, 256, 16), beta, target_stderr=4e-3)
    assert found.reached
    assert within(found.plug_in, hypercube_information(8, beta))
    assert within(found.entropy, hypercube_information(16, beta) + noise_entropy(16, beta))
    assert within(found.conditional_entropy, hypercube_information(8, beta) + noise_entropy(16, beta))


def test_sampled_codewords_of_length_32_miss_the_closed_form_by_their_divergence():
    n, d, beta = 8192, 32, 2.0
    codewords = np.where(np.random.default_rng(0).random((n, d)) < 0.5, -1.0, 1.0)
    estimate = smoothed_entropy(codewords, beta)
    truth = hypercube_information(d, beta) + noise_entropy(d, beta)
    assert abs(truth - noise_entropy(d, beta) - 3.5655) < 5e-5
    # By symmetry -E ln p is h(p) around every codeword. So the mixture p_n of this very sample has h(p) - h(p_n) =
    # D(p_n || p), with 1/2 chi^2 - 1/6 E(p_n/p - 1)^3 <= D <= ln(1 + chi^2). With q = E tanh^2(T / beta^2),
    # 1 + chi^2 is the mean over pairs of codewords of (1 + q)^{equal bits} (1 - q)^{other bits}.
    t = np.arange(-20, 20, 0.01)
    density = np.exp(-np.square(t - 1) / (2 * beta**2)) / (beta * math.sqrt(2 * math.pi))
    q = float((density * np.tanh(t / beta**2)).sum()) * 0.01  # E tanh = E tanh^2 around one codeword
    signs = codewords.astype(np.float32)
    equal = sum(
        np.bincount(((signs[i : i + 1024] @ signs.T + d) / 2).astype(int).ravel(), minlength=d + 1)
        for i in range(0, n, 1024)
    )
    chi_square = float(equal @ ((1 + q) ** np.arange(d + 1) * (1 - q) ** np.arange(d, -1, -1))) / n**2 - 1
    cube = ((1 + 3 * q) ** d - 3 * (1 + q) ** d + 2) / n**2  # its mean over samples
    low, high = chi_square / 2 - cube / 6, math.log1p(chi_square)
    assert 0 < low < high < 0.05 and estimate.stderr <= 1e-3
    assert low - 4 * estimate.stderr < truth - estimate.value < high + 4 * estimate.stderr


@pytest.mark.parametrize("d", [2, 4])
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
    with pytest.raises(ValueError, match=r"weights must have shape \(n\)"):
        smoothed_entropy(np.zeros((2, 3)), 1.0, weights=np.full((2, 2), 0.5))
