"""Signals of a layer on given directions, a tile at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ib_core.arrays import namespace
from ib_core.checks import finite_array
from ib_core.mixture.own_passes import OwnPasses
from ib_core.mixture.signal_blocks import SignalBlocks, signal_blocks, tiles

ORTHONORMAL = 1e-5  # how far U U^T may be from the identity: what float32 leaves
MOST_ATOMS = 512  # of a block of own passes that are an array
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
    """Blocks, or an array or tensor of three sides as they are, as float64 may be twice as large; others as float64."""
    known = isinstance(values, np.ndarray | torch.Tensor) and values.ndim == 3 and 0 not in values.shape
    return values if known or isinstance(values, SignalBlocks) else finite_array(values, name, shape)


def projected(signals: Any, directions: np.ndarray, name: str) -> np.ndarray:
    """U s of signals (N, n, d), an array or `SignalBlocks`: (N, n, k) float64."""
    blocks = signal_blocks(signals, name, "(N, n_x, d)")
    found = np.empty((*blocks.shape[:2], len(directions)))
    for part, tile in tiles(blocks, name):
        found[part] = tile @ directions.T
    return found


def projected_own(own: Any, n: int, directions: np.ndarray) -> OwnPasses:
    """Own passes on `directions` (k, d), kept where they are small."""
    k, d = directions.shape
    if not isinstance(own, OwnPasses):
        array = signal_blocks(own, "own", "(N, n_own, d)")
        if (array.shape[0], array.shape[2]) != (n, d):
            raise ValueError(f"own must have shape ({n}, n_own, {d}) like passes, got {array.shape}")
        own = OwnPasses(array.shape[1], array.of, None, min(array.size, MOST_ATOMS))
    given: OwnPasses = own
    kept: dict[int, Any] = {}
    keeps = 8 * n * given.n_passes * k <= CACHE_BYTES

    def project(signals: Any, wanted: tuple[int, int]) -> Any:
        signals = as_signals(signals, "own", "(N, n_own, d)")
        if tuple(signals.shape) != (*wanted, d):
            raise ValueError(f"own must give signals of shape {(*wanted, d)}, got {tuple(signals.shape)}")
        if isinstance(signals, torch.Tensor) and signals.device.type != "cpu":  # stays there
            return signals.double() @ torch.as_tensor(directions.T, device=signals.device)
        return projected(signals, directions, "own")

    def block(first: int, last: int) -> Any:
        if first in kept and len(kept[first]) >= last - first:
            return kept[first][: last - first]
        found = project(given.of(first, last), (last - first, given.n_passes))
        if keeps and first % given.size == 0 and last == min(first + given.size, n):
            kept[first] = found
        return found

    heavy: Callable[[np.ndarray, int, int], Any] | None = None
    if given.heavy is not None:
        make = given.heavy

        def heavy(atoms: np.ndarray, count: int, family: int) -> Any:
            # Atom by atom, as thousands of passes of a wide layer are many.
            found = [project(make(atom, count, family), (1, count)) for atom in atoms[:, None]]
            return namespace(found[0]).concatenate(found)

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
