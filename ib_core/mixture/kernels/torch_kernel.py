"""Kernel sums for any d and on any device: squared distances as a float64 matrix product."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ib_core.mixture.kernels.groups import Groups, OwnAtom, Product, Trial

# |t|^2 + |s|^2 - 2 t.s in float64 errs by about 2e-16 |t|^2: beyond this square it would cost 1e-7 nats.
EXPANDED_REACH = 1e9
EXACT_BYTES = 2**25  # of a tile of exact squared distances
COLUMNS = 2048  # centres of one tile: 64 points times these are 1 MiB, which stays in cache


def log_kernel(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(m, N) of ln sum_k exp(-|t - s_jk|^2 / 2) from float64 differences, with each atom's own maximum.

    Args:
        points: (m, d).
        centres: (N, n_x, d).
    """
    n, passes, d = centres.shape
    signals = torch.from_numpy(centres.reshape(-1, d))
    logs = np.empty((len(points), n))
    rows = max(1, EXACT_BYTES // (8 * len(signals)))
    for first in range(0, len(points), rows):
        tile = torch.from_numpy(points[first : first + rows])
        distances = torch.cdist(tile, signals, compute_mode="donot_use_mm_for_euclid_dist")
        exponents = (distances.square_() / -2).reshape(len(tile), n, passes)
        logs[first : first + rows] = torch.logsumexp(exponents, 2)
    return logs


class TorchKernel:
    """Kernel sums within N atoms of n_x centres each, from |t|^2 + |s|^2 - 2 t.s in float64.

    float32 would lose 6e-8 |s|^2 / beta^2 here, which is up to 50 nats on a ReLU layer.

    Args:
        centres: (N, n_x, d) float64, in units of beta, with their origin amid them.
        device: where to compute.
    """

    rows = 64
    remainder = 0.0
    largest = 1e280
    reach = np.inf
    smallest = 1e-280

    def __init__(self, centres: np.ndarray, device: str | None = None) -> None:
        self.device = torch.device(device or "cpu")
        if self.device.type != "cpu":
            self.rows = 1024  # to start a smaller tile would take longer than to compute it
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

    def trials(self, laws: Product, owned: bool) -> Sequence[Trial]:
        """The one way to evaluate totals."""
        return [Trial(np.inf, self.smallest, self.reach)]

    def prepare(self, groups: Groups) -> Product:
        """The laws, where the sums are."""
        return Product(groups, self.device)

    def _sums(self, points: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2)."""
        total = torch.zeros(len(points), self.width, dtype=torch.float64, device=self.device)
        for columns, exponents in self._exponents(points, offset):
            total[:, columns] += exponents.exp_()
        return total

    def matrix(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2), for offsets of points not far above their nearest."""
        parts = [slice(k, k + self.rows) for k in range(0, len(points), self.rows)]
        matrix = np.concatenate([self._sums(self._tensor(points[k]), self._tensor(offset[k])).cpu() for k in parts])
        far = np.square(points).sum(1) > EXPANDED_REACH
        if far.any():
            centres = self.centres.cpu().numpy().swapaxes(0, 1)
            matrix[far] = np.exp(offset[far, None] + log_kernel(points[far], centres))
        return matrix

    def totals(
        self, points: np.ndarray, offset: np.ndarray, laws: Product, own: OwnAtom | None, trial: Trial
    ) -> np.ndarray:
        """(1 or 2, m, K) of sum_j w_j sum_k exp(offset - |t - s_jk|^2 / 2); no block is skipped, whatever the trial."""
        sums = self._sums(self._tensor(self._filled(points)), self._tensor(self._filled(offset)))
        if own is not None:
            index = torch.arange(len(points), device=self.device), torch.from_numpy(own.atom).to(self.device)
            sums[index] = self._tensor(own.value(offset))
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
            largest = torch.full((self.rows,), -torch.inf, dtype=torch.float64, device=self.device)
            for _, exponents in self._exponents(self._tensor(self._filled(tile)), torch.zeros_like(largest)):
                largest = torch.maximum(largest, exponents.amax(1))
            nearest[first : first + self.rows] = (-largest).cpu().numpy()[: len(tile)]
        return nearest

    bound = nearest
