"""The atoms of a mixture, prepared once, so that many points can be held against them."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from ib_core.arrays import arrays_of, host, largest, least, namespace
from ib_core.mixture.kernels.exact import EXACT_BYTES, log_kernel
from ib_core.mixture.kernels.groups import Groups, OwnAtom, Trial
from ib_core.mixture.kernels.torch_kernel import TorchKernel
from ib_core.mixture.own_sums import own_sums
from ib_core.mixture.resident import ResidentSums


class Kernel(Protocol):
    """What a backend offers; coordinates are in units of beta."""

    rows: int  # most points of one call
    remainder: float  # nats by which skipped atoms may lower a log-density at most
    largest: float  # a total above this may have lost digits

    def trials(self, laws: Any, owned: bool) -> Sequence[Trial]: ...

    def prepare(self, groups: Groups) -> Any: ...

    def totals(
        self, points: np.ndarray, offset: np.ndarray, laws: Any, own: OwnAtom | None, trial: Trial
    ) -> np.ndarray:
        """May lower `offset` in place, where it finds a nearer centre."""
        ...

    def bound(self, points: np.ndarray) -> np.ndarray: ...

    def matrix(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray: ...

    def nearest(self, points: np.ndarray) -> np.ndarray: ...


class Atoms:
    """N Gaussian mixtures p_j with n_x equally weighted centres each; everything below is in units of beta.

    Args:
        centres: (N, n_x, d) signals, on the host or on the device.
        beta: standard deviation of the noise.
        backend: "numba", "torch" or "triton"; by default numba on a CPU and triton on CUDA, where they are installed;
            torch otherwise.
        device: where to compute; None is the CPU.
    """

    def __init__(self, centres: Any, beta: float, backend: str | None = None, device: str | None = None) -> None:
        if backend not in ("numba", "torch", "triton", None):
            raise ValueError(f'backend must be "numba", "torch", "triton" or None, got {backend!r}')
        self.beta, self.backend, self.device, self.xp = beta, backend, device, arrays_of(device)
        if backend == "numba" and self.xp is not np:
            raise ValueError(f'backend "numba" computes on the CPU, got device {device!r}')
        centres = self.xp.asarray(centres)
        self.n, self.n_passes, self.d = centres.shape
        # The middle of the range keeps coordinates small, wherever the layer lies.
        flat = centres.reshape(-1, self.d)
        self.origin = host((least(flat) + largest(flat)) / 2)
        self.there = self.scaled(centres)  # on the device, where there is one
        if backend is not None:  # one that was asked for is refused at once where it is missing
            self.sums  # noqa: B018
        # Added to ln sum_k exp(-|t - s_k|^2 / 2) it gives a log density.
        self.log_constant = -self.d * (math.log(beta) + 0.5 * math.log(2 * math.pi)) - math.log(self.n_passes)

    @cached_property
    def centres(self) -> np.ndarray:
        """(N, n_x, d) on the host."""
        return host(self.there)

    @cached_property
    def sums(self) -> ResidentSums | Kernel:
        """Sums over the centres: on the device, or with the fastest kernel of the host that is installed."""
        if self.xp is not np or self.backend == "triton":
            return self._resident()
        if self.backend != "torch":
            try:
                from ib_core.mixture.kernels.numba_kernel import NumbaKernel

                return NumbaKernel(self.centres)
            except ModuleNotFoundError:
                if self.backend is not None:
                    raise
        return TorchKernel(self.centres)

    def _resident(self) -> ResidentSums:
        """With Triton on CUDA, where it is installed, or where it was asked for."""
        there = torch.as_tensor(self.there)
        if self.backend == "triton" or (self.backend is None and there.device.type == "cuda"):
            try:
                from ib_core.mixture.kernels.fused.sums import FusedSums

                return FusedSums(there)
            except ModuleNotFoundError:
                if self.backend is not None:
                    raise
        return ResidentSums(there)

    @property
    def remainder(self) -> float:
        """Nats by which skipped atoms may lower a log-density at most."""
        return 0.0 if isinstance(self.sums, ResidentSums) else self.sums.remainder

    def matrix(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2) of points (m, d), for offsets not far above their nearest."""
        return self.sums.matrix(points, offset)

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """Points (..., d) in units of beta from the common origin."""
        return (points - namespace(points).asarray(self.origin)) / self.beta

    def unscaled(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `scaled`."""
        return points * self.beta + namespace(points).asarray(self.origin)

    def own(self, points: Any, atom: Any, group: Any) -> OwnAtom:
        """Each point (m, d) against its own atom (m,) of that group (m,), from float64 differences."""
        if isinstance(points, torch.Tensor):
            return OwnAtom(atom, group, *own_sums(points, atom, torch.as_tensor(self.there)))
        offset, kernel = np.empty(len(points)), np.empty(len(points))
        rows = max(1, EXACT_BYTES // (8 * self.n_passes * self.d))
        for first in range(0, len(points), rows):
            tile = slice(first, first + rows)
            differences = self.centres[atom[tile]] - points[tile, None]  # (rows, n_x, d)
            squares = np.einsum("mkd,mkd->mk", differences, differences) / 2
            offset[tile] = squares.min(1)
            kernel[tile] = np.exp(offset[tile, None] - squares).sum(1)
        return OwnAtom(atom, group, offset, kernel)

    def exact(self, points: np.ndarray) -> np.ndarray:
        """(m, N) of ln sum_k exp(-|t - s_jk|^2 / 2) from float64 differences, with each atom's own maximum."""
        return log_kernel(points, self.centres)
