"""Kernel sums on a CPU for small d: squared distances and exponentials in one vectorised loop, far blocks skipped."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

BLOCK = 128  # neighbouring atoms of one inner loop, skipped together
FLUSH = 64  # passes summed in float32 before they are added to the float64 result
# From this coordinate on (in units of the kernel, see `NumbaKernel`) float32 rounding would cost 1e-6 nats a point.
FLOAT32_REACH = 16.0
EXP2_UNIT = np.sqrt(0.5 * np.log2(np.e))  # |x|^2 / 2 in nats = |EXP2_UNIT x|^2 in bits
# A block whose bounding box is so many bits away is skipped: it could add 2^-90 = 8e-28 at most.
CUTOFF = 90.0


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile and keep the machine code on disk, or in memory only where no folder can be written."""
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)


def _exp2(x):
    """2^x in float32 within 4e-7, exactly 1 at 0; never below 2^-126. Callers keep x under 126."""
    x = max(x, np.float32(-126.0))
    whole = np.int32(x)
    part = x - np.float32(whole)  # in (-1, 1)
    power = np.float32(1.518987472e-04)  # minimax in relative error, with the constant held at 1
    power = power * part + np.float32(1.358700962e-03)
    power = power * part + np.float32(9.623164870e-03)
    power = power * part + np.float32(5.549265728e-02)
    power = power * part + np.float32(2.402247391e-01)
    power = power * part + np.float32(6.931483130e-01)
    power = power * part + np.float32(1.0)
    return power * np.int32((whole + 127) << 23).view(np.float32)


def _square_gaps(points, low, high, gaps):
    """Squared distances (boxes, m) of points (d, m) from boxes with corners low, high (boxes, d)."""
    for box in range(low.shape[0]):
        row = gaps[box]
        row[:] = 0
        for q in range(points.shape[0]):
            below, above = low[box, q], high[box, q]
            coordinates = points[q]
            for i in range(len(coordinates)):
                gap = max(max(below - coordinates[i], coordinates[i] - above), below - below)
                row[i] += gap * gap


_exp2_compiled = _compiled(_exp2, inline="always")
_square_gaps_compiled = _compiled(_square_gaps, fastmath=True)


@cache
def _sums_kernel(d: int) -> Any:
    """The loop for width d: a constant d and one flat block of centres is what lets LLVM vectorise it."""

    def sums(points, shift, centres, gaps, block_sums, out, fresh):
        # points (m, d), shift (m,), centres (passes, blocks, d * BLOCK), gaps (passes, blocks, m),
        # block_sums (m, BLOCK), out (m, blocks * BLOCK): overwritten if `fresh`, else added to
        passes, blocks = centres.shape[0], centres.shape[1]
        near = np.empty(points.shape[0], np.int64)
        limit = shift + centres.dtype.type(CUTOFF)
        for block in range(blocks):
            block_sums[:] = 0.0
            for k in range(passes):
                centre = centres[k, block]
                gap = gaps[k, block]
                found = 0
                for i in range(points.shape[0]):  # without a branch, which the processor could not predict
                    near[found] = i
                    found += gap[i] <= limit[i]
                for i in near[:found]:
                    exponent_at_point = shift[i]
                    row = block_sums[i]
                    point = points[i]
                    for j in range(BLOCK):
                        exponent = exponent_at_point
                        for q in range(d):
                            offset = point[q] - centre[q * BLOCK + j]
                            exponent -= offset * offset
                        row[j] += _exp2_compiled(np.float32(exponent))
            for i in range(points.shape[0]):
                row = block_sums[i]
                total = out[i, block * BLOCK : (block + 1) * BLOCK]
                if fresh:
                    for j in range(BLOCK):
                        total[j] = row[j]
                else:
                    for j in range(BLOCK):
                        total[j] += row[j]

    return _compiled(sums, fastmath=True)


@cache
def _nearest_kernel(d: int) -> Any:
    """Lowers `smallest` to the squared distance of each point to its nearest centre."""

    def nearest(points, centres, gaps, smallest):  # (m, d), (passes, blocks, d * BLOCK), (passes, blocks, m), (m,)
        passes, blocks = centres.shape[0], centres.shape[1]
        squares = np.empty(BLOCK, points.dtype)
        for i in range(points.shape[0]):
            point = points[i]
            for k in range(passes):
                for block in range(blocks):
                    if gaps[k, block, i] > smallest[i]:
                        continue
                    centre = centres[k, block]
                    for j in range(BLOCK):
                        square = point[0] - point[0]
                        for q in range(d):
                            offset = point[q] - centre[q * BLOCK + j]
                            square += offset * offset
                        squares[j] = square
                    smallest[i] = min(smallest[i], squares.min())

    return _compiled(nearest, fastmath=True)


class NumbaKernel:
    """Kernel sums within N atoms of n_x centres each, in float32 exponents from exact differences.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them; neighbours in space should be
            neighbours in order.
    """

    # Outside of these a sum of weights times kernels may have lost digits to `CUTOFF`: it is then redone exactly.
    smallest, largest = 1e-20, 1e30
    # With a nearest centre further than this (in nats), float32 exponents would lose more than 1e-5.
    reach = 40.0

    def __init__(self, centres: np.ndarray) -> None:
        n, passes, d = centres.shape
        self.d, blocks = d, -(-n // BLOCK)
        scaled = np.full((blocks * BLOCK, passes, d), 1e15)  # atoms that fill the last block are far from everything
        scaled[:n] = centres * EXP2_UNIT
        self.dtype = np.float32 if np.abs(scaled[:n]).max() <= FLOAT32_REACH else np.float64
        blocked = scaled.reshape(blocks, BLOCK, passes, d).transpose(2, 0, 3, 1)  # (passes, blocks, d, BLOCK)
        filled = np.where(np.arange(blocks * BLOCK).reshape(blocks, 1, BLOCK) < n, blocked, blocked[..., :1])
        self.corners = [
            np.ascontiguousarray(corner, self.dtype)  # (passes, blocks, d)
            for corner in (filled.min(3), filled.max(3), filled[..., 0])
        ]
        self.centres = np.ascontiguousarray(blocked.reshape(passes, blocks, d * BLOCK), self.dtype)
        self.width = blocks * BLOCK

    def _scaled(self, points: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(points * EXP2_UNIT, self.dtype)

    def _gaps(self, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Squared distances (passes, blocks, m) of points from boxes with corners low, high (passes, blocks, d)."""
        gaps = np.empty((low.shape[0] * low.shape[1], len(points)), self.dtype)
        corners = (corner.reshape(-1, self.d) for corner in (low, high))
        _square_gaps_compiled(np.ascontiguousarray(points.T), *corners, gaps)
        return gaps.reshape(*low.shape[:2], -1)

    def sums(self, points: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
        """sum_k exp(shift - |t - s_jk|^2 / 2) into `out` (m, width); its columns from N on belong to no atom."""
        low, high, _ = self.corners
        points = self._scaled(points)
        bits = (shift * (2 * EXP2_UNIT**2)).astype(self.dtype)
        block_sums = np.empty((len(points), BLOCK), np.float32)
        for first in range(0, len(self.centres), FLUSH):
            passes = slice(first, first + FLUSH)
            gaps = self._gaps(points, low[passes], high[passes])
            _sums_kernel(self.d)(points, bits, self.centres[passes], gaps, block_sums, out, first == 0)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """(m,) of min_jk |t - s_jk|^2 / 2."""
        low, high, first_atom = self.corners
        points = self._scaled(points)
        smallest = np.full(len(points), np.inf, self.dtype)
        chunks = [slice(first, first + FLUSH) for first in range(0, len(self.centres), FLUSH)]
        for passes in chunks:
            smallest = np.minimum(smallest, self._gaps(points, first_atom[passes], first_atom[passes]).min((0, 1)))
        for passes in chunks:
            gaps = self._gaps(points, low[passes], high[passes])
            _nearest_kernel(self.d)(points, self.centres[passes], gaps, smallest)
        return smallest / (2 * EXP2_UNIT**2)
