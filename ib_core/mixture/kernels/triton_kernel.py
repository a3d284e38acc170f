"""Kernel sums on a CUDA device: products, exponentials and the sum over passes in one kernel."""

from collections.abc import Sequence

import numpy as np
import torch
import triton
import triton.language as tl

from ib_core.mixture.kernels.groups import Product, Trial
from ib_core.mixture.kernels.torch_kernel import TorchKernel
from ib_core.mixture.resident import ResidentSums

if tuple(int(part) for part in triton.__version__.split(".")[:2]) < (3, 5):
    raise ModuleNotFoundError(f"triton must be 3.5 or newer to multiply in float64, got {triton.__version__}")

POINTS, ATOMS, WARPS = 64, 64, 8  # of one program; with fewer warps its exponents would leave the registers
DEPTH = 16  # coordinates of one product: the fewest that every version multiplies
LOG2_E = 1.4426950408889634


@triton.jit
def _sums(
    points, start, centres, norms, out, m, n, d, passes, stride, P: tl.constexpr, A: tl.constexpr, D: tl.constexpr
):  # fmt: skip
    """out (m, n) = sum_k 2^(start_i - norm_jk + t_i . s_jk) for points (m, d), centres (passes, n, d), all float64."""
    # 64 bits, since offsets into large arrays exceed 2^31.
    i = (tl.program_id(0) * P + tl.arange(0, P)).to(tl.int64)
    j = (tl.program_id(1) * A + tl.arange(0, A)).to(tl.int64)
    q = tl.arange(0, D)
    begin = tl.load(start + i, mask=i < m, other=0.0)
    total = tl.zeros((P, A), dtype=tl.float64)
    for _ in range(passes):
        exponent = begin[:, None] - tl.load(norms + j, mask=j < n, other=0.0)[None, :]
        for first in range(0, d, D):
            inside = first + q < d
            t = tl.load(points + (i * d + first)[:, None] + q, mask=(i < m)[:, None] & inside, other=0.0)
            s = tl.load(centres + (j * d + first) + q[:, None], mask=(j < n) & inside[:, None], other=0.0)
            exponent = tl.dot(t, s, exponent, input_precision="ieee", out_dtype=tl.float64)
        # What counts is within 100 bits of 0, where float32 keeps 4e-6 nats.
        total += tl.exp2(exponent.to(tl.float32)).to(tl.float64)
        centres += stride
        norms += n
    tl.store(out + i[:, None] * n + j, total, mask=(i < m)[:, None] & (j < n))


class TritonKernel(TorchKernel):
    """Kernel sums within N atoms of n_x centres each: float64 exponents, which never leave the registers.

    In float32, sums of squared differences err by 1e-5 nats at d = 64 and 6e-4 at d = 1024, products by up to 70 at
    beta = .005. The float64 products are tensor-core instructions on cards that have them (A100, H100), as fast there
    as float32 without tensor cores; on other cards they are what this kernel waits for.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them.
        device: a CUDA device; the CPU under TRITON_INTERPRET=1.

    Raises:
        ModuleNotFoundError: on import, where triton is older than 3.5.
    """

    largest = 1e30  # float32 powers end at 1e38 and 1e-38
    smallest = 1e-25

    def __init__(self, centres: np.ndarray, device: str | None = None) -> None:
        super().__init__(centres, device)
        self.norms = self.half_norms * LOG2_E  # (n_x, N) in bits

    def trials(self, laws: Product, owned: bool) -> Sequence[Trial]:
        """Twice the same with own atoms: where another one is so near that powers overflow, the offset is lowered."""
        return [*super().trials(laws, owned)] * (2 if owned else 1)

    def _sums(self, points: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        return _summed(self.centres, self.norms, points, offset)


class TritonSums(ResidentSums):
    """The same for points that are on the device already: one launch for a tile of them.

    Args:
        centres: (N, n_x, d) float64 on a CUDA device, in units of beta, with their origin amid them.
    """

    smallest, largest = TritonKernel.smallest, TritonKernel.largest

    def __init__(self, centres: torch.Tensor) -> None:
        super().__init__(centres)
        self.norms = self.half_norms * LOG2_E

    def sums(self, points: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2)."""
        return _summed(self.centres, self.norms, points, offset)


def _summed(centres: torch.Tensor, norms: torch.Tensor, points: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """(m, N) for centres (n_x, N, d) and half their squares (n_x, N) in bits."""
    passes, n, d = centres.shape
    out = torch.empty(len(points), n, dtype=torch.float64, device=points.device)
    start = (offset - points.square().sum(1) / 2) * LOG2_E
    _sums[triton.cdiv(len(points), POINTS), triton.cdiv(n, ATOMS)](
        *(points * LOG2_E, start, centres, norms, out, len(points), n, d, passes, n * d),
        *(POINTS, ATOMS, DEPTH),
        num_warps=WARPS,
    )
    return out
