"""Points against the many centres of their own atom: float64 differences, which never leave the registers."""

import torch
import triton
import triton.language as tl

LANES, DEPTH = 256, 8  # centres of one step, and coordinates of it


@triton.jit
def _own(
    points, row, centres, without, least, total, m, n, d,
    WITHOUT: tl.constexpr, R: tl.constexpr, C: tl.constexpr, Q: tl.constexpr,
):  # fmt: skip
    """least (m,) = min_k |t - s_k|^2 / 2 and total (m,) = sum_k exp(least - |t - s_k|^2 / 2), s_k of its own row."""
    i = tl.program_id(0).to(tl.int64) * R + tl.arange(0, R)
    c, q = tl.arange(0, C), tl.arange(0, Q)
    real = i < m
    own = tl.load(row + i, mask=real, other=0).to(tl.int64)
    if WITHOUT:
        left_out = tl.load(without + i, mask=real, other=-1)
    nearest, summed = tl.full((R,), float("inf"), tl.float64), tl.zeros((R,), dtype=tl.float64)
    for first in range(0, n, C):
        k = first + c
        squares = tl.zeros((R, C), dtype=tl.float64)
        for left in range(0, d, Q):
            inside = left + q < d
            t = tl.load(points + (i * d + left)[:, None] + q, mask=real[:, None] & inside, other=0.0)
            at = (own[:, None] * n + k) * d + left
            mask = (real[:, None] & (k < n))[:, :, None] & inside
            s = tl.load(centres + at[:, :, None] + q, mask=mask, other=0.0)
            difference = s - t[:, None, :]
            squares += tl.sum(difference * difference, 2)
        squares = tl.where(k < n, squares / 2, float("inf"))
        if WITHOUT:
            squares = tl.where(k == left_out[:, None], float("inf"), squares)
        now = tl.minimum(nearest, tl.min(squares, 1))
        powers = tl.exp2(((now[:, None] - squares) * 1.4426950408889634).to(tl.float32))
        before = tl.exp2(((now - nearest) * 1.4426950408889634).to(tl.float32)).to(tl.float64)
        summed = summed * before + tl.sum(powers, 1).to(tl.float64)
        nearest = now
    tl.store(least + i, nearest, mask=real)
    tl.store(total + i, summed, mask=real)


def fused_own_sums(
    points: torch.Tensor, row: torch.Tensor, centres: torch.Tensor, without: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(m,) of min_k |t - s_k|^2 / 2 and of sum_k exp(that - |t - s_k|^2 / 2).

    Args:
        points: (m, d) float64 on a CUDA device.
        row: (m,) which atom.
        centres: (atoms, n, d).
        without: (m,) a centre that is left out; fewer than all.
    """
    centres = centres.contiguous()
    _, n, d = centres.shape
    least = torch.empty(len(points), dtype=torch.float64, device=points.device)
    total = torch.empty_like(least)
    lanes = min(LANES, triton.next_power_of_2(n))
    rows, depth = max(1, LANES // lanes), min(DEPTH, triton.next_power_of_2(d))
    _own[(triton.cdiv(len(points), rows),)](
        *(points.contiguous(), row, centres, row if without is None else without, least, total, len(points), n, d),
        *(without is not None, rows, lanes, depth),
        num_warps=4,
    )
    return least, total
