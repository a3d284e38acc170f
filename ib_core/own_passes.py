"""Many further passes of every atom, that only points of the same atom are held against."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ib_core.mixture.atoms import EXACT_BYTES
from ib_core.mixture.checks import finite_array


class OwnPasses(NamedTuple):
    """Passes that are made when they are needed, a block of atoms at a time, so that they are never held together.

    Attributes:
        n_passes: passes of each atom.
        of: maps (first, last) to the signals (last - first, n_passes, d) of the atoms from `first` up to `last`, the
            same whenever it is asked; blocks start at multiples of `size`.
        heavy: maps (atoms, n_passes, family) to the signals (len(atoms), n_passes, d) of as many passes as are asked
            for of a few atoms; families 0 and 1 are independent of each other and of all other passes. None where there
            are no such passes: two halves of the others then serve.
        size: atoms of a block.
    """

    n_passes: int
    of: Callable[[int, int], Any]
    heavy: Callable[[np.ndarray, int, int], Any] | None = None
    size: int = 512


def own_passes(given: Any, n: int, d: int) -> OwnPasses:
    """An array (N, n_own, d) as `OwnPasses`; those pass through.

    Raises:
        ValueError: the shape does not fit, or a signal is NaN or infinite.
    """
    if isinstance(given, OwnPasses):
        return given
    array = finite_array(given, "own", "(N, n_own, d)")
    if (len(array), array.shape[2]) != (n, d):
        raise ValueError(f"own must have shape ({n}, n_own, {d}) like passes, got {array.shape}")
    return OwnPasses(array.shape[1], lambda first, last: array[first:last])


def blocks(own: OwnPasses, n: int, d: int) -> Iterator[tuple[slice, np.ndarray]]:
    """The atoms of each block and their signals (atoms, n_own, d) in float64."""
    for first in range(0, n, own.size):
        part = slice(first, min(first + own.size, n))
        signals = finite_array(own.of(part.start, part.stop), "own", "(N, n_own, d)")
        wanted = (part.stop - first, own.n_passes, d)
        if signals.shape != wanted:
            raise ValueError(
                f"own must give signals of shape {wanted} for atoms {first} to {part.stop}, got {signals.shape}"
            )
        yield part, signals


def heavy_passes(own: OwnPasses, atoms: np.ndarray, n_passes: int, d: int) -> list[np.ndarray]:
    """Two independent families (len(atoms), n, d) of passes of a few atoms, n as asked for where they can be made."""
    if own.heavy is not None:
        families = [finite_array(own.heavy(atoms, n_passes, family), "own", "(N, n_own, d)") for family in (0, 1)]
        wanted = (len(atoms), n_passes, d)
        for signals in families:
            if signals.shape != wanted:
                raise ValueError(f"own must give signals of shape {wanted} for heavy atoms, got {signals.shape}")
        return families
    half = own.n_passes // 2
    signals = finite_array(np.concatenate([np.asarray(own.of(k, k + 1)) for k in atoms]), "own", "(N, n_own, d)")
    return [signals[:, :half], signals[:, half : 2 * half]]


def log_mixture(points: np.ndarray, row: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """ln (1/n) sum_k exp(-|t - s_k|^2 / 2) of each point for the centres of its own atom, within 1e-6 nats.

    Args:
        points: (m, d) in units of beta.
        row: (m,) which atom.
        centres: (atoms, n, d).

    Returns:
        (m,).
    """
    logs = np.empty(len(points))
    try:
        from ib_core.mixture.own_loops import own_logs
    except ModuleNotFoundError:  # numba is not installed
        rows = max(1, EXACT_BYTES // centres[0].nbytes)
        for first in range(0, len(points), rows):
            tile = slice(first, first + rows)
            offsets = centres[row[tile]] - points[tile, None]
            squares = np.einsum("mkd,mkd->mk", offsets, offsets) / 2
            least = squares.min(1)
            logs[tile] = np.log(np.exp(least[:, None] - squares).sum(1)) - least
    else:
        own_logs(np.ascontiguousarray(points), row, np.ascontiguousarray(centres.swapaxes(1, 2)), logs)
    return logs - np.log(centres.shape[1])
