"""The atoms of a mixture, prepared once, so that many points can be held against them."""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch

from ib_core.arrays import arrays_of, namespace
from ib_core.mixture.kernels.groups import Groups, OwnAtom, Trial
from ib_core.mixture.kernels.torch_kernel import EXACT_BYTES, TorchKernel, log_kernel
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
        centres: (N, n_x, d) signals.
        beta: standard deviation of the noise.
        backend: "numba", "torch" or "triton"; by default numba on a CPU and triton on CUDA, where they are installed;
            torch otherwise.
        device: where torch computes; None is the CPU.
    """

    def __init__(self, centres: np.ndarray, beta: float, backend: str | None = None, device: str | None = None) -> None:
        self.beta = beta
        self.n, self.n_passes, self.d = centres.shape
        # The middle of the range keeps coordinates small, wherever the layer lies.
        self.origin = (centres.min((0, 1)) + centres.max((0, 1))) / 2
        self.centres = self.scaled(centres)
        if backend not in ("numba", "torch", "triton", None):
            raise ValueError(f'backend must be "numba", "torch", "triton" or None, got {backend!r}')
        self.backend, self.device, self.xp = backend, device, arrays_of(device)
        if backend is not None:  # one that was asked for is refused at once where it is missing
            self.kernel  # noqa: B018
        # Added to ln sum_k exp(-|t - s_k|^2 / 2) it gives a log density.
        self.log_constant = -self.d * (math.log(beta) + 0.5 * math.log(2 * math.pi)) - math.log(self.n_passes)

    @cached_property
    def there(self) -> Any:
        """The centres on the device, where there is one."""
        return self.xp.asarray(self.centres)

    @cached_property
    def resident(self) -> ResidentSums:
        """Sums over the centres on the device, with Triton on CUDA where it is installed."""
        with suppress(ModuleNotFoundError):
            if self.there.device.type == "cuda" or self.backend == "triton":
                from ib_core.mixture.kernels.triton_kernel import TritonSums

                return TritonSums(self.there)
        return ResidentSums(self.there)

    @cached_property
    def kernel(self) -> Kernel:
        """The backend asked for, or else the fastest one that is installed."""
        backend, device = self.backend, self.device
        on_cpu = device is None or torch.device(device).type == "cpu"
        wanted = backend or ("numba" if on_cpu else "triton")
        try:
            if wanted == "numba":
                from ib_core.mixture.kernels.numba_kernel import NumbaKernel

                return NumbaKernel(self.centres)
            if wanted == "triton":
                from ib_core.mixture.kernels.triton_kernel import TritonKernel

                return TritonKernel(self.centres, device)
        except ModuleNotFoundError:
            if backend is not None:
                raise
        return TorchKernel(self.centres, device)

    def scaled(self, points: np.ndarray) -> np.ndarray:
        """Points (..., d) in units of beta from the common origin."""
        return (points - namespace(points).asarray(self.origin)) / self.beta

    def unscaled(self, points: np.ndarray) -> np.ndarray:
        """The inverse of `scaled`."""
        return points * self.beta + namespace(points).asarray(self.origin)

    def own(self, points: Any, atom: Any, group: Any) -> OwnAtom:
        """Each point (m, d) against its own atom (m,) of that group (m,), from float64 differences."""
        xp, centres = namespace(points), self.centres if isinstance(points, np.ndarray) else self.there
        offset, kernel = xp.empty(len(points)), xp.empty(len(points))
        rows = max(1, EXACT_BYTES // (8 * self.n_passes * self.d))
        for first in range(0, len(points), rows):
            tile = slice(first, first + rows)
            differences = centres[atom[tile]] - points[tile, None]  # (rows, n_x, d)
            squares = xp.einsum("mkd,mkd->mk", differences, differences) / 2
            offset[tile] = squares.min(1) if xp is np else squares.amin(1)
            kernel[tile] = xp.exp(offset[tile, None] - squares).sum(1)
        return OwnAtom(atom, group, offset, kernel)

    def exact(self, points: np.ndarray) -> np.ndarray:
        """(m, N) of ln sum_k exp(-|t - s_jk|^2 / 2) from float64 differences, with each atom's own maximum."""
        return log_kernel(points, self.centres)
