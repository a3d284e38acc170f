"""Sums over the centres of all atoms for points on a CUDA card: one launch for the points, one for pairs, one for logs.

Exponents are products in float64, which on cards with tensor cores for it are as fast as float32 without; or, where
coordinates are small enough for 1e-5 nats, of three float16 slices each, which is twice as fast. In float32, sums of
squared differences err by 1e-5 nats at d = 64 and 6e-4 at d = 1024, products by up to 70 at beta = .005.

The parts of the atoms are summed apart and then in their order, whatever the points: same bits in every run on one
card, for any tile and for any place of a point among others.
"""

from typing import NamedTuple

import torch
import triton
from torch import Tensor

from ib_core.mixture.kernels.exact import EXPANDED_REACH
from ib_core.mixture.kernels.fused.half import Half, half_of
from ib_core.mixture.kernels.fused.near import Boxes, Lists, boxes_of, near
from ib_core.mixture.kernels.fused.points import finish, prepare
from ib_core.mixture.kernels.fused.reduce import one_law, reduce
from ib_core.mixture.kernels.groups import Groups, OwnAtom
from ib_core.mixture.resident import ResidentSums

if tuple(int(part) for part in triton.__version__.split(".")[:2]) < (3, 5):
    raise ModuleNotFoundError(f"triton must be 3.5 or newer to multiply in float64, got {triton.__version__}")

LOG2_E = 1.4426950408889634
PARTS, LEAST_ATOMS = 16, 32  # parts of the atoms, so that a card has work from few points on, and atoms of one
IN_ONE_PRODUCT = 64  # laws whose sums are held in registers
# Totals that are given well. Powers of float32 end at 1e-38 and 1e38, and exponents far from 0 lose digits: those of
# float16 slices more, as six products are added up there.
DOUBLE_RANGE, HALF_RANGE = (1e-25, 1e30), (1e-6, 1e6)
LISTED_STAGES = 2  # more, which reading the number of a block takes before its centres can be read
PREPARED, FINISHED = 1024, 64  # numbers and points of one program


class Tiles(NamedTuple):
    """How one launch is cut: points, atoms and coordinates of a block, and what holds it."""

    points: int
    atoms: int
    depth: int
    warps: int
    stages: int


def tiles(form: str, width: int, one: bool) -> Tiles:
    """What was fastest on an H200, by the form of the products ("float64" or that of `Half`)."""
    if form == "float64":
        return Tiles(64, 64, 16, 4, 3)
    if form == "columns" or not one:
        return Tiles(128, 64, 16, 4, 3) if width <= 16 else Tiles(64, 64, min(width, 64), 4, 2)
    if form == "near":
        return Tiles(128, 128, 16, 4, 3)
    return Tiles(64, 64, width, 4, 2) if width <= 64 else Tiles(64, 128, 32, 4, 3)


class Laws(NamedTuple):
    """What the loop takes of the laws.

    Attributes:
        weights: (N, K).
        empty: (C, K) which groups have none.
        ends: where the parts of the atoms begin and end, each within a group.
        bounds: (parts + 1,) int32 of them.
        group: (parts,) int32 the group of each.
        norms: (n_x, N) half the squares in bits, less the logarithm of the weights where there is one law.
        split: the same for float16 slices.
    """

    weights: Tensor
    empty: Tensor
    ends: list[int]
    bounds: Tensor
    group: Tensor
    norms: Tensor
    split: tuple[Tensor, Tensor] | None


class Prepared(NamedTuple):
    """Points as the loop takes them, in float64 or, with the rest of their start, in float16 slices."""

    given: tuple[Tensor, Tensor]  # points and offset
    half: Half | None
    points: Tensor
    start: Tensor
    rest: Tensor


class FusedSums(ResidentSums):
    """The centres of N atoms on a CUDA card, and sums over them that never leave its registers.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them.
        half: whether float16 slices may serve.

    Raises:
        ModuleNotFoundError: on import, where triton is older than 3.5.
    """

    smallest, largest = DOUBLE_RANGE

    def __init__(self, centres: Tensor, half: bool = True) -> None:
        super().__init__(centres)
        self.norms = self.half_norms * LOG2_E
        self.half = half_of(self.centres, self.norms) if half else None
        self._prepared_laws: tuple[Groups, Laws] | None = None
        self._boxes: dict[int, Boxes | None] = {}

    def numbers(self, groups: Groups) -> int:
        """Of float64 that each point takes."""
        laws = groups.weights.shape[1]
        if laws > IN_ONE_PRODUCT:
            return super().numbers(groups)
        return len(self._laws(groups).group) * laws + 2 * self.centres.shape[2]

    def logs(
        self,
        points: Tensor,
        offset: Tensor,
        groups: Groups,
        own: OwnAtom | None,
        layers: int,
        wanted: Tensor | None = None,
        careful: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """As `ResidentSums.logs`; careful is in float64."""
        m, k = len(points), groups.weights.shape[1]
        if k > IN_ONE_PRODUCT:  # sums first, then a product of matrices
            return super().logs(points, offset, groups, own, layers, wanted, careful)
        laws, offset = self._laws(groups), offset.contiguous()
        parts = offset.new_empty(len(laws.group), k, m)
        prepared = self._prepared(points, offset, None if careful else self.half)
        atom = None if own is None else own.atom.contiguous()
        self._run("one" if k == 1 else "many", prepared, atom, laws, parts)
        logs = offset.new_empty(layers, m, k)
        good = torch.empty(layers, m, k, dtype=torch.int8, device=offset.device)
        group = laws.group if own is None or layers == 1 else own.group.contiguous()
        value = offset if own is None else own.kernel if offset is own.offset else own.value(offset)
        finish[(triton.cdiv(m, FINISHED),)](
            *(parts, laws.group, len(laws.group), offset, laws.group if atom is None else atom, group, value),
            *(laws.weights, laws.empty, laws.empty if wanted is None else wanted.contiguous().view(torch.int8)),
            *(logs, good, m, k, *(DOUBLE_RANGE if prepared.half is None else HALF_RANGE)),
            *(own is not None, layers == 2, wanted is not None, FINISHED),
        )
        return logs, good.view(torch.bool)

    def nearest(self, points: Tensor) -> Tensor:
        """(m,) of min_jk |t - s_jk|^2 / 2, within 1e-7 of its size and that of the coordinates' squares."""
        laws, zero = self._whole(), points.new_zeros(len(points))
        parts = zero.new_empty(len(laws.group), len(points))
        self._run("most", self._prepared(points, zero, None), None, laws, parts)
        return parts.amax(0) / -LOG2_E

    def sums(self, points: Tensor, offset: Tensor) -> Tensor:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2)."""
        out = offset.new_empty(len(points), self.centres.shape[1])
        self._run("sums", self._prepared(points, offset, None), None, self._whole(), out)
        return out

    def _laws(self, groups: Groups) -> Laws:
        """Made once for the same groups."""
        if self._prepared_laws is None or self._prepared_laws[0] is not groups:
            weights, empty = self.laws(groups)
            ends, group_of = [0], []
            for group, part in enumerate(groups.slices):
                size = part.stop - part.start
                count = min(max(1, round(PARTS * size / len(weights))), max(1, size // LEAST_ATOMS))
                ends += [int(part.start) + round(size * (k + 1) / count) for k in range(count)]
                group_of += [group] * count
            norms = self.norms - torch.log2(weights[:, 0]) if weights.shape[1] == 1 else self.norms
            split = None if self.half is None else self.half.split(norms)
            if self.half is not None and split is not None and self.half.form == "columns":
                self.half.put(*split)
            bounds, group_there = self._integers(ends), self._integers(group_of)
            laws = Laws(weights.contiguous(), empty.to(torch.int8), ends, bounds, group_there, norms, split)
            self._prepared_laws, self._boxes = (groups, laws), {}
        return self._prepared_laws[1]

    def _whole(self) -> Laws:
        """All atoms, of no law."""
        n = self.centres.shape[1]
        count = max(1, min(PARTS, n // LEAST_ATOMS))
        ends = [round(n * k / count) for k in range(count + 1)]
        bounds, nothing = self._integers(ends), self.norms.new_zeros(1, 1)
        return Laws(nothing, nothing, ends, bounds, bounds[1:], self.norms, None)

    def _integers(self, values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.int32, device=self.norms.device)

    def _prepared(self, points: Tensor, offset: Tensor, half: Half | None) -> Prepared:
        m, d = points.shape
        if half is None:
            width, columns, scale, grid, reach = d, False, LOG2_E, 1.0, EXPANDED_REACH
            scaled = torch.empty_like(points, memory_format=torch.contiguous_format)
            start = rest = offset.new_empty(m)
        else:
            width, columns, scale, grid, reach = half.width, half.form == "columns", half.scale, half.grid, half.reach
            scaled = torch.empty(m, 3, width, dtype=torch.float16, device=points.device)
            start, rest = torch.empty(2, m, dtype=torch.float32, device=points.device)
        depth = min(64, triton.next_power_of_2(width))
        rows, points = max(1, PREPARED // depth), points.contiguous()
        prepare[(triton.cdiv(m, rows),)](
            *(points, offset, scaled, start, rest, m, d, width, grid, reach),
            *(scale, half is not None, columns, rows, depth),
        )
        return Prepared((points, offset), half, scaled, start, rest)

    def _run(self, how: str, prepared: Prepared, own: Tensor | None, laws: Laws, out: Tensor) -> None:
        """The loop over all pairs, see `reduce`."""
        given, half, points, start, rest = prepared
        passes, n, d = self.centres.shape
        form, centres, norms, norms_rest = "float64", self.centres, laws.norms, laws.norms
        if half is not None and laws.split is not None:
            form, d, centres = half.form, half.width, half.slices
            norms, norms_rest = laws.split
        if own is None:
            own = torch.full((len(points),), -1, device=points.device)
        cut, k = tiles(form, d, how == "one"), laws.weights.shape[1]
        grid = triton.cdiv(len(points), cut.points), len(laws.group)
        boxes = self._near(laws, cut.atoms) if how in ("one", "many") else None
        listed = Lists(laws.bounds, laws.bounds, 0) if boxes is None else near(boxes, *given, start, cut.points)
        pairs, sizes = (points, start, rest, own, centres, norms, norms_rest), (len(points), n, d, passes)
        kept = laws.bounds, listed.blocks, listed.counts, out
        block, held = (cut.points, cut.atoms, cut.depth), {"num_warps": cut.warps, "num_stages": cut.stages}
        if how == "one":
            if boxes is not None and d <= cut.depth:
                held["num_stages"] += LISTED_STAGES
            one_law[grid](*pairs, *kept, *sizes, listed.most, form, d <= cut.depth, boxes is not None, *block, **held)
            return
        lanes = max(16, triton.next_power_of_2(k)) if how == "many" else 1
        sums = *pairs, laws.weights, *kept, *sizes, k, listed.most
        reduce[grid](*sums, how, form, d <= cut.depth, boxes is not None, passes == 1, lanes, *block, **held)

    def _near(self, laws: Laws, size: int) -> Boxes | None:
        """Boxes of blocks of that many atoms, where lists of them are worth their time; made once for the same laws."""
        if size not in self._boxes:
            self._boxes[size] = boxes_of(self.centres, laws.ends, size)
        return self._boxes[size]
