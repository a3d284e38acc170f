"""Orthonormal directions U (k, d) of a layer: principal, discriminant and random ones, from other passes or none."""

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from ib_core.checks import finite_array, integer_array
from ib_core.streams import stream

SHRINKAGE = 0.1  # share of a sphere in the scatter within classes, which few signals of many units leave singular


def principal_directions(signals: Any, k: int) -> np.ndarray:
    """The first k principal directions of given signals, for a projection of *other* passes.

    Args:
        signals: (n, d), or (N, n_x, d) whose rows are taken together.
        k: how many.

    Returns:
        (k, d) with orthonormal rows, by falling variance.

    Raises:
        ValueError: k is no whole number from 1 to min(n - 1, d).
    """
    rows = _rows(signals)
    k = _count(k, "k", min(len(rows) - 1, rows.shape[1]), f"{len(rows)} signals of {rows.shape[1]} units")
    rows = rows - rows.mean(0)
    n, d = rows.shape
    if d <= n:
        return _basis(eigh(rows.T @ rows, subset_by_index=(d - k, d - 1))[1][:, ::-1])
    return _basis(rows.T @ eigh(rows @ rows.T, subset_by_index=(n - k, n - 1))[1][:, ::-1])


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
    k = _count(k, "k", min(n - 1, d), f"{n} signals of {d} units")
    found = min(k, len(classes) - 1)
    counts = np.bincount(class_of)
    means = np.stack([rows[class_of == c].mean(0) for c in range(len(classes))])
    between = (means - rows.mean(0)) * np.sqrt(counts / n)[:, None]  # B = between^T between
    within = (rows - means[class_of]) * np.sqrt((1 - SHRINKAGE) / n)  # (1 - lambda) W = within^T within
    solved = _shrunken_solution(within, between)
    ratios = between @ solved
    directions = _basis(solved @ eigh((ratios + ratios.T) / 2)[1][:, : -found - 1 : -1])
    if found == k:
        return directions
    left = rows - (rows @ directions.T) @ directions
    return _basis(np.concatenate([directions, principal_directions(left, k - found)]).T)


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
    d, n = _count(d, "d"), _count(n, "n")
    k = _count(k, "k", d, f"{d} units")
    slices = []
    for j in range(n):
        q, r = np.linalg.qr(stream(seed, "directions", j).standard_normal((d, k)))
        slices.append((q * np.where(np.diag(r) < 0, -1.0, 1.0)).T)
    return np.stack(slices)


def _rows(signals: Any) -> np.ndarray:
    """Signals (n, d), or (N, n_x, d) with the passes of all atoms below each other."""
    array = finite_array(signals, "signals", "(N, n_x, d)" if np.ndim(signals) == 3 else "(n, d)")
    return array.reshape(-1, array.shape[-1])


def _basis(columns: np.ndarray) -> np.ndarray:
    """Columns (d, k) as orthonormal rows, each with its largest entry positive, so that no sign is left to chance."""
    rows = np.linalg.qr(columns)[0].T
    largest = np.abs(rows).argmax(1)
    return rows * np.where(rows[np.arange(len(rows)), largest] < 0, -1.0, 1.0)[:, None]


def _count(number: Any, name: str, most: int | None = None, why: str = "") -> int:
    """A whole number from 1 on, if it is one."""
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool) and number >= 1
    if not whole or (most is not None and number > most):
        limit = " on" if most is None else f" to {most} for {why}"
        raise ValueError(f"{name} must be a whole number from 1{limit}, got {number!r}")
    return int(number)
