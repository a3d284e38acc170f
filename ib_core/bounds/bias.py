"""The bias of the plug-in entropy from below and exactly, and the error of its Monte Carlo evaluation; nats."""

import math
from itertools import combinations_with_replacement

import numpy as np
from scipy.special import gammaln, ndtr, ndtri, xlogy

from ib_core.bounds.checks import at_least_one, positive_noise
from ib_core.bounds.reweighting import binary_entropy
from ib_core.channels.closed_forms import finite_input_information


def bias_lower_bound(n: int, d: int, beta: float, epsilon: float) -> float:
    """The largest bias h(P * phi) - E h(P_n * phi) over P on [-1, 1]^d is at least ln(k*^{d(1-eps)} / n) - H_b(eps).

    Negative values say nothing; the bias is never negative.

    Args:
        epsilon: in (1 - (1 - 2 Q(1/(2 beta)))^d, 1), see `bias_lower_bound_grid`.

    Source: Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589, Theorem 4.
    """
    at_least_one(n=n)
    k = bias_lower_bound_grid(d, beta, epsilon)
    return d * (1 - epsilon) * math.log(k) - math.log(n) - float(binary_entropy(epsilon))


def grid_error(k: float, d: int, beta: float) -> float:
    """1 - (1 - 2 Q(1/(beta k)))^d: how often k points per axis of [-1, 1]^d are not decoded; 1 where noise is all."""
    missed = 2 * float(ndtr(-1 / (beta * k)))
    return -math.expm1(d * math.log1p(-missed)) if missed < 1 else 1.0


def bias_lower_bound_grid(d: int, beta: float, epsilon: float) -> int:
    """k* = floor(1 / (beta Q^{-1}((1 - (1-eps)^{1/d}) / 2))): points per axis of a grid decodable with error eps.

    At beta = .1, eps = .01 it is 3 for d <= 11 and 2 for 12 <= d <= 1e4.

    Raises:
        ValueError: eps is not above 1 - (1 - 2 Q(1/(2 beta)))^d, so that not even two points per axis decode, or it is
            not below 1, where k* is infinite and the bound -ln n.

    Source: arXiv:1810.11589, Theorem 4.
    """
    positive_noise(beta)
    at_least_one(d=d)
    least = grid_error(2, d, beta)
    if not least < epsilon < 1:
        raise ValueError(f"epsilon must be in ({least:.4g}, 1) at d = {d}, beta = {beta}, got {epsilon}")
    tail = -math.expm1(math.log1p(-epsilon) / d) / 2
    return math.floor(1 / (beta * -float(ndtri(tail))))


def bias_identity(signals: np.ndarray, beta: float, n: int, weights: np.ndarray | None = None) -> float:
    """The bias itself for a scalar S with few values: h(P * phi) - E h(P_n * phi) = I(S^n; S_W + Z), W uniform on [n].

    Every multiset of n values is enumerated, C(k + n - 1, n) of them: for tests and small examples.

    Args:
        signals: (k,) values of S.
        weights: (k,) of P; uniform by default. Values without weight may stand there.

    Source: arXiv:1810.11589, Lemma 3.
    """
    positive_noise(beta)
    at_least_one(n=n)
    k = len(signals)
    weights = np.full(k, 1 / k) if weights is None else weights
    mean = 0.0
    for chosen in combinations_with_replacement(range(k), n):
        counts = np.bincount(chosen, minlength=k)
        log_probability = gammaln(n + 1) - gammaln(counts + 1).sum() + float(xlogy(counts, weights).sum())
        inside = counts > 0
        sampled = finite_input_information(signals[inside], beta, counts[inside] / n)
        mean += math.exp(log_probability) * sampled
    # h(Z) is common to both entropies.
    return finite_input_information(signals, beta, weights) - mean


def monte_carlo_mse(n: int, n_mc: int, d: int) -> float:
    """Mean squared error of the Monte Carlo mean of -ln p with n_mc draws from each of n centres: at most d/(n n_mc).

    For any centres and any noise: no beta in it.

    Source: the variance at one centre is at most beta^2 E|grad ln p|^2 there (Poincare's inequality for the Gaussian);
    averaged over the centres this is beta^2 times the Fisher information of p, which is at most d / beta^2.
    """
    at_least_one(n=n, n_mc=n_mc, d=d)
    return d / (n * n_mc)


def monte_carlo_mse_printed(n: int, n_mc: int, d: int, beta: float) -> float:
    """The published constant 2 d (2 + beta^2) / (beta^2 n n_mc) on [-1, 1]^d: 1.6e5 times larger at beta = .005.

    Source: arXiv:1810.11589, Theorem 5.
    """
    positive_noise(beta)
    at_least_one(n=n, n_mc=n_mc, d=d)
    return 2 * d * (2 + beta**2) / (beta**2 * n * n_mc)
