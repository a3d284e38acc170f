"""The closed forms against each other, and against slower ways to the same numbers."""

import math

import numpy as np
import pytest

from ib_core.channels.closed_forms import (
    finite_input_information,
    gaussian_atoms,
    gaussian_information,
    hypercube_information,
    linear_chain_information,
    linear_gaussian_information,
    neuron_chain_bias,
    neuron_chain_information,
    noise_entropy,
)


@pytest.mark.parametrize(("beta", "expected"), [(0.25, 0.693054), (0.5, 0.632720), (1.0, 0.336831), (4.0, 0.030311)])
def test_binary_input_information_is_the_gauss_hermite_value(beta, expected):
    nodes, weights = np.polynomial.hermite_e.hermegauss(150)
    loss = np.logaddexp(0, -2 / beta**2 - 2 * nodes / beta)
    assert abs(hypercube_information(1, beta) - expected) < 1e-6
    assert abs(math.log(2) - (weights * loss).sum() / math.sqrt(2 * math.pi) - expected) < 1e-5


def test_gaussian_forms_agree_with_each_other():
    assert math.isclose(gaussian_information(3, 2.0, 0.5), linear_gaussian_information(2 * np.eye(3), 0.5))


@pytest.mark.parametrize("beta", [1e-300, 1e-20, 1e-8, 1e-3, 1.0, 1e3, 1e8, 1e30, 1e100])
def test_every_closed_form_holds_at_every_noise(beta):
    # Of rank 1 with singular value 2; ln(1 + x) is x below and ln x above what float64 tells from it.
    log_ratio = 2 * (math.log(2) - math.log(beta))
    expected = 0.5 * (math.log1p(math.exp(log_ratio)) if log_ratio < 30 else log_ratio)
    assert linear_gaussian_information(np.ones((2, 2)), beta) == pytest.approx(expected, rel=1e-12, abs=0)
    assert gaussian_information(3, 2.0, beta) == pytest.approx(3 * expected, rel=1e-12, abs=0)
    wide = np.outer([3.0, 0.0, 4.0, 0.0], np.full(9, 1 / 3))  # of rank 1 with singular value 5
    chain = linear_chain_information([wide, np.ones((2, 4))], beta)
    assert chain[0] == pytest.approx(gaussian_information(1, 5.0, beta), rel=1e-9, abs=0)
    # By hand: T_2 has both coordinates 7 u + the same noise sqrt(8) beta, and their own noises.
    assert chain[1] == pytest.approx(gaussian_information(1, 7 / math.sqrt(4.5), beta), rel=1e-9, abs=0)
    # A fair sign: ln 2 without noise, 1 / (2 beta^2) - 1 / (4 beta^4) in much of it.
    if beta < 0.01:
        assert hypercube_information(3, beta) == pytest.approx(3 * math.log(2), rel=1e-12, abs=0)
    if beta > 100:
        assert hypercube_information(1, beta) == pytest.approx(0.5 / beta**2 * (1 - 0.5 / beta**2), rel=1e-9, abs=0)
        # To this order any law is its variance.
        uneven = finite_input_information(np.array([0.0, 1.0, 5.0]), beta, np.array([0.2, 0.3, 0.5]))
        assert uneven == pytest.approx(2.48 / beta**2 * (1 - 2.48 / beta**2), rel=1e-9, abs=0)
    assert noise_entropy(2, beta) == pytest.approx(
        math.log(2 * math.pi * math.e) + 2 * math.log(beta), rel=1e-12, abs=0
    )


def test_signals_far_apart_are_known_and_equal_ones_are_one():
    values = np.array([3.0, 3.0, -7.0, 1e12, 1e12 + 1])
    law = np.array([0.2, 0.1, 0.3, 0.15, 0.25])
    heads = np.array([0.3, 0.3, 0.15, 0.25])
    assert finite_input_information(values, 1e-3, law) == pytest.approx(-(heads * np.log(heads)).sum(), rel=1e-12)
    pair = finite_input_information(np.array([0.0, 1.0]), 0.5, np.array([0.375, 0.625]))
    heads = np.array([0.3, 0.3, 0.4])
    mixed = -(heads * np.log(heads)).sum() + 0.4 * pair
    assert finite_input_information(values, 0.5, law) == pytest.approx(mixed, rel=1e-9)
    assert finite_input_information(np.array([5.0, 5.0]), 0.1) == 0
    # Many values close to each other, against the entropy of a uniform signal in little noise.
    assert finite_input_information(np.linspace(0, 1, 4001), 5e-3) == pytest.approx(
        math.log(1 / (5e-3 * math.sqrt(2 * math.pi * math.e))), abs=0.02
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: noise_entropy(2, 0.0),
        lambda: gaussian_information(1, 1.0, math.nan),
        lambda: linear_gaussian_information([[1.0, math.nan]], 0.1),
        lambda: finite_input_information(np.array([0.0, math.nan]), 0.1),
        lambda: finite_input_information(np.array([0.0, 1.0]), 0.1, np.array([math.nan, 1.0])),
        lambda: neuron_chain_information(np.array([-1.0, 1.0]), [1.0], [0.0], 1e-9),
    ],
)
def test_what_has_no_closed_form_is_refused_in_one_line(call):
    with pytest.raises(ValueError) as error:
        call()
    assert "\n" not in str(error.value)


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


@pytest.mark.parametrize("d", [1, 2])
def test_the_bias_of_the_plug_in_is_the_curvature_of_the_information_along_one_pass(d):
    x, (w, v), (b, c), beta = np.array([-1.0, 0.5]), (1.5, 2.0), (0.2, 0.0), 0.5
    nodes, law = np.polynomial.hermite_e.hermegauss(15)
    law /= law.sum()
    signals = np.tanh(v * (np.tanh(w * x + b)[:, None] + beta * nodes) + c)  # (n, nodes)
    t = np.arange(-1 - 7 * beta, 1 + 7 * beta, beta / 4)
    phi = np.exp(-np.square((t[:, None, None] - signals) / beta) / 2)
    phi /= phi.sum(0)  # (cells, n, nodes): the output of one pass
    if d == 2:
        phi = np.einsum("tia,ujb->tuijab", phi, phi).reshape(len(t) ** 2, len(x) ** 2, -1)
        law = np.outer(law, law).reshape(-1)
    p = phi @ law
    n, output, step = p.shape[1], p.mean(1), 1e-5

    def information(of_one, all_of):
        return (of_one @ np.log(of_one) / n) - all_of @ np.log(all_of)

    bias = 0.0
    for i in range(n):
        for a, weight in enumerate(law):
            move = step * (phi[:, i, a] - p[:, i])
            found = [information(p[:, i] + k * move, output + k * move / n) for k in range(4)]
            bias += weight * (2 * found[0] - 5 * found[1] + 4 * found[2] - found[3]) / step**2 / 2
    assert neuron_chain_bias(x, [w, v], [b, c], beta, d) == pytest.approx(bias, rel=5e-3)
    assert abs(neuron_chain_bias(x, [w], [b], beta, d)) < 1e-12  # every pass of the first layer is the channel
