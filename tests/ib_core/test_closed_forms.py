"""The closed forms against each other, and against slower ways to the same numbers."""

import math

import numpy as np
import pytest

from ib_core.closed_forms import (
    finite_input_information,
    gaussian_atoms,
    gaussian_information,
    hypercube_information,
    linear_chain_information,
    linear_gaussian_information,
    neuron_chain_information,
)


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


def test_gaussian_atoms_carry_the_information_of_the_gaussian():
    atoms, weights = gaussian_atoms(21, 1)
    for beta in (0.5, 1.0, 2.0):
        information = finite_input_information(atoms[:, 0], beta, weights)
        assert abs(information - gaussian_information(1, 1.0, beta)) < 1e-7
    atoms, weights = gaussian_atoms(9, 3)
    np.testing.assert_allclose(weights @ atoms, 0, atol=1e-10)
    np.testing.assert_allclose((weights * atoms.T) @ atoms, np.eye(3), atol=1e-9)


def test_linear_chains_lose_information_at_every_layer_as_the_conditional_covariances_say():
    rng = np.random.default_rng(0)
    first, second, beta = rng.normal(size=(3, 2)), rng.normal(size=(4, 3)), 0.7
    found = linear_chain_information([first, second], beta)
    # By hand: Cov(T_2 | X) = beta^2 (I + A_2 A_2^T).
    given_input = beta**2 * (np.eye(4) + second @ second.T)
    total = given_input + second @ first @ first.T @ second.T
    assert found[0] == pytest.approx(linear_gaussian_information(first, beta))
    assert found[1] == pytest.approx(0.5 * math.log(np.linalg.det(total) / np.linalg.det(given_input)))
    assert found[1] < found[0]


def test_chains_of_linear_neurons_have_the_gaussian_form():
    atoms, weights = gaussian_atoms(21, 1)
    found = neuron_chain_information(
        atoms[:, 0], [1.3, -0.7, 2.0], [0.1, 0.2, -0.1], 1.0, weights=weights, activation=lambda t: t
    )
    truth = linear_chain_information([np.array([[w]]) for w in (1.3, -0.7, 2.0)], 1.0)
    np.testing.assert_allclose(found, truth, atol=1e-8)


@pytest.mark.parametrize("beta", [0.03, 0.1, 0.5, 2.0])
def test_chains_of_neurons_start_from_the_single_neuron_and_lose_information(beta):
    x, weights = np.linspace(-1, 1, 5), np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    found = neuron_chain_information(x, [2.0, 3.0, 1.0], [0.1, -0.2, 0.0], beta, weights=weights)
    assert found[0] == pytest.approx(finite_input_information(np.tanh(2 * x + 0.1), beta, weights), abs=1e-9)
    assert found[0] > found[1] > found[2] > 0
