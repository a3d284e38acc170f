"""Kernel sums on a CPU: blocks of atoms in cache, differences or small matrix products, far blocks skipped."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from ib_core.mixture.kernels.blocks import EXP2_UNIT, Blocks
from ib_core.mixture.kernels.groups import Groups, OwnAtom, Product, Trial, ungrouped
from ib_core.mixture.kernels.numba_loops import BLOCK, ROWS, WHOLE, Sums, nearest_loop, square_gaps, sums_loop
from ib_core.mixture.kernels.torch_kernel import TorchKernel, log_kernel

FLUSH = 64  # passes summed in float32 before they are multiplied with the weights
FUSED = 32  # laws up to which the weights are applied to a block of sums while it is in cache
DIRECT_WIDTH = 16  # widest layer for which a point takes explicit differences where a product would lose digits
# |t - o| |s - o| (in bits) up to which float32 products about the middle o of a block err by less than 1e-5 nats.
PRODUCT_REACH = 30.0
# Bits that float32 costs an exponent for each bit of (t - o).(s - o), and more with each coordinate: above the most
# that was seen in 5e8 pairs, for d from 17 to 4096, range / beta from .3 to 1e7, noise, midpoints and equal offsets in
# tanh, saturated, flipped, ReLU, clustered and one-coordinate layers.
PRODUCT_ERROR, MORE_ERROR = 1.15e-6, 7e-10
FLOAT64_PART = 2.0**-27  # of that in float64; squares of offsets then err as well
MOST_ERROR = 500.0  # bits, beyond which all is in doubt
DOUBT = 9e-6  # nats that products may cost a point
FAR_REACH = 1e6  # nats to the nearest centre up to which float64 differences keep far more than 1e-5
LAST_CUTOFF = 90.0  # bits; float32 ends at 126
SKIPPED = 1e-7  # the most that skipped blocks may add to a sum, relative to it


class BlockedLaws:
    """Weights of K laws as the loop reads them: (blocks, K, BLOCK), and the part of each block in each group."""

    def __init__(self, groups: Groups, blocks: int) -> None:
        n, self.n_laws = groups.weights.shape
        self.n_groups = len(groups.slices)
        self.given = groups.weights
        self.product = Product(groups) if self.n_laws > FUSED else None
        # The first cutoff is enough for an own atom of this weight; many laws are too dear for a second one.
        self.least = 1 / (100 * n)
        if self.product is not None:
            self.least = min(self.least, groups.weights.min(initial=1.0, where=groups.weights > 0))
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
    """Kernel sums within N atoms of n_x centres each, in float32 exponents about the middle of each block of atoms.

    A block of centres is skipped where its bounding box is so many bits away that it could add no more than 2^-cutoff
    for each of them. The first cutoff is enough where the own atom has 1/100 of the mean weight (for many
    laws any weight that occurs); a total that turns out too small for it is evaluated again with the last one.

    Exponents are `offset - |t - o|^2 - |s - o|^2 + 2 (t - o).(s - o)` with the products in float32 where that keeps
    1e-5 nats. Elsewhere narrow layers take differences. Wide layers, where the own centre usually outweighs all others,
    take the float32 products in any case and say by how many bits they may be off: a block is skipped that could add
    nothing even so, and a total is refused where the atoms other than the own one (whose value is exact) may count so
    much that this matters. It is made again in float64 and, where that is not good enough either, from differences.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them; neighbours in space should be
            neighbours in order.
    """

    rows = 1024
    remainder = SKIPPED
    largest = 1e30

    def __init__(self, centres: np.ndarray) -> None:
        self.given = centres
        self.n, passes, self.d = centres.shape
        self.wide = self.d > DIRECT_WIDTH
        self.blocks = Blocks(centres, np.float32 if self.wide else None)
        self.product_reach = -1.0
        if self.wide:
            self.product_reach = 1e100
        elif self.d >= WHOLE and self.blocks.centres.dtype == np.float32:
            self.product_reach = PRODUCT_REACH
        # Beyond a offset of so many nats, exponents of differences would lose more than 1e-5: 1.3e-5 were seen at 40.
        self.passes, self.reach = passes, 20.0 + (self.d if self.wide else 0)

    def trials(self, laws: BlockedLaws, owned: bool) -> Sequence[Trial]:
        """Ways to evaluate totals; in wide layers points without an own atom are given their nearest, if n_x is 1."""
        first = min(np.log2(self.passes / (SKIPPED * laws.least)), LAST_CUTOFF)
        exact = [
            Trial(cutoff, self.passes * 2**-cutoff / SKIPPED, self.reach, self.wide)
            for cutoff in sorted({first, LAST_CUTOFF})
        ]
        if not self.wide:  # points far in a tail, as fresh passes of layers with little noise of their own output are
            return [*exact, exact[-1]._replace(reach=FAR_REACH, exact=True)]
        if not (owned or self.blocks.turns == 1):
            return exact
        return [exact[0]._replace(reach=self.reach if owned else np.inf, exact=False), *exact]

    @cached_property
    def exact_blocks(self) -> Blocks:
        """The blocks in float64."""
        return self.blocks if self.blocks.centres.dtype == np.float64 else Blocks(self.given, np.float64)

    @cached_property
    def exact_kernel(self) -> TorchKernel:
        """For distances in wide layers."""
        return TorchKernel(self.given)

    def prepare(self, groups: Groups) -> BlockedLaws:
        """The laws in the layout of this kernel."""
        return BlockedLaws(groups, self.blocks.blocks)

    def totals(
        self, points: np.ndarray, offset: np.ndarray, laws: BlockedLaws, own: OwnAtom | None, trial: Trial
    ) -> np.ndarray:
        """(1 or 2, m, K) of sum_j w_j sum_k exp(offset - |t - s_jk|^2 / 2); NaN where float32 is not good enough."""
        if self.wide and own is None and not trial.exact:
            with np.errstate(over="ignore", invalid="ignore"):  # where products lost all digits
                return self._sought(points, offset, laws, trial)
        m, blocks = len(points), self.exact_blocks if trial.exact else self.blocks
        sums = self._sums(blocks, points, offset, laws, own, trial.cutoff, laws.product is not None)
        if laws.product is None:
            others = sums.totals[: 1 if own is None or laws.n_groups == 1 else 2, :m, : laws.n_laws]
            return self._with_own(others, sums, offset, laws, own)
        if own is not None and not self.wide:
            sums.matrix[np.arange(m), own.atom] = own.value(offset)
            sums.near[np.arange(m) // ROWS, own.atom // BLOCK] = True
        totals = laws.product.totals(torch.from_numpy(sums.matrix), own, sums.near.repeat(BLOCK, axis=1))[:, :m]
        return self._with_own(totals, sums, offset, laws, own) if self.wide else totals

    def _sought(self, points: np.ndarray, offset: np.ndarray, laws: BlockedLaws, trial: Trial) -> np.ndarray:
        """`totals` of points that take their nearest centre as their own atom; lowers the offset to it."""
        m, any_law = len(points), laws if laws.product is None else self.prepare(ungrouped(np.ones((self.n, 1))))
        above = offset + 1e-5 * offset + 1.0  # so that some centre is nearer
        sums = self._sums(self.blocks, points, above, any_law, None, trial.cutoff, False, seeking=True)
        atom = sums.atom[:m]
        offset[:] = sums.offset[:m] / (2 * EXP2_UNIT**2)
        squares = np.square(points - self.given[atom, 0]).sum(1)
        own = OwnAtom(atom, np.zeros_like(atom), squares / 2, np.ones(m))
        if laws.product:
            totals = self.totals(points, offset, laws, own, trial)
        else:
            found = laws.given[atom] * sums.power[:m, None]
            # What the difference may have lost: without it nothing would be left to doubt.
            others = np.maximum(sums.totals[:1, :m, : laws.n_laws] - found, 2.0**-50 * found)
            totals = self._with_own(others, sums, offset, laws, own)
        totals[:, atom < 0] = np.nan
        return totals

    def _with_own(
        self, others: np.ndarray, sums: Sums, offset: np.ndarray, laws: BlockedLaws, own: OwnAtom | None
    ) -> np.ndarray:
        """The totals (1 or 2, m, K) of the other atoms plus the exact term of the own one; NaN where too inexact."""
        terms = 0.0 if own is None else laws.given[own.atom] * own.value(offset)[:, None]
        totals = others + terms
        if self.wide:
            error = np.expm1(math.log(2) * np.minimum(sums.error[: len(offset), None], MOST_ERROR))
            totals[error * others > DOUBT * totals] = np.nan
        return totals

    def matrix(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2); what is below 2^-90 of the largest term may be 0."""
        blocks, laws = self.exact_blocks if self.wide else self.blocks, self.prepare(ungrouped(np.ones((self.n, 1))))
        sums = self._sums(blocks, points, offset, laws, None, LAST_CUTOFF, True)
        matrix, doubtful = sums.matrix[: len(points), : self.n], sums.error[: len(points)] * math.log(2) > DOUBT
        matrix[doubtful] = np.exp(offset[doubtful, None] + log_kernel(points[doubtful], self.given))
        return matrix

    def _sums(
        self,
        blocks: Blocks,
        points: np.ndarray,
        offset: np.ndarray,
        laws: BlockedLaws,
        own: OwnAtom | None,
        cutoff: float,
        by_atom: bool,
        seeking: bool = False,
    ) -> Sums:
        """Run the loop over all turns, for points that fill whole tiles."""
        m = len(points)
        padded = -(-m // ROWS) * ROWS
        bits = np.full(padded, -1e300)  # nothing is near the points that fill the last tile
        bits[:m] = offset * (2 * EXP2_UNIT**2)
        columns = np.zeros((self.d, padded))
        columns[:, :m] = points.T * EXP2_UNIT
        atom, group = np.full((2, padded), -1)
        if own is not None:
            atom[:m], group[:m] = own.atom, own.group
        sums = Sums(
            totals=np.zeros((2, padded, laws.weights.shape[1])),
            matrix=np.zeros((padded if by_atom else 0, blocks.blocks * BLOCK)),
            near=np.zeros((padded // ROWS, blocks.blocks), np.bool_),
            error=np.zeros(padded),
            offset=bits,
            atom=atom,
            group=group,
            power=np.zeros(padded),
        )
        lanes = "passes" if blocks.by_atom else "atoms" if blocks.turns > 1 else "atoms, one turn"
        if seeking:
            lanes = "atoms, one turn, sought"
        rate = PRODUCT_ERROR + MORE_ERROR * self.d
        if blocks.centres.dtype == np.float64:
            rate *= FLOAT64_PART
        loop = sums_loop(0 if self.wide else min(self.d, WHOLE), lanes, blocks.centres.dtype.name)
        # Where float64 is wanted in a narrow layer, it is wanted for differences.
        reach = self.product_reach if self.wide or blocks is self.blocks else -1.0
        for turns in blocks.parts_of(blocks.turns if blocks.by_atom else FLUSH):
            loop(columns, turns, laws.segments, laws.weights, sums, cutoff, reach, rate)
        return sums

    def bound(self, points: np.ndarray) -> np.ndarray:
        """(m,) of a bound, from above, on min_jk |t - s_jk|^2 / 2, in narrow layers within reach where there is any.

        It is the least over some centres of all blocks; where that is too far, blocks are searched, nearest first.
        """
        columns = np.ascontiguousarray((points * EXP2_UNIT).T, np.float32)
        smallest, gaps = np.full((2, len(points)), np.inf, np.float32)
        step = BLOCK if self.blocks.by_atom else 1
        for corner in self.given[::BLOCK, ::step].reshape(-1, self.d):
            corner = (corner * EXP2_UNIT).astype(np.float32)
            square_gaps(columns, corner, corner, gaps)
            np.minimum(smallest, gaps, out=smallest)
        # Coordinates that were rounded to float32 may seem nearer than they are.
        most = np.maximum(np.abs(points).max(1), np.abs(self.given).max()) * (EXP2_UNIT * math.sqrt(self.d) * 2**-22)
        bound = np.square(np.sqrt(smallest) * (1 + self.d * 2**-23) + most) / (2 * EXP2_UNIT**2)
        return bound if self.wide else self._searched(points, bound, self.reach)

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """(m,) of min_jk |t - s_jk|^2 / 2."""
        return self.exact_kernel.nearest(points) if self.wide else self._searched(points, self.bound(points), -1.0)

    def _searched(self, points: np.ndarray, bound: np.ndarray, enough: float) -> np.ndarray:
        """(m,) of a bound lowered to the nearest centre, or to one that is near enough."""
        blocks, unit = self.blocks, 2 * EXP2_UNIT**2
        smallest = bound * unit
        nearest_loop(blocks.centres.dtype.name)(
            *(points * EXP2_UNIT, blocks.low, blocks.high, blocks.origins, blocks.centres, enough * unit, smallest)
        )
        return smallest / unit
