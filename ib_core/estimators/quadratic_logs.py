"""Log-densities of many Gaussians at many points as one product: features of the points times coefficients of each."""

import math
from typing import Any

import numpy as np

from ib_core.arrays import namespace

MATRICES = 2**14  # that are inverted at a time: batched algebra of cards has failed beyond 2^15


def quadratic_features(points: Any) -> Any:
    """(m, features) of points (m, d): products of coordinates, coordinates, and 1."""
    xp, (row, column) = namespace(points), np.triu_indices(points.shape[1])
    return xp.concatenate([points[:, row] * points[:, column], points, xp.full((len(points), 1), 1.0)], axis=1)


def quadratic_coefficients(means: Any, covariances: Any) -> Any:
    """(features, n) of log2 N(t; mean, covariance), less d/2 log2(2 pi), for means (n, d) and covariances (n, d, d)."""
    xp, (row, column) = namespace(means), np.triu_indices(means.shape[1])
    parts = []
    for first in range(0, len(means), MATRICES):
        mean, precision = means[first : first + MATRICES], xp.linalg.inv(covariances[first : first + MATRICES])
        products = precision[:, row, column] * xp.asarray(np.where(row == column, -0.5, -1.0))
        slopes = xp.einsum("nij,nj->ni", precision, mean)
        start = xp.linalg.slogdet(precision)[1] / 2 - xp.einsum("ni,ni->n", slopes, mean) / 2
        parts.append(xp.concatenate([products, slopes, start[:, None]], axis=1).T * math.log2(math.e))
    return xp.concatenate(parts, axis=1)
