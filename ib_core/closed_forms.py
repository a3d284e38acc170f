"""Laws whose information is known: the truth for tests and for calibration, in nats."""

import math

import numpy as np
from scipy.special import logsumexp


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
    """I(X; A X + Z) = 1/2 ln det(I + A A^T / beta^2) for X ~ N(0, I).

    Args:
        matrix: A, (d, inputs).

    Source: Cover and Thomas, 2nd ed., Theorem 8.4.1 applied to h(A X + Z) - h(Z).
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    return 0.5 * float(np.linalg.slogdet(np.eye(len(matrix)) + matrix @ matrix.T / beta**2)[1])


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
