"""Many further passes of every atom, that only points of the same atom are held against."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from ib_core.checks import finite_there
from ib_core.mixture.atoms import EXACT_BYTES
from ib_core.mixture.own_sums import own_sums

KEPT_BYTES = 2**26  # in float32, up to which passes are not made again


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
        for name in ("n_passes", "size"):
            if getattr(given, name) < 1:
                raise ValueError(f"{name} of own must be at least 1, got {getattr(given, name)}")
        return given
    shape = np.shape(given)
    if len(shape) != 3 or (shape[0], shape[2]) != (n, d) or not shape[1]:
        raise ValueError(f"own must have shape ({n}, n_own, {d}) like passes, got {shape}")
    return OwnPasses(shape[1], lambda first, last: given[first:last])


def blocks(
    own: OwnPasses, n: int, d: int, *, of: np.ndarray | None = None, xp: Any = np
) -> Iterator[tuple[slice, Any]]:
    """The atoms of each block, or of those with some atoms, and their signals (atoms, n_own, d) in float64.

    They are on the host, or where `xp` has its arrays.
    """
    for first in range(0, n, own.size):
        if of is not None and not ((of >= first) & (of < first + own.size)).any():
            continue
        part = slice(first, min(first + own.size, n))
        signals = finite_there(own.of(part.start, part.stop), "own", "(N, n_own, d)", xp)
        wanted = (part.stop - first, own.n_passes, d)
        if tuple(signals.shape) != wanted:
            raise ValueError(
                f"own must give signals of shape {wanted} for atoms {first} to {part.stop}, got {tuple(signals.shape)}"
            )
        yield part, signals


def kept(own: OwnPasses, n: int, d: int) -> OwnPasses:
    """The same, each block made once, where all of them together are small."""
    if 4 * n * own.n_passes * d > KEPT_BYTES:
        return own
    found: dict[tuple[int, int], np.ndarray] = {}

    def of(first: int, last: int) -> np.ndarray:
        if (first, last) not in found:
            found[first, last] = own.of(first, last)
        return found[first, last]

    return own._replace(of=of)


def heavy_passes(own: OwnPasses, atoms: np.ndarray, n_passes: int, n: int, d: int, xp: Any = np) -> list[Any]:
    """Two independent families (h, passes, d) for a few of the n atoms, as many as asked for where they can be made."""
    if own.heavy is not None:
        families = [finite_there(own.heavy(atoms, n_passes, family), "own", "(N, n_own, d)", xp) for family in (0, 1)]
        wanted = (len(atoms), n_passes, d)
        for signals in families:
            if tuple(signals.shape) != wanted:
                raise ValueError(f"own must give signals of shape {wanted} for heavy atoms, got {tuple(signals.shape)}")
        return families
    half, found = own.n_passes // 2, xp.empty((len(atoms), own.n_passes, d))
    for part, signals in blocks(own, n, d, of=atoms, xp=xp):
        here = (atoms >= part.start) & (atoms < part.stop)
        found[here] = signals[atoms[here] - part.start]
    return [found[:, :half], found[:, half : 2 * half]]


def log_mixture(points: Any, row: Any, centres: Any, without: Any = None) -> Any:
    """ln (1/n) sum_k exp(-|t - s_k|^2 / 2) of each point for the centres of its own atom, within 1e-6 nats.

    Args:
        points: (m, d) in units of beta.
        row: (m,) which atom.
        centres: (atoms, n, d).
        without: (m,) a centre of each point that is left out, so that the mean is over n - 1 of them.

    Returns:
        (m,).
    """
    if isinstance(points, torch.Tensor):
        least, total = own_sums(points, row, centres, without)
        return torch.log(total / (centres.shape[1] - (without is not None))) - least
    logs, count = np.empty(len(points)), centres.shape[1] - (without is not None)
    if without is None:
        without = np.full(len(points), -1)
    try:
        from ib_core.mixture.kernels.own_loops import own_logs
    except ModuleNotFoundError:  # numba is not installed
        rows = max(1, EXACT_BYTES // centres[0].nbytes)
        for first in range(0, len(points), rows):
            tile = slice(first, first + rows)
            differences = centres[row[tile]] - points[tile, None]
            squares = np.einsum("mkd,mkd->mk", differences, differences) / 2
            left_out = np.flatnonzero(without[tile] >= 0)
            squares[left_out, without[tile][left_out]] = np.inf
            least = squares.min(1)
            logs[tile] = np.log(np.exp(least[:, None] - squares).sum(1)) - least
    else:
        own_logs(np.ascontiguousarray(points), row, np.ascontiguousarray(centres.swapaxes(1, 2)), without, logs)
    return logs - np.log(count)
