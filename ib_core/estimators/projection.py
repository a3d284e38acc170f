"""Signals of a layer on given directions, a tile at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ib_core.checks import finite_array
from ib_core.mixture.own_passes import OwnPasses

ORTHONORMAL = 1e-5  # how far U U^T may be from the identity: what float32 leaves
TILE_BYTES = 2**26  # of signals as float64 at a time
CACHE_BYTES = 2**28  # of projected own passes that are kept, so that the network makes them once


def orthonormal(directions: np.ndarray) -> np.ndarray:
    """Directions (k, d) with the rounding of float32 taken out: the nearest orthonormal rows."""
    worst = float(np.abs(directions @ directions.T - np.eye(len(directions))).max())
    if not worst <= ORTHONORMAL:
        raise ValueError(
            f"directions must have orthonormal rows (within {ORTHONORMAL:g}), one product is off by {worst:.3g}"
        )
    left, _, right = np.linalg.svd(directions, full_matrices=False)
    return left @ right


def as_signals(values: Any, name: str, shape: str) -> Any:
    """An array or tensor of three sides as it is, since float64 may be twice as large; anything else as float64."""
    if isinstance(values, np.ndarray | torch.Tensor) and values.ndim == 3 and 0 not in values.shape:
        return values
    return finite_array(values, name, shape)


def projected(signals: Any, directions: np.ndarray, name: str) -> np.ndarray:
    """U s of signals (N, n, d): (N, n, k) float64."""
    n, passes, d = signals.shape
    found = np.empty((n, passes, len(directions)))
    step = max(1, TILE_BYTES // (8 * passes * d))
    for first in range(0, n, step):
        tile = slice(first, first + step)
        found[tile] = finite_array(signals[tile], name, f"(N, {passes}, {d})") @ directions.T
    return found


def projected_own(own: Any, n: int, directions: np.ndarray) -> OwnPasses:
    """Own passes on `directions` (k, d), kept where they are small."""
    k, d = directions.shape
    if not isinstance(own, OwnPasses):
        array = as_signals(own, "own", "(N, n_own, d)")
        if (array.shape[0], array.shape[2]) != (n, d):
            raise ValueError(f"own must have shape ({n}, n_own, {d}) like passes, got {tuple(array.shape)}")
        own = OwnPasses(array.shape[1], lambda first, last: array[first:last])
    given: OwnPasses = own
    kept: dict[int, np.ndarray] = {}
    keeps = 8 * n * given.n_passes * k <= CACHE_BYTES

    def project(signals: Any, wanted: tuple[int, int]) -> np.ndarray:
        signals = as_signals(signals, "own", "(N, n_own, d)")
        if tuple(signals.shape) != (*wanted, d):
            raise ValueError(f"own must give signals of shape {(*wanted, d)}, got {tuple(signals.shape)}")
        return projected(signals, directions, "own")

    def block(first: int, last: int) -> np.ndarray:
        if first in kept and len(kept[first]) >= last - first:
            return kept[first][: last - first]
        found = project(given.of(first, last), (last - first, given.n_passes))
        if keeps and first % given.size == 0 and last == min(first + given.size, n):
            kept[first] = found
        return found

    heavy: Callable[[np.ndarray, int, int], Any] | None = None
    if given.heavy is not None:
        make = given.heavy

        def heavy(atoms: np.ndarray, count: int, family: int) -> np.ndarray:
            return project(make(atoms, count, family), (len(atoms), count))

    return OwnPasses(given.n_passes, block, heavy, given.size)


def columns_of(own: OwnPasses, columns: slice) -> OwnPasses:
    """Some units of own passes."""
    heavy = own.heavy
    return OwnPasses(
        own.n_passes,
        lambda first, last: own.of(first, last)[:, :, columns],
        None if heavy is None else lambda atoms, count, family: heavy(atoms, count, family)[:, :, columns],
        own.size,
    )
