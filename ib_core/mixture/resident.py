"""Log-densities of a mixture where everything lives on a device: nothing comes back but what is asked for."""

import math

import numpy as np
import torch
from torch import Tensor

from ib_core.arrays import host, namespace, tile
from ib_core.mixture.kernels.exact import EXPANDED_REACH, log_kernel
from ib_core.mixture.kernels.groups import Groups, OwnAtom

TILE = 2**26  # kernel sums of one tile, half a GiB
EXACT_NUMBERS = 2**21  # differences of one tile, whatever there is room for


class ResidentSums:
    """The centres of N atoms on a device, and sums over them; any device that has float64.

    Args:
        centres: (N, n_x, d) float64 in units of beta, with their origin amid them.
    """

    smallest, largest = 1e-280, 1e280  # sums that it gives well

    def __init__(self, centres: Tensor) -> None:
        self.given = centres
        self.centres = centres.transpose(0, 1).contiguous()  # (n_x, N, d)
        self.half_norms = self.centres.square().sum(2) / 2  # (n_x, N)
        self._groups: tuple[Groups, Tensor, Tensor] | None = None

    def laws(self, groups: Groups) -> tuple[Tensor, Tensor]:
        """Weights (N, K) on the device, and which groups (C, K) have none."""
        if self._groups is None or self._groups[0] is not groups:
            xp = namespace(self.given)
            weights = xp.asarray(groups.weights)
            empty = torch.stack([~(weights[part] > 0).any(0) for part in groups.slices])
            self._groups = groups, weights, empty
        return self._groups[1:]

    def sums(self, points: Tensor, offset: Tensor) -> Tensor:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2)."""
        start = (offset - points.square().sum(1) / 2)[:, None]
        total = torch.zeros(len(points), self.centres.shape[1], dtype=points.dtype, device=points.device)
        for centres, half_norms in zip(self.centres, self.half_norms, strict=True):
            total += torch.addmm(start - half_norms, points, centres.T).exp_()
        return total

    def nearest(self, points: Tensor) -> Tensor:
        """(m,) of min_jk |t - s_jk|^2 / 2."""
        largest = torch.full((len(points),), -math.inf, dtype=points.dtype, device=points.device)
        for centres, half_norms in zip(self.centres, self.half_norms, strict=True):
            largest = torch.maximum(
                largest, torch.addmm(-half_norms.expand(len(points), -1), points, centres.T).amax(1)
            )
        return points.square().sum(1) / 2 - largest

    def numbers(self, groups: Groups) -> int:
        """Of float64 that each point takes."""
        return self.centres.shape[1]

    def logs(
        self,
        points: Tensor,
        offset: Tensor,
        groups: Groups,
        own: OwnAtom | None,
        layers: int,
        wanted: Tensor | None = None,
        careful: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """ln sum_j w_j sum_k exp(offset - |t - s_jk|^2 / 2), less offset, over all atoms and the own group's.

        Args:
            points: (m, d).
            offset: (m,).
            groups: the atoms' weights and groups.
            own: each point's atom, whose term is exact.
            layers: 1, or 2 with those of the own group.
            wanted: (m, K) which entries count; others are 0.
            careful: at the second time, in the slower way where there are two.

        Returns:
            (layers, m, K), and bool (layers, m, K): whether float64 gives them well, or they do not count.
        """
        weights, empty = self.laws(groups)
        sums, index = self.sums(points, offset), torch.arange(len(points), device=points.device)
        if own is not None:
            sums[index, own.atom] = own.value(offset)
        by_group = torch.stack([sums[:, part] @ weights[part] for part in groups.slices])
        found = [by_group.sum(0)]
        if layers == 2 and own is not None:
            found.append(by_group[own.group, index])
        totals = torch.stack(found)
        near = points.square().sum(1) <= EXPANDED_REACH
        good = (totals > self.smallest) & (totals < self.largest) & near[:, None]
        logs = torch.log(totals) - offset[:, None]
        if layers == 2 and own is not None:
            nothing = empty[own.group]
            good[1] |= nothing
            logs[1].masked_fill_(nothing, -math.inf)
        if wanted is not None:
            good |= ~wanted
            logs.masked_fill_(~wanted, 0.0)
        return logs, good

    def matrix(self, points: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """(m, N) of sum_k exp(offset - |t - s_jk|^2 / 2) for points and offsets of the host, where it then is."""
        xp = namespace(self.given)
        found = np.empty((len(points), self.centres.shape[1]))
        rows = max(1, tile(TILE) // found.shape[1])
        for first in range(0, len(points), rows):
            some = slice(first, first + rows)
            found[some] = host(self.sums(xp.asarray(points[some]), xp.asarray(offset[some])))
        far = np.flatnonzero(np.square(points).sum(1) > EXPANDED_REACH)
        if len(far):
            found[far] = np.exp(offset[far, None] + log_kernel(points[far], host(self.given)))
        return found

    def exact(self, points: Tensor, groups: Groups, own: OwnAtom | None, layers: int) -> Tensor:
        """(layers, m, K) of the logarithms, from float64 differences, with each row's own maximum."""
        weights, _ = self.laws(groups)
        n, passes, d = self.given.shape
        flat, log_weights = self.given.reshape(-1, d), torch.log(weights)
        found = torch.empty(layers, len(points), weights.shape[1], dtype=points.dtype, device=points.device)
        group_of = torch.as_tensor(groups.group_of, device=points.device)
        # Always as many rows at a time, as sums over another number of them may round differently.
        rows = max(1, EXACT_NUMBERS // (n * max(passes, weights.shape[1])))
        for first in range(0, len(points), rows):
            some = slice(first, min(first + rows, len(points)))
            filled = torch.arange(first, first + rows, device=points.device).clamp(max=len(points) - 1)
            squares = torch.cdist(points[filled], flat, compute_mode="donot_use_mm_for_euclid_dist").square() / 2
            logs = torch.logsumexp(-squares.reshape(-1, n, passes), 2)[:, :, None] + log_weights
            found[0, some] = torch.logsumexp(logs, 1)[: some.stop - first]
            if layers == 2 and own is not None:
                logs = logs.masked_fill((group_of != own.group[filled, None])[:, :, None], -math.inf)
                found[1, some] = torch.logsumexp(logs, 1)[: some.stop - first]
        return found


def resident_log_totals(
    kernel: ResidentSums, points: Tensor, groups: Groups, own: OwnAtom | None = None, wanted: Tensor | None = None
) -> Tensor:
    """`log_totals` of tensors on the device of the kernel: (1 or 2, m, K).

    All points in one way first; where a sum ends beyond what float64 holds once more from the nearest centre, and where
    even that is not enough from differences.
    """
    layers, laws = 1 if own is None or len(groups.slices) == 1 else 2, groups.weights.shape[1]
    logs = torch.empty(layers, len(points), laws, dtype=points.dtype, device=points.device)
    rows = max(1, tile(TILE) // kernel.numbers(groups))
    for first in range(0, len(points), rows):
        some = slice(first, first + rows)
        here, mine = points[some], None if own is None else OwnAtom(*(field[some] for field in own))
        counts = None if wanted is None else wanted[some]
        offset = kernel.nearest(here) if mine is None else mine.offset
        found, good = kernel.logs(here, offset, groups, mine, layers, counts)
        for attempt in ("nearest", "exact"):
            if good.all():
                break
            bad = torch.nonzero(~good.all(2).all(0))[:, 0]
            theirs = None if mine is None else OwnAtom(*(field[bad] for field in mine))
            if attempt == "nearest":
                counted = None if counts is None else counts[bad]
                nearest = kernel.nearest(here[bad])
                again, fine = kernel.logs(here[bad], nearest, groups, theirs, layers, counted, careful=True)
            else:
                again = kernel.exact(here[bad], groups, theirs, layers)
                fine = torch.ones_like(again, dtype=torch.bool)
            found[:, bad] = torch.where(good[:, bad], found[:, bad], again)
            good[:, bad] |= fine
        if rows >= len(points):
            return found
        logs[:, some] = found
    return logs
