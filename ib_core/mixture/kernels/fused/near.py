"""Blocks of atoms that a tile of points has anything of. Where layers lie apart, powers of most pairs are exactly 0.

A block is left out of the sums of a tile where no power of it could differ from 0 in float32: the sums then have the
bits that they would have with it. More could be left out within their errors, but which depends on the tile, and a
point's sums must not depend on the points beside it.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ib_core.arrays import tile

WORTH = 0.5  # share of blocks that are near a tile beyond which lists cost more than they save
JUDGED, NUMBERS = 16, 2**24  # tiles that this share is judged by, and differences of one at most
LIMIT = 150 * math.log(2)  # nats; powers of float32 end at 2^-149
BLOCKS = 16  # of one step


class Boxes(NamedTuple):
    """The corners of blocks of neighbouring atoms, all passes in them.

    Attributes:
        low, high: (blocks, d) float64, those of the first part first.
        first: (parts + 1,) int32 which block is the first of a part.
        most: blocks of the longest part.
    """

    low: Tensor
    high: Tensor
    first: Tensor
    most: int


class Lists(NamedTuple):
    """Blocks of each part that are near each tile of points.

    Attributes:
        blocks: (parts, tiles, most) int32, counted from the first of the part; the first `counts` of them.
        counts: (parts, tiles) int32.
        most: how many there may be.
    """

    blocks: Tensor
    counts: Tensor
    most: int


def boxes_of(centres: Tensor, ends: list[int], size: int) -> Boxes | None:
    """Boxes of centres (n_x, N, d) where lists of them are worth their time, else None.

    Args:
        centres: in units of beta, neighbours side by side.
        ends: where the parts of the atoms begin and end.
        size: atoms of a block; the last one of a part has the rest.
    """
    parts = list(pairwise(ends))
    counts = [-(-(b - a) // size) for a, b in parts]
    lengths = [min(size, b - at) for a, b in parts for at in range(a, b, size)]
    there = torch.tensor(lengths, device=centres.device)
    low, high = (
        torch.segment_reduce(corner.contiguous(), how, lengths=there, axis=0)
        for corner, how in ((centres.amin(0), "min"), (centres.amax(0), "max"))
    )
    close = centres.new_zeros(())  # tiles of a block's own atoms, as those of points that are drawn in their order are
    chosen = range(0, ends[-1], max(size, ends[-1] // JUDGED))
    height = max(1, min(size, tile(NUMBERS) // low.numel()))
    for at in chosen:
        some = centres[0, at : at + height, None]
        gaps = torch.maximum(low - some, some - high).clamp_(min=0)
        close += (gaps.square().sum(2).amin(0) / 2 <= LIMIT).double().mean()
    if float(close) > WORTH * len(chosen):
        return None
    first = torch.tensor([0, *counts], device=centres.device).cumsum(0).to(torch.int32)
    return Boxes(low.contiguous(), high.contiguous(), first, max(counts))


@triton.jit
def _near(
    points, offset, start, low, high, first, blocks, counts, m, d, most,
    LIMIT: tl.constexpr, P: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """Write down the blocks of a part where exp(offset - |t - s|^2 / 2) of a point of the tile may not be 0 in float32.

    Points (m, d) whose start is NaN keep all blocks, so that their sums are NaN as well.
    """
    tile, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    i, step = tile * P + tl.arange(0, P), tl.arange(0, B)
    real = i < m
    begin, end = tl.load(first + part), tl.load(first + part + 1)
    nearest, number = tl.load(offset + i, mask=real, other=0.0), tl.load(start + i, mask=real, other=0.0)
    row, count = part.to(tl.int64) * tl.num_programs(0) + tile, tl.full((), 0, tl.int32)
    for at in range(begin, end, B):
        b = at + step
        there = b < end
        squares = tl.zeros((P, B), dtype=tl.float64)
        for q in range(d):
            t = tl.load(points + i * d + q, mask=real, other=0.0)[:, None]
            below = tl.load(low + b * d + q, mask=there, other=0.0)[None, :] - t
            above = t - tl.load(high + b * d + q, mask=there, other=0.0)[None, :]
            gap = tl.maximum(tl.maximum(below, above), 0.0)
            squares += gap * gap
        nats = tl.where((number != number)[:, None], -float("inf"), squares / 2 - nearest[:, None])
        nats = tl.where(real[:, None], nats, float("inf"))
        keep = ((tl.min(nats, 0) <= LIMIT) & there).to(tl.int32)
        tl.store(blocks + row * most + count + tl.cumsum(keep, 0) - keep, b - begin, mask=keep != 0)
        count += tl.sum(keep, 0)
    tl.store(counts + row, count)


def near(boxes: Boxes, points: Tensor, offset: Tensor, start: Tensor, height: int) -> Lists:
    """Lists for points (m, d) in units of beta, in tiles of that height.

    Args:
        offset: (m,) in nats, of the exponents offset - |t - s|^2 / 2.
        start: (m,) NaN for points that the sums are not right for.
    """
    m, d = points.shape
    grid = triton.cdiv(m, height), len(boxes.first) - 1
    counts = torch.empty(grid[::-1], dtype=torch.int32, device=points.device)
    blocks = torch.empty(*grid[::-1], boxes.most, dtype=torch.int32, device=points.device)
    _near[grid](
        *(points, offset, start, boxes.low, boxes.high, boxes.first, blocks, counts, m, d, boxes.most),
        *(LIMIT, height, BLOCKS),
    )
    return Lists(blocks, counts, boxes.most)
