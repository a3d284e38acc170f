"""Orthonormal directions U (k, d) of a layer: discriminant ones, from other passes, and random ones."""

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from ib_core.checks import finite_array, integer_array
from ib_core.estimators.principal import oriented, principal_directions, whole_number
from ib_core.streams import stream

SHRINKAGE = 0.1  # share of a sphere in the scatter within classes, which few signals of many units leave singular


def discriminant_directions(signals: Any, labels: Any, k: int) -> np.ndarray:
    """Fisher's k discriminant directions of given signals, orthonormalised, for a projection of *other* passes.

    They span the leading eigenvectors of W^-1 B, B the scatter between classes and W that within, of which a tenth is
    replaced by a sphere of the same trace. C classes have C - 1 of them, or d where that is less; the further ones are
    the principal directions of what these leave of the signals. Whatever U is, its lower end is below I(X; T).

    Args:
        signals: (N, d) or (N, n_x, d).
        labels: (N,) integers.
        k: how many.

    Returns:
        (k, d) with orthonormal rows, the discriminant ones first.

    Raises:
        ValueError: shapes do not fit, there is one class only, or k is no whole number from 1 to min(n - 1, d), n the
            number of signals.

    Source: Fisher, Annals of Eugenics 1936; shrinkage: Friedman, JASA 1989.
    """
    array = finite_array(signals, "signals", "(N, n_x, d)" if np.ndim(signals) == 3 else "(N, d)")
    label_of = integer_array(labels, "labels", "(N)")
    if len(label_of) != len(array):
        raise ValueError(f"labels must have shape ({len(array)},) like signals, got {label_of.shape}")
    rows = array.reshape(-1, array.shape[-1])
    classes, class_of = np.unique(np.repeat(label_of, len(rows) // len(array)), return_inverse=True)
    n, d = rows.shape
    if len(classes) < 2:
        raise ValueError(f"labels must be of two classes at least, got {classes.tolist()} alone")
    k = whole_number(k, "k", min(n - 1, d), f"{n} signals of {d} units")
    found = min(k, len(classes) - 1)
    counts = np.bincount(class_of)
    means = np.stack([rows[class_of == c].mean(0) for c in range(len(classes))])
    between = (means - rows.mean(0)) * np.sqrt(counts / n)[:, None]  # B = between^T between
    within = (rows - means[class_of]) * np.sqrt((1 - SHRINKAGE) / n)  # (1 - lambda) W = within^T within
    solved = _shrunken_solution(within, between)
    ratios = between @ solved
    directions = oriented(solved @ eigh((ratios + ratios.T) / 2)[1][:, : -found - 1 : -1])
    if found == k:
        return directions
    left = rows - (rows @ directions.T) @ directions
    return oriented(np.concatenate([directions, principal_directions(left, k - found)]).T)


def _shrunken_solution(within: np.ndarray, between: np.ndarray) -> np.ndarray:
    """(d, C) of ((1 - lambda) W + lambda tr(W)/d I)^-1 between^T, from within (n, d) and between (C, d)."""
    n, d = within.shape
    sphere = SHRINKAGE / (1 - SHRINKAGE) * np.square(within).sum() / d
    # Without any scatter within classes every sphere says the same.
    sphere = max(sphere, 1e-9 * float(np.square(between).sum()) / d) or 1.0
    if d <= n:
        return cho_solve(cho_factor(within.T @ within + sphere * np.eye(d)), between.T)
    # Woodbury's identity: a matrix of the signals instead of one of the units.
    inner = cho_solve(cho_factor(within @ within.T + sphere * np.eye(n)), within @ between.T)
    return (between.T - within.T @ inner) / sphere


def random_directions(d: int, k: int, n: int, seed: int) -> np.ndarray:
    """n independent uniformly distributed (Haar) sets of k orthonormal directions, each from a stream of its own.

    Args:
        d: width of the layer.
        k: directions of a slice, at most d.
        n: slices.
        seed: key of the streams.

    Returns:
        (n, k, d).

    Source: Mezzadri, How to generate random matrices from the classical compact groups, Notices AMS 2007.
    """
    d, n = whole_number(d, "d"), whole_number(n, "n")
    k = whole_number(k, "k", d, f"{d} units")
    slices = []
    for j in range(n):
        q, r = np.linalg.qr(stream(seed, "directions", j).standard_normal((d, k)))
        slices.append((q * np.where(np.diag(r) < 0, -1.0, 1.0)).T)
    return np.stack(slices)
