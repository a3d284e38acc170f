"""A coarse model of a layer's output: a few hundred Gaussians in the place of all passes of all atoms."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ib_core.arrays import argsort, copied, counted, host, least, namespace, sums_from, tile
from ib_core.estimators.quadratic_logs import quadratic_coefficients, quadratic_features

WIDEST = 16  # layers up to which there is one; in wider ones covariances cost more than they tell
GAUSSIANS, FEWEST = 256, 8  # of all groups together, and of each
# Nats below the least density at the passes it was made of, for each coordinate and besides, from where on it says no
# less: noise leads some way down, and far in its tails a Gaussian piece says too little by far.
FAR_EACH, FAR = 2.0, 5.0
ROWS = 512  # points of one tile
DEVICE_NUMBERS = 2**26  # densities of one tile on a device
LEAST_BITS = -100.0
MOST_WEIGHTS = 2**20  # that are added up at a time


class CoarseMixture(NamedTuple):
    """Gaussians of passes that lie together, all of one group of atoms, which every law weighs anew.

    Made to be a control variate for densities that are dear: near them where outputs overlap, and cheap. Any function
    of the point would be valid as such.
    """

    centre: Any  # (d,), where the passes were
    coefficients: torch.Tensor  # (features, M) of log2 N_c(t)
    laws: torch.Tensor  # (M, K) weights of the Gaussians
    slices: list[slice]  # Gaussians of each group
    least: Any  # (K,) in nats: what ln of a density is at least; where the passes were

    def logs(self, points: Any, group: Any) -> tuple[Any, Any]:
        """ln p(t) under every law, and ln of the part of the point's group (m,), each (m, K), less a constant.

        Without groups (None) there is no part of one.
        """
        if isinstance(points, Tensor):
            return self._logs_there(points, group)
        totals, parts = np.empty((len(points), self.laws.shape[1])), None
        if group is not None:
            parts = np.empty_like(totals)
        for first in range(0, len(points), ROWS):
            tile = slice(first, first + ROWS)
            bits = _features(points[tile] - self.centre) @ self.coefficients
            largest = bits.amax(1, keepdim=True)
            powers = (bits - largest).clamp_(min=LEAST_BITS).exp2_()
            offset = largest.double().numpy() * np.log(2)
            totals[tile] = np.log((powers @ self.laws).double().numpy()) + offset
            if parts is not None and group is not None:
                for k in np.unique(group[tile]):
                    rows, part = np.flatnonzero(group[tile] == k), self.slices[k]
                    found = (powers[rows, part] @ self.laws[part]).double().numpy()
                    with np.errstate(divide="ignore"):
                        parts[first + rows] = np.log(found) + offset[rows]
        # Where a square was too large for float32 there is no number.
        np.fmax(totals, self.least, out=totals)
        if parts is not None:
            np.fmax(parts, self.least, out=parts)
        return totals, parts

    def _logs_there(self, points: Tensor, group: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The same on a device, with the Gaussians of other groups masked where the host would take slices."""
        xp = namespace(points)
        coefficients, laws = self.coefficients, self.laws
        member = xp.zeros((len(self.slices), laws.shape[0] if group is not None else 0), torch.float32)
        for k, part in enumerate(self.slices):
            member[k, part] = 1.0
        totals = xp.empty((len(points), laws.shape[1]))
        parts = None if group is None else torch.empty_like(totals)
        rows = max(ROWS, tile(DEVICE_NUMBERS) // laws.shape[0])
        for first in range(0, len(points), rows):
            part = slice(first, first + rows)
            bits = _features(points[part] - self.centre) @ coefficients
            largest = bits.amax(1, keepdim=True)
            powers = (bits - largest).clamp_(min=LEAST_BITS).exp2_()
            offset = largest.double() * math.log(2)
            totals[part] = torch.log((powers @ laws).double()) + offset
            if parts is not None and group is not None:
                parts[part] = torch.log(((powers * member[group[part]]) @ laws).double()) + offset
        return torch.fmax(totals, self.least), None if parts is None else torch.fmax(parts, self.least)


def _features(points: Any) -> Tensor:
    """(m, features) in float32."""
    with np.errstate(over="ignore"):
        return torch.as_tensor(quadratic_features(points)).float()


def coarse_mixture(passes: Any, group_of: np.ndarray, laws: Any) -> CoarseMixture:
    """Cut the passes of each group at their median along their longest axis, again and again, and fit each piece.

    Args:
        passes: (N, r, d) in units of beta; points that it is used at must not lie around them.
        group_of: (N,) 0, 1, ...; every group has members.
        laws: (N, K), where the passes are.
    """
    size, d = passes.shape[1:]
    xp, flat = namespace(passes), passes.reshape(-1, d)
    sizes = size * np.bincount(group_of)
    wanted = [max(FEWEST, GAUSSIANS * int(each) // len(flat)) for each in sizes]
    order = xp.asarray(np.argsort(np.repeat(group_of, size), kind="stable"))
    pieces = [[int(each)] for each in sizes]  # how many passes each has, in order
    while any(_cut(found, most, d) for found, most in zip(pieces, wanted, strict=True)):
        lengths, cut = np.concatenate(pieces), [_cut(*each, d) for each in zip(pieces, wanted, strict=True)]
        order = _halved(flat, order, lengths, np.repeat(cut, [len(found) for found in pieces]))
        pieces = [_halves(found) if halve else found for found, halve in zip(pieces, cut, strict=True)]
    lengths, ends = np.concatenate(pieces), np.cumsum([0, *(len(found) for found in pieces)])
    centre = flat.mean(0)
    means, spreads = xp.empty((len(lengths), d)), xp.empty((len(lengths), d, d))
    for rows, place, there in _alike(lengths):
        means[rows], _, spreads[rows] = _moments(flat, order, place, there)
    means, spreads = means - centre, spreads + xp.eye(d)
    mixture = CoarseMixture(
        centre,
        torch.as_tensor(quadratic_coefficients(means, spreads)).float().contiguous(),
        torch.as_tensor(_weights(laws, order // size, lengths) / size).float(),
        [slice(a, b) for a, b in pairwise(ends.tolist())],
        xp.full(laws.shape[1], -np.inf),
    )
    some = flat[xp.asarray(np.linspace(0, len(flat) - 1, min(len(flat), 4 * ROWS)).astype(int))]
    return mixture._replace(least=least(mixture.logs(some, None)[0]) - FAR - FAR_EACH * d)


def _cut(found: list[int], wanted: int, d: int) -> bool:
    """Whether pieces of these lengths are too few, and each has enough for two."""
    return len(found) < wanted and found[0] >= 4 * d


def _halves(lengths: list[int]) -> list[int]:
    return [half for length in lengths for half in (length // 2, length - length // 2)]


def _alike(lengths: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pieces of nearly one length together: which, where in the order their passes are (pieces, longest), and whether
    there is one, for shorter pieces."""
    starts, rough = np.cumsum(lengths) - lengths, np.frexp(lengths)[1]
    for size in np.unique(rough):
        rows = np.flatnonzero(rough == size)
        step = np.arange(lengths[rows].max())
        there = step < lengths[rows, None]
        yield rows, np.where(there, starts[rows, None] + step, starts[rows, None]), there


def _moments(flat: Any, order: Any, place: np.ndarray, there: np.ndarray) -> tuple[Any, Any, Any]:
    """Of pieces: means (p, d), offsets from them (p, longest, d), 0 where nothing is, and covariances (p, d, d)."""
    xp = namespace(flat)
    lengths, offsets = there.sum(1)[:, None], flat[order[xp.asarray(place)]]
    means = (xp.asarray(there / lengths)[:, None] @ offsets)[:, 0]
    offsets -= means[:, None]
    offsets *= xp.asarray(there)[:, :, None]
    return means, offsets, offsets.swapaxes(1, 2) @ offsets / xp.asarray(lengths)[:, None]


def _halved(flat: Any, order: Any, lengths: np.ndarray, chosen: np.ndarray) -> Any:
    """The order with the passes of each chosen piece sorted along its longest axis, so that its halves lie apart."""
    xp, found = namespace(flat), copied(order)
    for rows, place, there in _alike(lengths):
        some = chosen[rows]
        if some.any():
            place, there = place[some], there[some]
            _, offsets, spreads = _moments(flat, order, place, there)
            axes = xp.linalg.eigh(spreads)[1][:, :, -1]
            steepest = axes[xp.arange(len(axes)), abs(axes).argmax(1)]  # whose sign is left to the library
            along = (offsets @ xp.where(steepest[:, None] < 0, -axes, axes)[:, :, None])[:, :, 0]
            sorting = argsort(xp.where(xp.asarray(there), along, np.inf))
            within = order[xp.asarray(place)][xp.arange(len(place))[:, None], sorting]
            found[xp.asarray(place[there])] = within[xp.asarray(there)]
    return found


def _weights(laws: Any, atom: Any, lengths: np.ndarray) -> Any:
    """(M, K) sums of the laws (N, K) over the atoms of each piece's passes, which stand in order."""
    xp, n = namespace(laws), len(laws)
    pair, count = counted(xp.repeat(xp.arange(len(lengths)), lengths) * n + atom)  # of a piece and an atom
    starts = np.searchsorted(host(pair), n * np.arange(len(lengths)))
    columns = max(1, MOST_WEIGHTS // len(pair))
    parts = (laws[:, k : k + columns][pair % n] * count[:, None] for k in range(0, laws.shape[1], columns))
    return xp.concatenate([sums_from(part, starts) for part in parts], axis=1)
