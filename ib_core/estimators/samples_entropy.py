"""Entropy of a layer from samples alone, as estimators that know nothing of its noise have it."""

import math
from typing import Any

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma, gammaln, logsumexp

from ib_core.checks import finite_array

ROWS = 512  # points whose distances to all others are held at a time


def nearest_neighbour_entropy(samples: Any, k: int = 3) -> float:
    """h in nats from the distances of n samples to their k-th neighbours (Kozachenko and Leonenko).

    Args:
        samples: (n, d) of the noisy layer, all distinct.
        k: which neighbour.

    Raises:
        ValueError: there are no more than k samples, or k + 1 of them coincide.

    Source: Kozachenko and Leonenko, 1987; Kraskov, Stoegbauer and Grassberger, Phys. Rev. E 69, 2004, eq. (20).
    """
    samples = finite_array(samples, "samples", "(n, d)")
    n, d = samples.shape
    if not 1 <= k < n:
        raise ValueError(f"k must be from 1 to {n - 1}, one fewer than samples, got {k}")
    distances = KDTree(samples).query(samples, k=[k + 1])[0][:, 0]
    if not distances.min() > 0:
        raise ValueError(f"samples must not coincide, got {k + 1} at one place")
    ball = d / 2 * math.log(math.pi) - float(gammaln(d / 2 + 1))
    return float(digamma(n) - digamma(k)) + ball + d * float(np.log(distances).mean())


def kernel_entropy(samples: Any) -> float:
    """h in nats: minus the mean log-density at each of n samples of a kernel estimate made of the others.

    The kernel is a Gaussian of the samples' covariance times Scott's factor n^(-1/(d+4)), as in
    `scipy.stats.gaussian_kde`.

    Args:
        samples: (n, d), more than d.

    Raises:
        ValueError: they lie in a plane of fewer than d dimensions.

    Source: Scott, Multivariate Density Estimation, 1992; leaving one out: Hall and Morton, 1993.
    """
    samples = finite_array(samples, "samples", "(n, d)")
    n, d = samples.shape
    spread = np.atleast_2d(np.cov(samples.T)) * n ** (-2 / (d + 4)) if n > d else np.zeros((d, d))
    try:
        root = np.linalg.cholesky(spread)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"samples must spread in all {d} dimensions, {n} of them do not") from error
    white = np.linalg.solve(root, (samples - samples.mean(0)).T).T
    norms, total = (white**2).sum(1), 0.0
    for first in range(0, n, ROWS):
        rows = slice(first, first + ROWS)
        logs = white[rows] @ white.T - (norms[rows, None] + norms) / 2
        own = np.arange(first, min(first + ROWS, n))
        logs[own - first, own] = -np.inf
        total += float(logsumexp(logs, axis=1).sum())
    return -total / n + math.log(n - 1) + d / 2 * math.log(2 * math.pi) + float(np.log(np.diag(root)).sum())
