"""The capacity of a scalar channel with Gaussian noise and a limited amplitude, and the finite law that attains it."""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import softmax

from ib_core.channels.closed_forms import noise_entropy


class AmplitudeCapacity(NamedTuple):
    """max of I(X; X + N(0, beta^2)) over |X| <= 1, in nats.

    Attributes:
        value: attained by `points` (k,) in [-1, 1] with `weights` (k,).
        upper: proven upper end, max over |x| <= 1 of D(P_{Y|x} || P_Y), taken on a fine grid.
    """

    value: float
    upper: float
    points: np.ndarray
    weights: np.ndarray


@cache
def amplitude_capacity(beta: float, tolerance: float = 1e-7) -> AmplitudeCapacity:
    """The capacity of x -> x + N(0, beta^2) on |x| <= 1: to `tolerance` nats down to beta = .05.

    The optimal law is finite and symmetric, at first two points. Places and weights are ascended together; where i(x)
    exceeds their information, a point is added there. Below beta = .05 the law is uniform on points one beta apart,
    no longer optimal, and `upper` is up to .032 nats above `value`.

    Args:
        beta: at least .002, for memory.
        tolerance: distance of `upper` from `value` at which the search ends.

    Raises:
        ValueError: `beta` is below .002 or not finite.

    Example:
        >>> found = amplitude_capacity(1.0)
        >>> print(f"{found.value:.6f} nats, attained by {found.points.round(6).tolist()}")
        0.336831 nats, attained by [1.0, -1.0]

    Source: Smith, The information capacity of amplitude- and variance-constrained scalar Gaussian channels, 1971. Two
    points are optimal up to 1/beta = 1.6659 here (1.665 there; 1.671 in Sharma and Shamai, 2010), three up to 2.907:
    their 2.786 we cannot confirm, three points still satisfy the conditions of Kuhn and Tucker at 2.85 to 1e-12.
    """
    if not 0.002 <= beta < math.inf:
        raise ValueError(f"beta must be in [.002, inf), got {beta}")
    amplitude = 1 / beta
    channel = _Channel(amplitude)
    if beta < 0.05:
        points = np.linspace(-amplitude, amplitude, round(2 * amplitude) + 1)
        found, _ = channel.certified(points, np.full(len(points), 1 / len(points)))
        peak_power = math.log1p(2 * amplitude / math.sqrt(2 * math.pi * math.e))  # McKellips, ISIT 2004
        return found._replace(upper=min(found.upper, peak_power))
    # Half the symmetric law: its points >= 0, the largest at the amplitude. Two points are right for small A.
    pairs = max(1, round(0.4 * amplitude))
    half = amplitude * (np.arange(pairs, 0, -1) - 0.25) / (pairs - 0.25)
    weights = np.full(pairs, 1 / pairs)
    best = None
    for _ in range(40):
        half, weights = channel.ascend(half, weights)
        points, probabilities = _symmetric(half, weights)
        found, worst = channel.certified(points, probabilities)
        if best is None or found.upper - found.value < best.upper - best.value:
            best = found
        if found.upper - found.value <= tolerance:
            break
        half, weights = np.append(half, worst), np.append(weights * 0.99, 0.01)
    assert best is not None
    return best


class _Channel:
    """Unit noise, amplitude A, and an output grid on which the trapezoid rule is exact to rounding."""

    def __init__(self, amplitude: float) -> None:
        self.amplitude = amplitude
        # Between two grid points a maximum of i(x) can be higher by |i''| spacing^2 / 8, about 1e-5 |i''|; on the
        # support itself, where i(x) is largest, it is smooth and flat.
        self.grid = np.linspace(0, amplitude, max(401, round(100 * amplitude)) if amplitude <= 20 else 401)
        self.step = 0.125
        self.y = np.arange(-amplitude - 9, amplitude + 9, self.step)

    def kernel(self, x: np.ndarray) -> np.ndarray:
        """phi(y - x), (grid, k)."""
        return np.exp(-0.5 * (self.y[:, None] - x) ** 2) / math.sqrt(2 * math.pi)

    def certified(self, points: np.ndarray, weights: np.ndarray) -> tuple[AmplitudeCapacity, float]:
        """A law with its information, the maximum of i(x) over the grid, and where that is."""
        log_p = np.log(self.kernel(points) @ weights)
        density = -(log_p @ self.kernel(self.grid)) * self.step - noise_entropy(1, 1.0)
        p = np.exp(log_p)
        value = float(-(p @ log_p) * self.step) - noise_entropy(1, 1.0)
        worst = int(np.argmax(density))
        upper = max(float(density[worst]), value)
        return AmplitudeCapacity(value, upper, points / self.amplitude, weights), float(self.grid[worst])

    def ascend(self, half: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A local maximum of the information over k half points in [0, A] and their weights."""
        k = len(half)

        def negative(z: np.ndarray) -> tuple[float, np.ndarray]:
            x, w = z[:k], softmax(z[k:])
            kernel = self.kernel(np.concatenate([x, -x]))
            p = (kernel[:, :k] + kernel[:, k:]) @ w / 2
            log_p = np.log(p)
            i = -(log_p @ kernel[:, :k]) * self.step - noise_entropy(1, 1.0)
            slope = -(log_p @ (kernel[:, :k] * (self.y[:, None] - x))) * self.step
            value = float(w @ i)
            return -value, -np.concatenate([w * slope, w * (i - value)])

        start = np.concatenate([half, np.log(np.maximum(weights, 1e-9))])
        limits = [(0.0, self.amplitude)] * k + [(-40.0, 40.0)] * k
        options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-16, "gtol": 1e-10, "maxcor": 30}
        found = minimize(negative, start, jac=True, method="L-BFGS-B", bounds=limits, options=options).x
        x, w = found[:k], softmax(found[k:])
        # Points that met are one, and points without weight are none.
        order = np.argsort(-x)
        x, w = x[order], w[order]
        first = np.concatenate([[True], -np.diff(x) > 1e-4 * self.amplitude])
        merged = np.bincount(np.cumsum(first) - 1, w)
        kept = merged > 1e-7
        return x[first][kept], merged[kept] / merged[kept].sum()


def _symmetric(half: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (k,) and weights of the law that is symmetric about 0; a point at 0 stands once."""
    zero = half < 1e-9
    points = np.concatenate([half, -half[~zero][::-1]])
    return points, np.concatenate([np.where(zero, weights, weights / 2), weights[~zero][::-1] / 2])
