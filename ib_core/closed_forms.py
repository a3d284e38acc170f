"""Laws whose information is known: the truth for tests and for calibration, in nats."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import logsumexp

from ib_core import finite_channel


def noise_entropy(d: int, beta: float) -> float:
    """Entropy of the layer noise: h(Z) for Z ~ N(0, beta^2 I_d); h(T_1 | X) exactly.

    Args:
        d: width of the layer.
        beta: standard deviation of the noise.

    Raises:
        ValueError: `beta` is not positive.

    Source: Cover and Thomas, Elements of Information Theory, 2nd ed., Theorem 8.4.1.
    """
    if beta <= 0:
        raise ValueError(f"beta must be positive, got {beta}: h(Z) falls to -inf with beta")
    return 0.5 * d * math.log(2 * math.pi * math.e * beta**2)


def binary_input_information(beta: float) -> float:
    """I(B; B + Z) for a fair sign B = +-1, which is ln 2 - E ln(1 + exp(-2 / beta^2 - 2 G / beta)) with G ~ N(0, 1).

    Source: Cover and Thomas, 2nd ed., section 9.1, with two inputs.
    """
    return finite_input_information(np.array([-1.0, 1.0]), beta)


def hypercube_information(d: int, beta: float) -> float:
    """I(S; S + Z) for S uniform on {+-1}^d, d independent channels; codewords of RM(m, m) at d = 2^m."""
    return d * binary_input_information(beta)


def gaussian_information(d: int, scale: float, beta: float) -> float:
    """I(S; S + Z) = d/2 ln(1 + scale^2 / beta^2) for S ~ N(0, scale^2 I_d)."""
    return 0.5 * d * math.log1p((scale / beta) ** 2)


def linear_gaussian_information(matrix: np.ndarray, beta: float) -> float:
    """I(X; A X + Z) = 1/2 ln det(I + A A^T / beta^2) for X ~ N(0, I) and A of shape (d, inputs)."""
    return linear_chain_information([matrix], beta)[0]


def linear_chain_information(matrices: Sequence[np.ndarray], beta: float) -> list[float]:
    """I(X; T_l) of every layer of a linear noisy network, T_l = A_l T_{l-1} + Z_l with T_0 = X ~ N(0, I).

    With the gain G_l = A_l ... A_1 and the noise covariance C_l = A_l C_{l-1} A_l^T + beta^2 I that reaches layer l,
    I(X; T_l) = 1/2 ln det(I + C_l^{-1} G_l G_l^T).

    Args:
        matrices: A_l of shape (d_l, d_{l-1}), first layer first.
        beta: standard deviation of the noise of each layer.

    Source: Cover and Thomas, 2nd ed., Theorem 8.4.1 applied to h(T_l) - h(T_l | X).
    """
    inputs = np.shape(matrices[0])[1]
    gain, noise = np.eye(inputs), np.zeros((inputs, inputs))
    information = []
    for matrix in matrices:
        gain, noise = matrix @ gain, matrix @ noise @ np.transpose(matrix) + beta**2 * np.eye(len(matrix))
        log_det = np.linalg.slogdet(noise + gain @ gain.T)[1] - np.linalg.slogdet(noise)[1]
        information.append(0.5 * float(log_det))
    return information


def gaussian_atoms(nodes: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """N(0, I_d) made discrete: the atoms (n, d) and weights (n,) of the Gauss-Hermite rule with `nodes` on each axis.

    Moments agree up to order 2 nodes - 1. Seen through a channel whose noise is at least half the signal's scale, 21
    nodes carry the information of the Gaussian within 1e-7. Atoms with weight below 1e-12 are left out.
    """
    axis, weights = np.polynomial.hermite_e.hermegauss(nodes)
    atoms = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    law = np.prod(np.meshgrid(*[weights / weights.sum()] * d, indexing="ij"), axis=0).reshape(-1)
    kept = law > 1e-12
    return atoms[kept], law[kept] / law[kept].sum()


def finite_input_information(signals: np.ndarray, beta: float, weights: np.ndarray | None = None) -> float:
    """I(S; S + Z) for a scalar S with values (n,), by a trapezoid rule with spacing beta / 8; within 1e-9.

    A single neuron on a few-valued input is S = tanh(w x + b).
    """
    signals = np.asarray(signals, dtype=np.float64)
    weights = np.full(len(signals), 1 / len(signals)) if weights is None else np.asarray(weights, dtype=np.float64)
    step = beta / 8
    t = np.arange(signals.min() - 10 * beta, signals.max() + 10 * beta + step, step)
    exponents = -((t[:, None] - signals) ** 2) / (2 * beta**2)  # (grid, n)
    log_density = logsumexp(exponents, axis=1, b=weights) - math.log(beta * math.sqrt(2 * math.pi))
    return float(-(np.exp(log_density) * log_density).sum() * step) - noise_entropy(1, beta)


def neuron_chain_information(
    inputs: np.ndarray,
    slopes: Sequence[float],
    offsets: Sequence[float],
    beta: float,
    *,
    weights: np.ndarray | None = None,
    activation: Callable[[np.ndarray], np.ndarray] = np.tanh,
) -> list[float]:
    """I(X; T_l) of every layer of a chain of single neurons, T_l = f(w_l T_{l-1} + b_l) + Z_l with T_0 = X few-valued.

    The law of T_l given X is carried from layer to layer by the trapezoid rule, with at least eight points to a
    standard deviation of the next layer's noise; within 1e-9. Time and memory grow like (w / beta)^2.

    Args:
        inputs: (n,) values of X.
        slopes, offsets: w_l and b_l of each layer, first layer first.
        beta: standard deviation of the noise of each layer.
        weights: (n,) of the inputs; uniform by default.
        activation: f, with a slope of at most 1.
    """
    weights = np.full(len(inputs), 1 / len(inputs)) if weights is None else np.asarray(weights, dtype=np.float64)
    hidden, channel = np.asarray(inputs, dtype=np.float64), np.eye(len(inputs))  # channel (grid of T_{l-1}, n)
    information = []
    for layer, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
        signals = activation(slope * hidden + offset)
        steepest = np.abs([1.0, *slopes[layer + 1 : layer + 2]]).max()
        hidden = np.arange(signals.min() - 10 * beta, signals.max() + 10 * beta, beta / (8 * steepest))
        density = np.exp(-np.square(hidden[:, None] - signals) / (2 * beta**2)) @ channel
        density[density < 1e-200] = 0.0  # a weight times a subnormal number would vanish
        channel = density / density.sum(0)  # probabilities on the grid: the constant and the step cancel
        information.append(finite_channel.information(channel, weights))
    return information
