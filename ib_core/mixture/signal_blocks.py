"""Stored signals of a layer that are read a block of atoms at a time, so that they are never held together."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from ib_core.checks import finite_array

TILE_BYTES = 2**26  # of signals as float64 at a time
BLOCK_BYTES = 2**27  # of signals as float32 that a reader should give at a time


class SignalBlocks(NamedTuple):
    """Signals S_l of N atoms, which a function reads or makes block by block.

    Attributes:
        shape: (N, n_passes, d).
        of: maps (first, last) to the signals (last - first, n_passes, d) of these atoms, the same whenever it is asked.
        size: atoms of a block; they start at multiples of it. See `block_size`.
    """

    shape: tuple[int, int, int]
    of: Callable[[int, int], Any]
    size: int


def block_size(n_passes: int, d: int) -> int:
    """How many atoms of so many float32 signals make a block of at most 128 MiB, at least one."""
    return max(1, BLOCK_BYTES // (4 * n_passes * d))


def signal_blocks(given: Any, name: str, shape: str) -> SignalBlocks:
    """Signals (N, n_passes, d) in blocks: those of an array or tensor as they are, anything else as float64 first.

    A file that is mapped into memory is mapped anew for each block, as pages that were read would stay resident.

    Args:
        given: an array, a memmap, a tensor, nested lists, or `SignalBlocks`, which pass through.
        name: of the argument, for errors.
        shape: "(N, n_x, d)", or "(n, d)" for signals of one pass each.

    Raises:
        ValueError: the shape does not fit, or values are no numbers.
    """
    if isinstance(given, SignalBlocks):
        sides = tuple(given.shape)
        if len(sides) != 3 or min(sides) < 1 or given.size < 1:
            raise ValueError(f"{name} must have a shape (N, n_x, d) and blocks of an atom at least, got {given}")
        return given
    if not isinstance(given, np.ndarray | torch.Tensor) or given.ndim != shape.count(",") + 1 or 0 in given.shape:
        given = finite_array(given, name, shape)
    n, *passes, d = given.shape
    read = _mapped_anew(given)
    n_passes = passes[0] if passes else 1

    def of(first: int, last: int) -> Any:
        return read()[first:last].reshape(last - first, n_passes, d)

    return SignalBlocks((n, n_passes, d), of, max(1, TILE_BYTES // (8 * n_passes * d)))


def _mapped_anew(given: Any) -> Callable[[], Any]:
    """The array, or a new map of its file."""
    whole = isinstance(given, np.memmap) and not isinstance(given.base, np.ndarray) and given.flags.c_contiguous
    if not whole or given.filename is None or given.mode == "c":
        return lambda: given
    return lambda: np.memmap(given.filename, given.dtype, "r", given.offset, given.shape)


def tiles(signals: SignalBlocks, name: str) -> Iterator[tuple[slice, np.ndarray]]:
    """The signals (atoms, n_passes, d) in float64, some atoms at a time, with which atoms they are.

    Raises:
        ValueError: a block has another shape than it should, or a signal is NaN or infinite.
    """
    n, n_passes, d = signals.shape
    step = max(1, TILE_BYTES // (8 * n_passes * d))
    for first in range(0, n, signals.size):
        last = min(first + signals.size, n)
        block = signals.of(first, last)
        if tuple(np.shape(block)) != (last - first, n_passes, d):
            wanted = (last - first, n_passes, d)
            raise ValueError(
                f"{name} must give signals of shape {wanted} for atoms {first} to {last}, got {np.shape(block)}"
            )
        for start in range(0, last - first, step):
            tile = slice(start, min(start + step, last - first))
            signal = finite_array(block[tile], name, "(N, n_x, d)")
            yield slice(first + tile.start, first + tile.stop), signal
