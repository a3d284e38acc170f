"""Kernel sums on a CPU: blocks of atoms in cache, differences or small matrix products, far blocks skipped."""

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit

from ib_core.mixture.blocks import BLOCK, EXP2_UNIT, STEP, WHOLE, Blocks
from ib_core.mixture.groups import Groups, OwnAtom, Product, Trial, ungrouped
from ib_core.mixture.torch_kernel import TorchKernel

ROWS = 64  # points that meet a block together: their products with it stay in cache
ROW_STEP = 16  # heights of products are multiples of this: BLAS then gives a row the same bits wherever it stands
FLUSH = 64  # passes summed in float32 before they are multiplied with the weights
FUSED = 32  # laws up to which the weights are applied to a block of sums while it is in cache
DIRECT_WIDTH = 16  # widest layer for which a point takes explicit differences where a product would lose digits
# |t - o| |s - o| (in bits) up to which float32 products about the middle o of a block err by less than 1e-5 nats.
PRODUCT_REACH = 30.0
# Nats for each bit of |t - o| |s - o|, and more with each coordinate: above the most that was seen at 4e5 points, each
# beside two equal centres, for d from 17 to 1024, beta from .005 to 1, tanh, saturated and ReLU layers.
PRODUCT_ERROR, MORE_ERROR = 4.5e-7, 2e-10
DOUBT = 9e-6  # nats that float32 products may cost a point
LARGEST = np.float32(126.0)  # bits; narrow layers stay below it, see `NumbaKernel.reach`
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
    """Squared distances (m,) of points (d, m) from the box with corners low, high (d,)."""
    gaps[:] = 0
    for q in range(points.shape[0]):
        below, above = low[q], high[q]
        coordinates = points[q]
        for i in range(len(coordinates)):
            gap = max(max(below - coordinates[i], coordinates[i] - above), below - below)
            gaps[i] += gap * gap


def _about(points, first, origin, offsets, squares):
    """Offsets (d, ROWS) of points (d, first to first + ROWS) from an origin (d,), and their float64 squares (ROWS,)."""
    squares[:] = 0.0
    for q in range(len(origin)):
        row, coordinates, middle = offsets[q], points[q, first : first + ROWS], origin[q]
        for i in range(ROWS):
            offset = coordinates[i] - middle
            row[i] = offset
            squares[i] += offset * offset


def _products(offsets, d, chosen, centres, depth, gathered, product, part):
    """product (height, BLOCK) = offsets[:d, chosen].T @ centres[:d], `depth` coordinates at a time."""
    height = -(-len(chosen) // ROW_STEP) * ROW_STEP
    rows = offsets
    if len(chosen) < ROWS:
        rows = gathered[: d * height].reshape(d, height)
        for q in range(d):
            for g in range(len(chosen)):
                rows[q, g] = offsets[q, chosen[g]]
    np.dot(rows[:depth].T, centres[:depth], product[:height])
    for start in range(depth, d, depth):
        np.dot(rows[start : start + depth].T, centres[start : start + depth], part[:height])
        for g in range(len(chosen)):
            total, more = product[g], part[g]
            for j in range(BLOCK):
                total[j] += more[j]


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


def _sum(values):
    """Of float32 numbers."""
    total = np.float32(0.0)
    for j in range(BLOCK):
        total += values[j]
    return total


def _peak(values):
    """The largest of float32 numbers, or 0 if none is above it: the bits of positive numbers are in their order."""
    bits = np.int32(0)
    for j in range(BLOCK):
        bits = max(bits, np.float32(values[j]).view(np.int32))
    return np.int32(bits).view(np.float32)


_peak_compiled = _compiled(_peak)
_sum_compiled = _compiled(_sum, fastmath=True)
_exp2_compiled = _compiled(_exp2, fastmath=ELEMENTWISE)
_square_gaps_compiled = _compiled(_square_gaps, fastmath=True)
_about_compiled = _compiled(_about, fastmath=True)
_products_compiled = _compiled(_products, fastmath=True)
_weigh_compiled = _compiled(_weigh, fastmath=True)


@cache
def _sums_kernel(width: int, lanes: str) -> Any:
    """The loop for layers of that width; WHOLE stands for all from there on that take differences, 0 for wider ones.

    A constant number of coordinates is what lets LLVM vectorise.
    """
    by_atom = lanes == "passes"
    seeking = lanes == "atoms, one turn, sought"
    assigned = by_atom or seeking or lanes == "atoms, one turn"
    cleared = by_atom or not assigned

    def sums(
        points, shift, cutoff, low, high, origins, radii, atoms, centres, norms, depth, reach,
        own_atom, own_group, own_power, segments, weights, out, totals, near, farthest,
    ):  # fmt: skip
        # points (d, m), shift (m,) in bits, low, high, origins (turns, blocks, d), radii (turns, blocks),
        # atoms (turns,), centres (turns, blocks, d or more, BLOCK), norms (turns, blocks, BLOCK), own_* (m,),
        # segments (S, 4) of (block, group, first, end), weights (blocks, K, BLOCK).
        # Adds to totals (2, m, K) or, if it has rows, to out (m, blocks * BLOCK), where `near` (blocks,) is set, all
        # but the own atoms; raises farthest (m,) to |t - o| |s - o| of the products that were used. Where own atoms are
        # sought, it lowers the shift to the nearest centre, sets own_atom (m,) and own_power (m,), and adds those too.
        turns, blocks, d = origins.shape
        rounded = np.empty((d, ROWS), low.dtype)
        gaps = np.empty(ROWS, low.dtype)
        offsets = np.zeros((centres.shape[2], ROWS), centres.dtype)
        gathered = np.empty(d * ROWS, centres.dtype)
        exponents, powers = np.empty(BLOCK, centres.dtype), np.empty(BLOCK, np.float32)
        product, part = np.empty((ROWS, BLOCK), centres.dtype), np.empty((ROWS, BLOCK), centres.dtype)
        squares = np.empty(ROWS)
        chosen, direct, same = np.empty(ROWS, np.int64), np.empty(ROWS, np.int64), np.empty(ROWS, np.int64)
        touched = np.empty(ROWS, np.bool_)
        block_sums = np.empty((ROWS, BLOCK), np.float32)
        multiple = segments[-1, 1] > 0
        for first in range(0, points.shape[1], ROWS):
            rounded[:] = points[:, first : first + ROWS]
            limit = shift[first : first + ROWS] + cutoff
            segment = 0
            for block in range(blocks):
                touched[:] = False
                if seeking:
                    limit[:] = shift[first : first + ROWS] + cutoff
                for k in range(turns):
                    _square_gaps_compiled(rounded, low[k, block], high[k, block], gaps)
                    found = 0
                    for i in range(ROWS):  # without a branch, which the processor could not predict
                        chosen[found] = i
                        found += gaps[i] <= limit[i]
                    if not found:
                        continue
                    _about_compiled(points, first, origins[k, block], offsets, squares)
                    centre, norm, radius = centres[k, block], norms[k, block], radii[k, block]
                    largest = reach * abs(reach) / (radius * radius) if radius else np.inf
                    multiplied = differenced = 0
                    for i in chosen[:found]:
                        inside = squares[i] <= largest
                        chosen[multiplied] = i
                        direct[differenced] = i
                        multiplied += inside
                        differenced += not inside
                    if multiplied:
                        _products_compiled(offsets, d, chosen[:multiplied], centre, depth, gathered, product, part)
                    for g in range(multiplied):
                        i = chosen[g]
                        farthest[first + i] = max(farthest[first + i], radius * np.sqrt(squares[i]))
                        start = centres.dtype.type(shift[first + i] - squares[i])
                        row, values = block_sums[i], product[g]
                        if cleared and not touched[i]:
                            row[:] = 0.0
                        touched[i] = True
                        target = powers if by_atom else row
                        if seeking:
                            for j in range(BLOCK):
                                exponents[j] = (start - norm[j]) + (values[j] + values[j])
                            peak = _peak_compiled(exponents)
                            if peak > 0:
                                for j in range(BLOCK):
                                    if exponents[j] == peak:
                                        own_atom[first + i] = block * BLOCK + j
                                shift[first + i] -= peak
                                totals[0, first + i] *= 2.0 ** -np.float64(peak)
                                start = centres.dtype.type(shift[first + i] - squares[i])
                        for j in range(BLOCK):
                            exponent = np.float32((start - norm[j]) + (values[j] + values[j]))
                            if not width:
                                exponent = min(exponent, LARGEST)
                            if assigned:
                                target[j] = _exp2_compiled(exponent)
                            else:
                                target[j] += _exp2_compiled(exponent)
                        if by_atom:
                            row[atoms[k]] += _sum_compiled(powers)
                    if width:
                        flat = centre.reshape(-1)
                        for i in direct[:differenced]:
                            row = block_sums[i]
                            if cleared and not touched[i]:
                                row[:] = 0.0
                            touched[i] = True
                            start = centres.dtype.type(shift[first + i])
                            point = offsets[:, i]
                            target = powers if by_atom else row
                            if width < WHOLE:
                                for j in range(BLOCK):
                                    exponent = start
                                    for q in range(width):
                                        offset = point[q] - flat[q * BLOCK + j]
                                        exponent -= offset * offset
                                    if assigned:
                                        target[j] = _exp2_compiled(np.float32(exponent))
                                    else:
                                        target[j] += _exp2_compiled(np.float32(exponent))
                            else:
                                exponents[:] = start
                                for q in range(0, d, STEP):
                                    coordinates = point[q : q + STEP]
                                    lines = flat[q * BLOCK : (q + STEP) * BLOCK]
                                    for j in range(BLOCK):
                                        exponent = exponents[j]
                                        for r in range(STEP):
                                            offset = coordinates[r] - lines[r * BLOCK + j]
                                            exponent -= offset * offset
                                        exponents[j] = exponent
                                for j in range(BLOCK):
                                    if assigned:
                                        target[j] = _exp2_compiled(np.float32(exponents[j]))
                                    else:
                                        target[j] += _exp2_compiled(np.float32(exponents[j]))
                            if by_atom:
                                row[atoms[k]] += _sum_compiled(powers)
                first_segment = segment
                while segment < len(segments) and segments[segment, 0] == block:
                    segment += 1
                found = 0
                for i in range(ROWS):
                    if touched[i]:
                        chosen[found] = i
                        found += 1
                        own = own_atom[first + i] - block * BLOCK
                        if 0 <= own < BLOCK:
                            if seeking:
                                own_power[first + i] = block_sums[i, own]
                            else:
                                block_sums[i, own] = 0.0  # the caller adds its exact value
                rows = chosen[:found]
                if len(out):
                    near[block] |= found > 0
                    for i in rows:
                        row = block_sums[i]
                        target = out[first + i, block * BLOCK : (block + 1) * BLOCK]
                        for j in range(BLOCK):
                            target[j] += row[j]
                    continue
                whole, own_part = totals[0, first : first + ROWS], totals[1, first : first + ROWS]
                for s in range(first_segment, segment):
                    group, begin, end = segments[s, 1], segments[s, 2], segments[s, 3]
                    _weigh_compiled(block_sums, rows, weights[block], begin, end, whole)
                    if multiple:
                        found = 0
                        for i in rows:
                            same[found] = i
                            found += own_group[first + i] == group
                        _weigh_compiled(block_sums, same[:found], weights[block], begin, end, own_part)

    return _compiled(sums, fastmath=ELEMENTWISE)


def _nearest(points, low, high, origins, centres, smallest):
    """Lower `smallest` (m,) to the squared distance of each point (m, d) to its nearest centre."""
    passes, blocks, d = origins.shape
    squares = np.empty(BLOCK, centres.dtype)
    for i in range(points.shape[0]):
        point = points[i]
        for k in range(passes):
            for block in range(blocks):
                gap = 0.0
                for q in range(d):
                    outside = max(max(low[k, block, q] - point[q], point[q] - high[k, block, q]), 0.0)
                    gap += outside * outside
                if gap > smallest[i]:
                    continue
                squares[:] = 0.0
                for q in range(d):
                    coordinate = centres.dtype.type(point[q] - origins[k, block, q])
                    line = centres[k, block, q]
                    for j in range(BLOCK):
                        offset = coordinate - line[j]
                        squares[j] += offset * offset
                smallest[i] = min(smallest[i], squares.min())


_nearest_compiled = _compiled(_nearest, fastmath=True)


class BlockedLaws:
    """Weights of K laws as the loop reads them: (blocks, K, BLOCK), and the part of each block in each group."""

    def __init__(self, groups: Groups, blocks: int) -> None:
        n, self.n_laws = groups.weights.shape
        self.n_groups = len(groups.slices)
        self.given = groups.weights
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


class Sums(NamedTuple):
    """What the loop adds up, own atoms left out."""

    totals: np.ndarray  # (2, m, K) under the laws: all atoms, the own atom's group
    matrix: np.ndarray  # (m, atoms) within each atom; or (0, atoms), where totals are wanted
    near: np.ndarray  # (blocks,) which were not skipped by all points
    farthest: np.ndarray  # (m,) |t - o| |s - o| of products, see PRODUCT_ERROR
    bits: np.ndarray  # (m,) the shift
    atom: np.ndarray  # (m,) own atoms, given or found
    power: np.ndarray  # (m,) what own atoms that were found added


class NumbaKernel:
    """Kernel sums within N atoms of n_x centres each, in float32 exponents about the middle of each block of atoms.

    A block of centres is skipped where its bounding box is so many bits away that it could add no more than 2^-cutoff
    for each of them. The first cutoff is enough where the own atom has 1/100 of the mean weight; a total that turns
    out too small for it is evaluated again with the last one.

    Exponents are `shift - |t - o|^2 - |s - o|^2 + 2 (t - o).(s - o)` with the products in float32 where that keeps
    1e-5 nats. Elsewhere narrow layers take differences. Wide layers, where the own centre usually outweighs all others,
    take the float32 products in any case and say how far they may be off; the total is then refused where the atoms
    other than the own one (whose value is exact) count so much that this matters, and is made again in float64.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them; neighbours in space should be
            neighbours in order.
    """

    rows = 1024
    largest = 1e30

    def __init__(self, centres: np.ndarray) -> None:
        self.given = centres
        self.n, passes, self.d = centres.shape
        self.wide = self.d > DIRECT_WIDTH
        self.blocks = Blocks(centres, np.float32 if self.wide else None)
        # Beyond a shift of so many nats, exponents of differences would lose more than 1e-5: 1.3e-5 were seen at 40.
        reach = 20.0 + (self.d if self.wide else 0)
        self.product_reach = -1.0
        if self.wide:
            self.product_reach = np.inf
        elif self.d >= WHOLE and self.blocks.centres.dtype == np.float32:
            self.product_reach = PRODUCT_REACH
        cutoffs = (np.log2(100 * self.n * passes / SKIPPED), LAST_CUTOFF)
        self.exact_trials = [Trial(cutoff, passes * 2**-cutoff / SKIPPED, reach, self.wide) for cutoff in cutoffs]

    def trials(self, owned: bool) -> Sequence[Trial]:
        """Ways to evaluate totals; in wide layers points without an own atom are given their nearest, if n_x is 1."""
        first = self.exact_trials[0]._replace(exact=False)
        if not self.wide:
            return self.exact_trials
        if owned:
            return [first, *self.exact_trials]
        return [first._replace(reach=np.inf), *self.exact_trials] if self.blocks.turns == 1 else self.exact_trials

    @cached_property
    def exact_blocks(self) -> Blocks:
        """The blocks in float64."""
        return Blocks(self.given, np.float64)

    @cached_property
    def exact_kernel(self) -> TorchKernel:
        """For distances in wide layers."""
        return TorchKernel(self.given)

    def prepare(self, groups: Groups) -> BlockedLaws:
        """The laws in the layout of this kernel."""
        return BlockedLaws(groups, self.blocks.blocks)

    def totals(
        self, points: np.ndarray, shift: np.ndarray, laws: BlockedLaws, own: OwnAtom | None, trial: Trial
    ) -> np.ndarray:
        """(1 or 2, m, K) of sum_j w_j sum_k exp(shift - |t - s_jk|^2 / 2); NaN where float32 is not good enough."""
        if self.wide and own is None and not trial.exact:
            return self._sought(points, shift, laws, trial)
        m, blocks = len(points), self.exact_blocks if trial.exact else self.blocks
        sums = self._sums(blocks, points, shift, laws, own, trial.cutoff, laws.product is not None)
        if laws.product:
            others = laws.product.totals(torch.from_numpy(sums.matrix[:m]), own, np.repeat(sums.near, BLOCK))
        else:
            others = sums.totals[: 1 if own is None or laws.n_groups == 1 else 2, :m, : laws.n_laws]
        return others if own is None else self._with_own(others, sums, shift, laws, own, trial)

    def _sought(self, points: np.ndarray, shift: np.ndarray, laws: BlockedLaws, trial: Trial) -> np.ndarray:
        """`totals` of points that take their nearest centre as their own atom; lowers the shift to it."""
        m, any_law = len(points), laws if laws.product is None else self.prepare(ungrouped(np.ones((self.n, 1))))
        above = shift + 1e-5 * shift + 1.0  # so that some centre is nearer
        sums = self._sums(self.blocks, points, above, any_law, None, trial.cutoff, False, seeking=True)
        atom = sums.atom[:m]
        shift[:] = sums.bits[:m] / (2 * EXP2_UNIT**2)
        squares = np.square(points - self.given[atom, 0]).sum(1)
        own = OwnAtom(atom, np.zeros_like(atom), squares / 2, np.ones(m))
        if laws.product:
            return self.totals(points, shift, laws, own, trial)
        others = sums.totals[:1, :m, : laws.n_laws] - laws.given[atom] * sums.power[:m, None]
        return self._with_own(np.maximum(others, 0.0), sums, shift, laws, own, trial)

    def _with_own(
        self, others: np.ndarray, sums: Sums, shift: np.ndarray, laws: BlockedLaws, own: OwnAtom, trial: Trial
    ) -> np.ndarray:
        """The totals (1 or 2, m, K) of the other atoms plus the exact term of the own one; NaN where too inexact."""
        terms = laws.given[own.atom]
        terms *= own.value(shift)[:, None]
        if self.wide and not trial.exact:
            error = (PRODUCT_ERROR + MORE_ERROR * self.d) * sums.farthest[: len(shift), None]
            others = np.where(error * others > DOUBT * (others + terms), np.nan, others)
        others += terms
        return others

    def matrix(self, points: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """(m, N) of sum_k exp(shift - |t - s_jk|^2 / 2); what is below 2^-90 of the largest term may be 0."""
        blocks, laws = self.exact_blocks if self.wide else self.blocks, self.prepare(ungrouped(np.ones((self.n, 1))))
        return self._sums(blocks, points, shift, laws, None, LAST_CUTOFF, True).matrix[: len(points), : self.n]

    def _sums(
        self,
        blocks: Blocks,
        points: np.ndarray,
        shift: np.ndarray,
        laws: BlockedLaws,
        own: OwnAtom | None,
        cutoff: float,
        by_atom: bool,
        seeking: bool = False,
    ) -> Sums:
        """Run the loop over all turns, for points that fill whole tiles."""
        m = len(points)
        padded = -(-m // ROWS) * ROWS
        bits = np.full(padded, -np.inf)  # nothing is near the points that fill the last tile
        bits[:m] = shift * (2 * EXP2_UNIT**2)
        columns = np.zeros((blocks.origins.shape[2], padded))
        columns[: self.d, :m] = points.T * EXP2_UNIT
        atom, group = np.full((2, padded), -1)
        if own is not None:
            atom[:m], group[:m] = own.atom, own.group
        sums = Sums(
            np.zeros((2, padded, laws.weights.shape[1])),
            np.zeros((padded if by_atom else 0, blocks.blocks * BLOCK)),
            np.zeros(blocks.blocks, np.bool_),
            np.zeros(padded),
            bits,
            atom,
            np.zeros(padded),
        )
        lanes = "passes" if blocks.by_atom else "atoms" if blocks.turns > 1 else "atoms, one turn"
        if seeking:
            lanes = "atoms, one turn, sought"
        turns = blocks.turns if blocks.by_atom else FLUSH
        for first in range(0, blocks.turns, turns):
            k = slice(first, first + turns)
            _sums_kernel(0 if self.wide else min(self.d, WHOLE), lanes)(
                *(columns, bits, cutoff, blocks.low[k], blocks.high[k], blocks.origins[k], blocks.radii[k]),
                *(blocks.atoms[k], blocks.centres[k], blocks.norms[k], blocks.depth, self.product_reach),
                *(atom, group, sums.power, laws.segments, laws.weights),
                *(sums.matrix, sums.totals, sums.near, sums.farthest),
            )
        return sums

    def bound(self, points: np.ndarray) -> np.ndarray:
        """(m,) of a bound, from above, on min_jk |t - s_jk|^2 / 2: the least over some centres of all blocks."""
        columns = np.ascontiguousarray((points * EXP2_UNIT).T, np.float32)
        smallest, gaps = np.full((2, len(points)), np.inf, np.float32)
        step = BLOCK if self.blocks.by_atom else 1
        for corner in self.given[::BLOCK, ::step].reshape(-1, self.d):
            corner = (corner * EXP2_UNIT).astype(np.float32)
            _square_gaps_compiled(columns, corner, corner, gaps)
            np.minimum(smallest, gaps, out=smallest)
        return smallest / (2 * EXP2_UNIT**2)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """(m,) of min_jk |t - s_jk|^2 / 2."""
        if self.wide:
            return self.exact_kernel.nearest(points)
        blocks = self.blocks
        smallest = self.bound(points).astype(np.float64) * (2 * EXP2_UNIT**2)
        _nearest_compiled(points * EXP2_UNIT, blocks.low, blocks.high, blocks.origins, blocks.centres, smallest)
        return smallest / (2 * EXP2_UNIT**2)
