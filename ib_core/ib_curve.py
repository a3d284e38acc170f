"""The information-bottleneck curve of a discrete p(x, y): the most I(T;Y) at each I(X;T), over all T - X - Y; nats.

It is the rate-distortion curve of X with distortion D(p(y|x) || r) and every law r of Y as a reproduction, hence a
convex programme: a prior over the r, and for each slope a certificate.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, xlogy


class BottleneckPoint(NamedTuple):
    """A point of the curve, where its slope is 1 / multiplier.

    Attributes:
        multiplier: the price of I(T;Y): T minimises I(X;T) - multiplier I(T;Y).
        compression: I(X;T).
        relevance: I(T;Y).
        gap: I(X;T) - multiplier I(T;Y) is at most this much above its minimum over all T.
        n_codes: values of T.
    """

    multiplier: float
    compression: float
    relevance: float
    gap: float
    n_codes: int


def bottleneck_curve(
    joint: np.ndarray, multipliers: np.ndarray, *, tolerance: float = 1e-7, max_iterations: int = 5000
) -> list[BottleneckPoint]:
    """The curve at each multiplier, by Blahut-Arimoto over priors and reproductions together.

    Each step is p(t|x) ~ p(t) exp(-multiplier D(p(y|x) || p(y|t))). At its end, p(t) and p(y|t) minimise the Lagrangian
    L exactly if c(r) = sum_x p(x) exp(-multiplier D(p(y|x) || r)) / Z(x) is at most 1 for every law r, and
    L - min L <= ln max c. Where c exceeds 1, r is a new value of T, and the search goes on. For two labels the maximum
    is taken over a grid of r; for more, by ascent from every p(y|x), so that `gap` is then that of local maxima.

    Args:
        joint: (N, C) of p(x, y), sum 1. Rows of equal p(y|x) are merged, which changes no point of the curve.
        multipliers: (K,) positive; below 1 the curve is at the origin.
        tolerance: gap at which a point is done.
        max_iterations: steps for each round of a point; the gap says how far they came.

    Raises:
        ValueError: `joint` is no law, or a multiplier is not positive.

    Source: Tishby, Pereira and Bialek, physics/0004057; Harremoes and Tishby, ISIT 2007, for the rate-distortion form;
    Blahut, IEEE Trans. IT 18 (1972), for the certificate.
    """
    joint = np.asarray(joint, dtype=np.float64)
    if joint.ndim != 2 or joint.min() < 0 or abs(joint.sum() - 1) > 1e-9:
        raise ValueError(f"joint must be a law (N, C), got shape {joint.shape} and sum {joint.sum()!r}")
    if not (np.asarray(multipliers) > 0).all():
        raise ValueError("multipliers must be positive")
    problem = _Problem(joint)
    return [problem.solve(float(multiplier), tolerance, max_iterations) for multiplier in multipliers]


class _Problem:
    """The distinct laws of Y given X, (n, C), with their weights (n,)."""

    def __init__(self, joint: np.ndarray) -> None:
        joint = joint[joint.sum(axis=1) > 0]
        p_x = joint.sum(axis=1)
        rows, owner = np.unique((joint / p_x[:, None]).round(13), axis=0, return_inverse=True)
        self.weights = np.bincount(owner.reshape(-1), p_x)
        self.rows = rows / rows.sum(axis=1, keepdims=True)
        self.self_term = xlogy(self.rows, self.rows).sum(axis=1)
        if joint.shape[1] == 2:
            # Finer towards 0 and 1, where the divergence is steep.
            one = np.unique(np.concatenate([np.sin(np.linspace(0, np.pi / 2, 4001)) ** 2, self.rows[:, 1]]))
            self.grid = np.stack([1 - one, one], axis=1)
        else:
            self.grid = self.rows

    def divergence(self, codes: np.ndarray) -> np.ndarray:
        """D(p(y|x) || r), (n, k) for codes (k, C); infinite where r misses a label."""
        cross = xlogy(self.rows[:, None, :], codes).sum(axis=2)
        return np.maximum(self.self_term[:, None] - cross, 0.0)

    def solve(self, multiplier: float, tolerance: float, max_iterations: int) -> BottleneckPoint:
        codes, prior = self.rows.copy(), self.weights.copy()
        gap = np.inf
        for _ in range(20):
            codes, prior = self._alternate(codes, prior, multiplier, tolerance, max_iterations)
            log_z = self._log_z(codes, prior, multiplier)
            log_c, best = self._largest(codes, log_z, multiplier)
            gap = max(log_c, 0.0)
            if gap <= tolerance:
                break
            codes, prior = np.vstack([codes, best]), np.append(0.99 * prior, 0.01)
        channel = self._channel(codes, prior, multiplier)
        output = self.weights @ channel
        labels = (self.weights[:, None] * channel).T @ self.rows / output[:, None]  # p(y|t)
        relevance = float(xlogy(output[:, None] * labels, labels).sum())
        p_y = self.weights @ self.rows
        relevance -= float(xlogy(p_y, p_y).sum())
        compression = float((self.weights[:, None] * (xlogy(channel, channel) - xlogy(channel, output))).sum())
        return BottleneckPoint(multiplier, compression, relevance, gap, len(codes))

    def _alternate(
        self, codes: np.ndarray, prior: np.ndarray, multiplier: float, tolerance: float, max_iterations: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Blahut-Arimoto from these codes until the prior is stationary; codes that died or met are dropped."""
        for iteration in range(max_iterations):
            channel = self._channel(codes, prior, multiplier)
            new_prior = self.weights @ channel
            new_codes = (self.weights[:, None] * channel).T @ self.rows / new_prior[:, None]
            with np.errstate(divide="ignore", invalid="ignore"):
                excess = float(np.nanmax(np.abs(np.log(new_prior / prior))))
            change = max(excess, float(np.abs(new_codes - codes).max()))
            codes, prior = new_codes, new_prior
            if iteration % 50 == 49:
                codes, prior = _merged(codes, prior)
            if change <= 0.1 * tolerance:
                break
        codes, prior = _merged(codes, prior)
        # Codes are the centroids of their own channel, so that p(y|t) is exact in what is published.
        channel = self._channel(codes, prior, multiplier)
        prior = self.weights @ channel
        return (self.weights[:, None] * channel).T @ self.rows / prior[:, None], prior

    def _log_z(self, codes: np.ndarray, prior: np.ndarray, multiplier: float) -> np.ndarray:
        return logsumexp(-multiplier * self.divergence(codes), axis=1, b=prior)

    def _channel(self, codes: np.ndarray, prior: np.ndarray, multiplier: float) -> np.ndarray:
        """p(t|x), (n, k)."""
        exponent = np.log(prior) - multiplier * self.divergence(codes)
        exponent -= exponent.max(axis=1, keepdims=True)
        channel = np.exp(exponent)
        return channel / channel.sum(axis=1, keepdims=True)

    def _largest(self, codes: np.ndarray, log_z: np.ndarray, multiplier: float) -> tuple[float, np.ndarray]:
        """max of ln c(r), and its r: the best of the grid, then ascent by r <- its own centroid, which never falls."""
        log_share = np.log(self.weights) - log_z
        grid = self.grid
        if grid.shape[1] == 2:
            log_terms = log_share[:, None] - multiplier * self.divergence(grid)
            grid = grid[[int(np.argmax(logsumexp(log_terms, axis=0)))]]
        # The codes have mean c = 1, so with them the maximum is never below 1.
        codes = np.vstack([grid, codes])
        for _ in range(100):
            log_terms = log_share[:, None] - multiplier * self.divergence(codes)
            share = np.exp(log_terms - logsumexp(log_terms, axis=0))
            codes = share.T @ self.rows
        values = logsumexp(log_share[:, None] - multiplier * self.divergence(codes), axis=0)
        best = int(np.argmax(values))
        return float(values[best]), codes[best]


def _merged(codes: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes closer than 1e-7 become one, codes below 1e-12 none."""
    _, owner = np.unique(codes.round(7), axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    mass = np.bincount(owner, prior)
    centres = np.stack([np.bincount(owner, prior * column) for column in codes.T], axis=1) / mass[:, None]
    alive = mass > 1e-12
    return centres[alive], mass[alive] / mass[alive].sum()
