"""Principal directions of a layer's signals, which are read block by block and never held together."""

from typing import Any

import numpy as np
from scipy.linalg import eigh

from ib_core.mixture.signal_blocks import SignalBlocks, signal_blocks, tiles
from ib_core.streams import stream

COVARIANCE_WIDTH = 2048  # widest layer whose covariance is summed up; so many signals of wider ones are held at once
SPARE = 16  # directions more than are asked for: the gap behind them makes those converge
MOST_READINGS = 12  # of all signals
ACCURACY = 1e-6  # of a direction, as an angle
NEGLIGIBLE = 1e-10  # of the largest variance: what moves the signals no more than this has no direction of its own


def principal_directions(signals: Any, k: int, *, readings: int = MOST_READINGS) -> np.ndarray:
    """The first k principal directions of given signals, for a projection of *other* passes.

    Of layers up to 2048 units the covariance is summed up. Wider ones with more than 2048 signals are read up to twelve
    times, for the Krylov space of their covariance: each direction then is within 1e-6, where those of next to equal
    variance do not take more readings than that. Whatever U is, its lower end is below I(X; T).

    Args:
        signals: (n, d), or (N, n_x, d) whose rows are taken together; an array, or `SignalBlocks`.
        k: how many.
        readings: of all signals at most; with few of them directions are rough, and as valid.

    Returns:
        (k, d) with orthonormal rows, by falling variance.

    Raises:
        ValueError: k is no whole number from 1 to min(n - 1, d), or a signal is NaN or infinite.

    Source: Musco and Musco, Randomized block Krylov methods, NIPS 2015.
    """
    ndim = 3 if isinstance(signals, SignalBlocks) else np.ndim(signals)
    blocks = signal_blocks(signals, "signals", "(N, n_x, d)" if ndim == 3 else "(n, d)")
    n, d = blocks.shape[0] * blocks.shape[1], blocks.shape[2]
    k = whole_number(k, "k", min(n - 1, d), f"{n} signals of {d} units")
    if d <= COVARIANCE_WIDTH:
        return _by_covariance(blocks, k)
    return _by_rows(blocks, k) if n <= COVARIANCE_WIDTH else _by_krylov(blocks, k, readings)


def _by_covariance(blocks: SignalBlocks, k: int) -> np.ndarray:
    """From the sum of products of offsets from the first tile's mean, so that no digits are lost to a common offset."""
    n, d = blocks.shape[0] * blocks.shape[1], blocks.shape[2]
    scatter, total, start = np.zeros((d, d)), np.zeros(d), None
    for _, tile in tiles(blocks, "signals"):
        rows = tile.reshape(-1, d)
        start = rows.mean(0) if start is None else start
        rows = rows - start
        scatter += rows.T @ rows
        total += rows.sum(0)
    scatter -= np.outer(total, total / n)
    return oriented(eigh(scatter, subset_by_index=(d - k, d - 1))[1][:, ::-1])


def _by_rows(blocks: SignalBlocks, k: int) -> np.ndarray:
    """From the products of few signals with each other."""
    rows = np.concatenate([tile.reshape(-1, tile.shape[2]) for _, tile in tiles(blocks, "signals")])
    rows -= rows.mean(0)
    n = len(rows)
    return oriented(rows.T @ eigh(rows @ rows.T, subset_by_index=(n - k, n - 1))[1][:, ::-1])


def _by_krylov(blocks: SignalBlocks, k: int, readings: int = MOST_READINGS) -> np.ndarray:
    """Rayleigh-Ritz in the space of C^j V, C the scatter and V random, one reading of the signals for each power j."""
    d = blocks.shape[2]
    size = min(k + SPARE, d)
    basis, start = _orthonormal(stream(0, "principal").standard_normal((d, size))), None
    newest = slice(0, size)
    reduced = np.zeros((0, 0))
    for reading in range(readings):
        image, start = _scattered(blocks, basis[:, newest], start)
        products = basis.T @ image
        grown = np.zeros((basis.shape[1],) * 2)
        grown[: len(reduced), : len(reduced)] = reduced
        grown[:, newest] = products
        grown[newest] = products.T
        reduced = (grown + grown.T) / 2
        variances, vectors = (found[..., ::-1] for found in np.linalg.eigh(reduced))
        rest = image - basis @ products
        residuals = np.linalg.norm(rest @ vectors[newest, :k], axis=0)
        gaps = np.abs(np.diff(variances[: k + 1], prepend=np.inf))
        gaps = np.minimum(gaps[:k], np.append(gaps[1:], np.inf)[:k])
        enough = np.maximum(ACCURACY * gaps, NEGLIGIBLE * variances[0])
        room = min(size, d - basis.shape[1])
        if (residuals <= enough).all() or not room or reading == readings - 1:
            break
        for _ in range(2):  # once more, where hardly anything was left
            rest = _orthonormal(rest)[:, :room]
            rest -= basis @ (basis.T @ rest)
        newest = slice(basis.shape[1], basis.shape[1] + room)
        basis = np.concatenate([basis, _orthonormal(rest)], axis=1)
    return oriented(basis @ vectors[:, :k])


def _scattered(blocks: SignalBlocks, vectors: np.ndarray, start: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The scatter of all signals times vectors (d, l), and about which point (d,) the products were summed."""
    n, d = blocks.shape[0] * blocks.shape[1], blocks.shape[2]
    image, total = np.zeros_like(vectors), np.zeros(d)
    for _, tile in tiles(blocks, "signals"):
        rows = tile.reshape(-1, d)
        start = rows.mean(0) if start is None else start
        rows = rows - start
        image += rows.T @ (rows @ vectors)
        total += rows.sum(0)
    assert start is not None
    return image - np.outer(total / n, total @ vectors), start


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    return np.linalg.qr(columns)[0]


def oriented(columns: np.ndarray) -> np.ndarray:
    """Columns (d, k) as orthonormal rows, each with its largest entry positive, so that no sign is left to chance."""
    rows = np.linalg.qr(columns)[0].T
    largest = np.abs(rows).argmax(1)
    return rows * np.where(rows[np.arange(len(rows)), largest] < 0, -1.0, 1.0)[:, None]


def whole_number(number: Any, name: str, most: int | None = None, why: str = "") -> int:
    """A whole number from 1 on, if it is one."""
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool) and number >= 1
    if not whole or (most is not None and number > most):
        limit = " on" if most is None else f" to {most} for {why}"
        raise ValueError(f"{name} must be a whole number from 1{limit}, got {number!r}")
    return int(number)
