"""Points on a device against the many centres of their own atom."""

from contextlib import suppress

import torch
from torch import Tensor

from ib_core.arrays import tile

NUMBERS = 2**26  # differences of one tile


def own_sums(points: Tensor, row: Tensor, centres: Tensor, without: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(m,) of min_k |t - s_k|^2 / 2 and of sum_k exp(that - |t - s_k|^2 / 2), from float64 differences.

    Args:
        points: (m, d) in units of beta, on a device.
        row: (m,) which atom.
        centres: (atoms, n, d).
        without: (m,) a centre of each point that is left out.
    """
    if points.device.type == "cuda":
        with suppress(ModuleNotFoundError):
            from ib_core.mixture.kernels.fused.own import fused_own_sums

            return fused_own_sums(points, row, centres, without)
    least = torch.empty(len(points), dtype=points.dtype, device=points.device)
    total, rows = torch.empty_like(least), max(1, tile(NUMBERS) // centres[0].numel())
    for first in range(0, len(points), rows):
        some = slice(first, first + rows)
        squares = (centres[row[some]] - points[some, None]).square_().sum(2).div_(2)
        if without is not None:
            squares.scatter_(1, without[some, None], torch.inf)
        least[some] = squares.amin(1)
        total[some] = torch.exp(least[some, None] - squares).sum(1)
    return least, total
