"""Kernel sums on a CPU for small d: squared distances and exponentials in one vectorised loop, far blocks skipped."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numba import njit

from ib_core.mixture.groups import Groups, OwnAtom, Product

BLOCK = 128  # neighbouring atoms of one inner loop, skipped together
FLUSH = 64  # passes summed in float32 before they are multiplied with the weights
FUSED = 32  # laws up to which the weights are applied to a block of sums while it is in cache
# From this coordinate on (in units of the kernel, see `NumbaKernel`) float32 rounding would cost 1e-6 nats a point.
FLOAT32_REACH = 16.0
EXP2_UNIT = np.sqrt(0.5 * np.log2(np.e))  # |x|^2 / 2 in nats = |EXP2_UNIT x|^2 in bits
LAST_CUTOFF = 90.0  # bits; float32 ends at 126
SKIPPED = 1e-7  # the most that skipped blocks may add to a sum, relative to it
ELEMENTWISE = {"nnan", "ninf", "nsz", "contract"}  # no reordering: `_exp2` needs (x + ROUND) - ROUND as it stands


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile and keep the machine code on disk, or in memory only where no folder can be written."""
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)


def _exp2(x):
    """2^x in float32 within 2e-7, exactly 1 at 0; never below 2^-126. Callers keep x under 126."""
    x = max(x, np.float32(-125.0))
    rounded = x + np.float32(12582912.0)  # 1.5 * 2^23: the last bits are the nearest whole number
    part = x - (rounded - np.float32(12582912.0))  # in [-.5, .5]
    power = np.float32(1.326465239e-03)  # minimax in relative error, with the constant held at 1
    power = power * part + np.float32(9.671511324e-03)
    power = power * part + np.float32(5.550733963e-02)
    power = power * part + np.float32(2.402224212e-01)
    power = power * part + np.float32(6.931469775e-01)
    bits = np.float32(power * part + np.float32(1.0)).view(np.int32)
    return np.int32(bits + (np.float32(rounded).view(np.int32) << 23)).view(np.float32)


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


def _weigh(sums, rows, weights, first, end, totals):
    """totals (m, K) += sums (m, n) @ weights (K, n).T over `rows` and columns `first` to `end`; K is 1 or 4 c."""
    if weights.shape[0] == 1:
        w_0 = weights[0, first:end]
        for i in rows:
            values = sums[i, first:end]
            t_0 = 0.0
            for j in range(len(values)):
                t_0 += np.float64(values[j]) * w_0[j]
            totals[i, 0] += t_0
        return
    for c in range(0, weights.shape[0], 4):
        w_0, w_1 = weights[c, first:end], weights[c + 1, first:end]
        w_2, w_3 = weights[c + 2, first:end], weights[c + 3, first:end]
        for i in rows:
            values = sums[i, first:end]
            t_0 = t_1 = t_2 = t_3 = 0.0
            for j in range(len(values)):
                value = np.float64(values[j])
                t_0 += value * w_0[j]
                t_1 += value * w_1[j]
                t_2 += value * w_2[j]
                t_3 += value * w_3[j]
            totals[i, c] += t_0
            totals[i, c + 1] += t_1
            totals[i, c + 2] += t_2
            totals[i, c + 3] += t_3


_exp2_compiled = _compiled(_exp2, fastmath=ELEMENTWISE)
_square_gaps_compiled = _compiled(_square_gaps, fastmath=True)
_weigh_compiled = _compiled(_weigh, fastmath=True)


@cache
def _sums_kernel(d: int) -> Any:
    """The loop for width d: a constant d and one flat block of centres is what lets LLVM vectorise it."""

    def sums(points, shift, limit, centres, gaps, own_atom, own_group, own_value, segments, weights, out, totals, near):
        # points (m, d), shift (m,), limit (m,), centres (passes, blocks, d * BLOCK), gaps (passes, blocks, m),
        # own_* (m,), segments (S, 4) of (block, group, first, end), weights (blocks, K, BLOCK).
        # Adds to totals (2, m, K) and, if it has rows, to out (m, blocks * BLOCK), where `near` (blocks,) is set.
        passes, blocks = centres.shape[0], centres.shape[1]
        m = points.shape[0]
        chosen = np.empty(m, np.int64)
        touched = np.empty(m, np.bool_)
        block_sums = np.empty((m, BLOCK), np.float32)
        same = np.empty(m, np.int64)
        multiple = segments[-1, 1] > 0
        segment = 0
        for block in range(blocks):
            touched[:] = False
            for k in range(passes):
                centre = centres[k, block]
                gap = gaps[k, block]
                found = 0
                for i in range(m):  # without a branch, which the processor could not predict
                    chosen[found] = i
                    found += gap[i] <= limit[i]
                for i in chosen[:found]:
                    exponent_at_point = shift[i]
                    row = block_sums[i]
                    point = points[i]
                    if not touched[i]:
                        row[:] = 0.0
                        touched[i] = True
                    for j in range(BLOCK):
                        exponent = exponent_at_point
                        for q in range(d):
                            offset = point[q] - centre[q * BLOCK + j]
                            exponent -= offset * offset
                        row[j] += _exp2_compiled(np.float32(exponent))
            first_segment = segment
            while segment < len(segments) and segments[segment, 0] == block:
                segment += 1
            found = 0
            for i in range(m):
                own = own_atom[i] - block * BLOCK
                if touched[i]:
                    chosen[found] = i
                    found += 1
                    if 0 <= own < BLOCK:
                        block_sums[i, own] = 0.0  # its exact value comes below
            rows = chosen[:found]
            if len(out):
                near[block] |= found > 0
                for i in rows:
                    row = block_sums[i]
                    target = out[i, block * BLOCK : (block + 1) * BLOCK]
                    for j in range(BLOCK):
                        target[j] += row[j]
                continue
            for s in range(first_segment, segment):
                group, first, end = segments[s, 1], segments[s, 2], segments[s, 3]
                _weigh_compiled(block_sums, rows, weights[block], first, end, totals[0])
                if multiple:
                    found = 0
                    for i in rows:
                        same[found] = i
                        found += own_group[i] == group
                    _weigh_compiled(block_sums, same[:found], weights[block], first, end, totals[1])
        for i in range(m):
            own = own_atom[i]
            if own >= 0:
                if len(out):
                    out[i, own] += own_value[i]
                    near[own // BLOCK] = True
                else:
                    for c in range(weights.shape[1]):
                        term = own_value[i] * weights[own // BLOCK, c, own % BLOCK]
                        totals[0, i, c] += term
                        totals[1, i, c] += term

    return _compiled(sums, fastmath=ELEMENTWISE)


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


class BlockedLaws:
    """Weights of K laws as the loop reads them: (blocks, K, BLOCK), and the part of each block in each group."""

    def __init__(self, groups: Groups, blocks: int) -> None:
        n, self.n_laws = groups.weights.shape
        self.n_groups = len(groups.slices)
        self.product = Product(groups, torch.device("cpu")) if self.n_laws > FUSED else None
        self.weights = np.zeros((blocks, 1 if self.n_laws == 1 else -(-self.n_laws // 4) * 4, BLOCK))
        if self.product is None:
            padded = np.zeros((blocks * BLOCK, self.n_laws))
            padded[:n] = groups.weights
            self.weights[:, : self.n_laws] = padded.reshape(blocks, BLOCK, -1).swapaxes(1, 2)
        self.segments = np.array(
            [
                (block, group, max(part.start - block * BLOCK, 0), min(part.stop - block * BLOCK, BLOCK))
                for group, part in enumerate(groups.slices)
                for block in range(part.start // BLOCK, -(-part.stop // BLOCK))
            ]
        )


class NumbaKernel:
    """Kernel sums within N atoms of n_x centres each, in float32 exponents from exact differences.

    A block of centres is skipped where its bounding box is so many bits away that it could add no more than 2^-cutoff
    for each of them. The first cutoff is enough where the own atom has 1/100 of the mean weight; a total that turns
    out too small for it is evaluated again with the last one.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them; neighbours in space should be
            neighbours in order.
    """

    rows = 64
    largest = 1e30
    # With a nearest centre further than this (in nats), float32 exponents would lose more than 1e-5.
    reach = 40.0

    def __init__(self, centres: np.ndarray) -> None:
        n, passes, d = centres.shape
        self.n, self.d, self.blocks = n, d, -(-n // BLOCK)
        blocks = self.blocks
        cutoffs = (np.log2(100 * n * passes / SKIPPED), LAST_CUTOFF)
        self.trials: Sequence[tuple[float, float]] = [(cutoff, passes * 2**-cutoff / SKIPPED) for cutoff in cutoffs]
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

    def _scaled(self, points: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(points * EXP2_UNIT, self.dtype)

    def _gaps(self, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Squared distances (passes, blocks, m) of points from boxes with corners low, high (passes, blocks, d)."""
        gaps = np.empty((low.shape[0] * low.shape[1], len(points)), self.dtype)
        corners = (corner.reshape(-1, self.d) for corner in (low, high))
        _square_gaps_compiled(np.ascontiguousarray(points.T), *corners, gaps)
        return gaps.reshape(*low.shape[:2], -1)

    def prepare(self, groups: Groups) -> BlockedLaws:
        """The laws in the layout of this kernel."""
        return BlockedLaws(groups, self.blocks)

    def totals(
        self, points: np.ndarray, shift: np.ndarray, laws: BlockedLaws, own: OwnAtom | None, cutoff: float
    ) -> np.ndarray:
        """(1 or 2, m, K) of sum_j w_j sum_k exp(shift - |t - s_jk|^2 / 2)."""
        low, high, _ = self.corners
        m = len(points)
        points = self._scaled(points)
        bits = (shift * (2 * EXP2_UNIT**2)).astype(self.dtype)
        limit = bits + self.dtype(cutoff)
        nobody, nothing = np.full(m, -1), np.zeros(m)
        atom, group = (nobody, nobody) if own is None else (own.atom, own.group)
        value = nothing if own is None else own.value(shift)
        layers = 1 if own is None or laws.n_groups == 1 else 2
        totals = np.zeros((2, m, laws.weights.shape[1]))
        out = np.zeros((m if laws.product else 0, self.blocks * BLOCK))
        near = np.zeros(self.blocks, np.bool_)
        for first in range(0, len(self.centres), FLUSH):
            passes = slice(first, first + FLUSH)
            gaps = self._gaps(points, low[passes], high[passes])
            given = (atom, group, value if first == 0 else nothing)
            _sums_kernel(self.d)(
                points, bits, limit, self.centres[passes], gaps, *given, laws.segments, laws.weights, out, totals, near
            )
        if laws.product:
            return laws.product.totals(torch.from_numpy(out), own, np.repeat(near, BLOCK))
        return totals[:layers, :, : laws.n_laws]

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
