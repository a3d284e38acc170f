"""Kernel sums for any d on the host: squared distances as a float64 matrix product."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ib_core.mixture.kernels.exact import EXPANDED_REACH, log_kernel
from ib_core.mixture.kernels.groups import Groups, OwnAtom, Product, Trial

COLUMNS = 2048  # centres of one tile: 64 points times these are 1 MiB, which stays in cache


class TorchKernel:
    """Kernel sums within N atoms of n_x centres each, from |t|^2 + |s|^2 - 2 t.s in float64.

    float32 would lose 6e-8 |s|^2 / beta^2 here, which is up to 50 nats on a ReLU layer.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them.
    """

    rows = 64
    remainder = 0.0
    largest = 1e280
    reach = np.inf
    smallest = 1e-280

    def __init__(self, centres: np.ndarray) -> None:
        self.centres = torch.from_numpy(np.ascontiguousarray(centres.transpose(1, 0, 2), np.float64))  # (n_x, N, d)
        self.half_norms = self.centres.square().sum(2) / 2  # (n_x, N)
        self.width = len(centres)

    def _exponents(self, points: torch.Tensor, offset: torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Tiles (m, COLUMNS) of offset - |t - s|^2 / 2, pass by pass; the caller may overwrite them."""
        start = (offset - points.square().sum(1) / 2)[:, None]
        for centres, half_norms in zip(self.centres, self.half_norms, strict=True):
            for first in range(0, self.width, COLUMNS):
                columns = slice(first, first + COLUMNS)
                yield columns, torch.addmm(start - half_norms[columns], points, centres[columns].T)

    def trials(self, laws: Product, owned: bool) -> Sequence[Trial]:
        """The one way to evaluate totals."""
        return [Trial(np.inf, self.smallest, self.reach)]

    def prepare(self, groups: Groups) -> Product:
        """The laws, as the sums are multiplied with them."""
        return Product(groups)

    def _sums(self, points: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2)."""
        total = torch.zeros(len(points), self.width, dtype=torch.float64)
        for columns, exponents in self._exponents(points, offset):
            total[:, columns] += exponents.exp_()
        return total

    def matrix(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2), for offsets of points not far above their nearest."""
        parts = [slice(k, k + self.rows) for k in range(0, len(points), self.rows)]
        matrix = np.concatenate([self._sums(torch.from_numpy(points[k]), torch.from_numpy(offset[k])) for k in parts])
        far = np.square(points).sum(1) > EXPANDED_REACH
        if far.any():
            centres = self.centres.numpy().swapaxes(0, 1)
            matrix[far] = np.exp(offset[far, None] + log_kernel(points[far], centres))
        return matrix

    def totals(
        self, points: np.ndarray, offset: np.ndarray, laws: Product, own: OwnAtom | None, trial: Trial
    ) -> np.ndarray:
        """(1 or 2, m, K) of sum_j w_j sum_k exp(offset - |t - s_jk|^2 / 2); no block is skipped, whatever the trial."""
        sums = self._sums(torch.from_numpy(self._filled(points)), torch.from_numpy(self._filled(offset)))
        if own is not None:
            index = torch.arange(len(points)), torch.from_numpy(own.atom)
            sums[index] = torch.from_numpy(own.value(offset))
        totals = laws.totals(sums, own)[:, : len(points)]
        totals[:, np.square(points).sum(1) > EXPANDED_REACH] = np.nan
        return totals

    def _filled(self, values: np.ndarray) -> np.ndarray:
        """Exactly `rows` of them: a matrix product of another height may round differently."""
        return values[np.minimum(np.arange(self.rows), len(values) - 1)]

    def nearest(self, points: np.ndarray) -> np.ndarray:
        """(m,) of min_jk |t - s_jk|^2 / 2."""
        nearest = np.empty(len(points))
        for first in range(0, len(points), self.rows):
            tile = points[first : first + self.rows]
            largest = torch.full((self.rows,), -torch.inf, dtype=torch.float64)
            for _, exponents in self._exponents(torch.from_numpy(self._filled(tile)), torch.zeros_like(largest)):
                largest = torch.maximum(largest, exponents.amax(1))
            nearest[first : first + self.rows] = (-largest).numpy()[: len(tile)]
        return nearest

    bound = nearest
