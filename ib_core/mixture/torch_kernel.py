"""Kernel sums for any d and on any device: squared distances as a float64 matrix product."""

from collections.abc import Iterator

import numpy as np
import torch

COLUMNS = 2048  # centres of one tile: 64 points times these are 1 MiB, which stays in cache


class TorchKernel:
    """Kernel sums within N atoms of n_x centres each, from |t|^2 + |s|^2 - 2 t.s in float64.

    float32 would lose 6e-8 |s|^2 / beta^2 here, which is up to 50 nats on a ReLU layer; on a CPU it is hardly faster.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them.
        device: where to compute.
    """

    smallest, largest = 1e-280, 1e280
    reach = np.inf

    def __init__(self, centres: np.ndarray, device: str | None = None) -> None:
        self.device = torch.device(device or "cpu")
        self.centres = self._tensor(np.ascontiguousarray(centres.transpose(1, 0, 2)))  # (n_x, N, d)
        self.half_norms = self.centres.square().sum(2) / 2  # (n_x, N)
        self.width = len(centres)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array).to(self.device, torch.float64)

    def _exponents(self, points: torch.Tensor, offset: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Tiles (m, COLUMNS) of offset - |t - s|^2 / 2, pass by pass; the caller may overwrite them."""
        start = (offset - points.square().sum(1) / 2)[:, None]
        for centres, half_norms in zip(self.centres, self.half_norms, strict=True):
            for first in range(0, self.width, COLUMNS):
                columns = slice(first, first + COLUMNS)
                yield columns, torch.addmm(start - half_norms[columns], points, centres[columns].T)

    def sums(self, points: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
        """sum_k exp(shift - |t - s_jk|^2 / 2) into `out` (m, N)."""
        total = torch.zeros(len(points), self.width, dtype=torch.float64, device=self.device)
        for columns, exponents in self._exponents(self._tensor(points), self._tensor(shift)):
            total[:, columns] += exponents.exp_()
        out[:] = total.cpu().numpy()

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """(m,) of min_jk |t - s_jk|^2 / 2."""
        largest = torch.full((len(points),), -torch.inf, dtype=torch.float64, device=self.device)
        for _, exponents in self._exponents(self._tensor(points), torch.zeros_like(largest)):
            largest = torch.maximum(largest, exponents.amax(1))
        return (-largest).cpu().numpy()
