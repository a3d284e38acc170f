"""Kernel sums on a CUDA device for small d: differences, exponentials and the sum over passes in one kernel."""

import numpy as np
import torch
import triton
import triton.language as tl

from ib_core.mixture.torch_kernel import TorchKernel

POINTS, ATOMS = 32, 64  # of one program
LOG2_E = 1.4426950408889634


@triton.jit
def _sums(points, shift, centres, out, m, n, passes, D: tl.constexpr, P: tl.constexpr, A: tl.constexpr):
    """out (m, n) = sum_k 2^(shift - |t - s_jk|^2 / 2) for points (m, D), shift (m,) in bits, centres (passes, D, n)."""
    i = tl.program_id(0) * P + tl.arange(0, P)
    j = tl.program_id(1) * A + tl.arange(0, A)
    start = tl.load(shift + i, mask=i < m, other=0.0)
    total = tl.zeros((P, A), dtype=tl.float64)
    for _ in range(passes):
        exponent = tl.zeros((P, A), dtype=tl.float32) + start[:, None]
        for q in tl.static_range(D):
            t = tl.load(points + i * D + q, mask=i < m, other=0.0)
            s = tl.load(centres + q * n + j, mask=j < n, other=0.0)
            # float64 difference, since the squares are in units of beta^2; its rounding to float32 then is relative.
            offset = (t[:, None] - s[None, :]).to(tl.float32)
            exponent -= offset * offset * 0.7213475204444817  # log2(e) / 2
        total += tl.exp2(exponent).to(tl.float64)
        centres += D * n  # the pointer moves on, since an offset over all passes may exceed 2^31
    inside = (i[:, None] < m) & (j[None, :] < n)
    tl.store(out + i[:, None].to(tl.int64) * n + j[None, :], total, mask=inside)


class TritonKernel(TorchKernel):
    """Kernel sums within N atoms of n_x centres each, with float32 exponents relative to the own centre.

    Args:
        centres: (N, n_x, d) float64, in units of beta.
        device: a CUDA device; the CPU under TRITON_INTERPRET=1.
    """

    rows = 1024
    largest = 1e30
    # With a nearest centre further than this (in nats), float32 exponents would lose more than 1e-5.
    reach = 40.0
    smallest = 1e-25  # float32 powers end at 1e-38

    def __init__(self, centres: np.ndarray, device: str | None = None) -> None:
        super().__init__(centres, device)
        self.transposed = self.centres.transpose(1, 2).contiguous()  # (n_x, d, N)

    def _sums(self, points: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        passes, d, n = self.transposed.shape
        out = torch.empty(len(points), n, dtype=torch.float64, device=self.device)
        grid = (triton.cdiv(len(points), POINTS), triton.cdiv(n, ATOMS))
        bits = (shift * LOG2_E).float()
        _sums[grid](points.contiguous(), bits, self.transposed, out, len(points), n, passes, D=d, P=POINTS, A=ATOMS)
        return out
