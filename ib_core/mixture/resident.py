"""Log-densities of a mixture where everything lives on a device: nothing comes back but what is asked for."""

import math
from typing import Any

import torch
from torch import Tensor

from ib_core.arrays import namespace, tile
from ib_core.mixture.kernels.groups import Groups, OwnAtom

TILE = 2**26  # kernel sums of one tile, half a GiB
# |t|^2 + |s|^2 - 2 t.s errs by about 2e-16 |t|^2: beyond this square it would cost 1e-7 nats.
EXPANDED_REACH = 1e9
EXACT_NUMBERS = 2**24  # differences of one tile


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

    def totals(self, points: Tensor, offset: Tensor, groups: Groups, own: OwnAtom | None, layers: int) -> Tensor:
        """(layers, m, K) of sum_j w_j sum_k exp(offset - |t - s_jk|^2 / 2), over all atoms and the own group's."""
        weights, _ = self.laws(groups)
        sums = self.sums(points, offset)
        if own is not None:  # whose own term is exact
            sums[torch.arange(len(points), device=points.device), own.atom] = own.value(offset)
        by_group = torch.stack([sums[:, part] @ weights[part] for part in groups.slices])
        found = [by_group.sum(0)]
        if layers == 2 and own is not None:
            found.append(by_group[own.group, torch.arange(len(points), device=points.device)])
        return torch.stack(found)

    def exact(self, points: Tensor, groups: Groups, own: OwnAtom | None, layers: int) -> Tensor:
        """(layers, m, K) of the logarithms, from float64 differences, with each row's own maximum."""
        weights, _ = self.laws(groups)
        n, passes, d = self.given.shape
        flat, log_weights = self.given.reshape(-1, d), torch.log(weights)
        found = torch.empty(layers, len(points), weights.shape[1], dtype=points.dtype, device=points.device)
        group_of = torch.as_tensor(groups.group_of, device=points.device)
        rows = max(1, tile(EXACT_NUMBERS) // (n * max(passes, weights.shape[1])))
        for first in range(0, len(points), rows):
            some = slice(first, first + rows)
            squares = torch.cdist(points[some], flat, compute_mode="donot_use_mm_for_euclid_dist").square() / 2
            logs = torch.logsumexp(-squares.reshape(-1, n, passes), 2)[:, :, None] + log_weights
            found[0, some] = torch.logsumexp(logs, 1)
            if layers == 2 and own is not None:
                logs = logs.masked_fill((group_of != own.group[some, None])[:, :, None], -math.inf)
                found[1, some] = torch.logsumexp(logs, 1)
        return found


def resident_log_totals(
    kernel: ResidentSums, points: Tensor, groups: Groups, own: OwnAtom | None = None, wanted: Any = None
) -> Tensor:
    """`log_totals` of tensors on the device of the kernel: (1 or 2, m, K).

    All points in one way first; where a sum ends beyond what float64 holds once more from the nearest centre, and where
    even that is not enough from differences.
    """
    weights, empty = kernel.laws(groups)
    layers = 1 if own is None or len(groups.slices) == 1 else 2
    logs = torch.empty(layers, len(points), weights.shape[1], dtype=points.dtype, device=points.device)
    rows = max(1, tile(TILE) // weights.shape[0])
    for first in range(0, len(points), rows):
        some = slice(first, first + rows)
        here, mine = points[some], None if own is None else OwnAtom(*(field[some] for field in own))
        offset = kernel.nearest(here) if mine is None else mine.offset
        found, good = _logs(kernel, here, offset, groups, mine, layers)
        ignored = torch.zeros_like(good)
        if wanted is not None:
            ignored |= ~wanted[some]
        if layers == 2 and mine is not None:
            ignored[1] |= empty[mine.group]
            found[1].masked_fill_(empty[mine.group], -math.inf)
        for attempt in ("nearest", "exact"):
            bad = torch.nonzero(~(good | ignored).all(2).all(0))[:, 0]
            if not len(bad):
                break
            theirs = None if mine is None else OwnAtom(*(field[bad] for field in mine))
            if attempt == "nearest":
                again, fine = _logs(kernel, here[bad], kernel.nearest(here[bad]), groups, theirs, layers)
            else:
                again = kernel.exact(here[bad], groups, theirs, layers)
                fine = torch.ones_like(again, dtype=torch.bool)
            replaced = fine & ~good[:, bad] & ~ignored[:, bad]
            found[:, bad] = torch.where(replaced, again, found[:, bad])
            good[:, bad] |= fine
        if wanted is not None:
            found.masked_fill_(~wanted[some], 0.0)
        logs[:, some] = found
    return logs


def _logs(
    kernel: ResidentSums, points: Tensor, offset: Tensor, groups: Groups, own: OwnAtom | None, layers: int
) -> tuple[Tensor, Tensor]:
    """Logarithms (layers, m, K), and which of them float64 gives well."""
    totals = kernel.totals(points, offset, groups, own, layers)
    good = (totals > kernel.smallest) & (totals < kernel.largest) & (points.square().sum(1) <= EXPANDED_REACH)[:, None]
    return torch.log(totals) - offset[:, None], good
