"""A coarse model of a layer's output: a few hundred Gaussians in the place of all passes of all atoms."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from ib_core.arrays import namespace, tile

WIDEST = 16  # layers up to which there is one; in wider ones covariances cost more than they tell
GAUSSIANS, FEWEST = 256, 8  # of all groups together, and of each
# Nats below the least density at the passes it was made of, for each coordinate and besides, from where on it says no
# less: noise leads some way down, and far in its tails a Gaussian piece says too little by far.
FAR_EACH, FAR = 2.0, 5.0
ROWS = 512  # points of one tile
DEVICE_NUMBERS = 2**26  # densities of one tile on a device
LEAST_BITS = -100.0


class CoarseMixture(NamedTuple):
    """Gaussians of passes that lie together, all of one group of atoms, which every law weighs anew.

    Made to be a control variate for densities that are dear: near them where outputs overlap, and cheap. Any function
    of the point would be valid as such.
    """

    centre: np.ndarray  # (d,)
    coefficients: torch.Tensor  # (features, M) of log2 N_c(t)
    laws: torch.Tensor  # (M, K) weights of the Gaussians
    slices: list[slice]  # Gaussians of each group
    least: np.ndarray  # (K,) in nats: what ln of a density is at least

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
        coefficients, laws = self.coefficients.to(points.device), self.laws.to(points.device)
        centre, least = xp.asarray(self.centre), xp.asarray(self.least)
        member = xp.zeros((len(self.slices), laws.shape[0]), torch.float32)
        for k, part in enumerate(self.slices):
            member[k, part] = 1.0
        totals = xp.empty((len(points), laws.shape[1]))
        parts = None if group is None else torch.empty_like(totals)
        rows = max(ROWS, tile(DEVICE_NUMBERS) // laws.shape[0])
        for first in range(0, len(points), rows):
            part = slice(first, first + rows)
            bits = _features(points[part] - centre) @ coefficients
            largest = bits.amax(1, keepdim=True)
            powers = (bits - largest).clamp_(min=LEAST_BITS).exp2_()
            offset = largest.double() * math.log(2)
            totals[part] = torch.log((powers @ laws).double()) + offset
            if parts is not None and group is not None:
                parts[part] = torch.log(((powers * member[group[part]]) @ laws).double()) + offset
        return torch.fmax(totals, least), None if parts is None else torch.fmax(parts, least)


def _features(points: Any) -> Tensor:
    """(m, features) in float32: products of coordinates, coordinates, and 1."""
    xp, (row, column) = namespace(points), np.triu_indices(points.shape[1])
    whole = xp.concatenate([points[:, row] * points[:, column], points, xp.full((len(points), 1), 1.0)], axis=1)
    with np.errstate(over="ignore"):
        return torch.as_tensor(whole).float()


def coarse_mixture(passes: np.ndarray, group_of: np.ndarray, laws: np.ndarray) -> CoarseMixture:
    """Cut the passes of each group at their median along their longest axis, again and again, and fit each piece.

    Args:
        passes: (N, r, d) in units of beta; points that it is used at must not lie around them.
        group_of: (N,) 0, 1, ...; every group has members.
        laws: (N, K).
    """
    n, size, d = passes.shape
    flat, atom = passes.reshape(-1, d), np.repeat(np.arange(n), size)
    centre, groups = flat.mean(0), int(group_of.max()) + 1
    pieces: list[np.ndarray] = []
    slices = []
    for group in range(groups):
        members = np.flatnonzero(group_of[atom] == group)
        wanted = max(FEWEST, GAUSSIANS * len(members) // len(flat))
        found = [members]
        while len(found) < wanted and len(found[0]) >= 4 * d:
            found = [half for piece in found for half in _halves(flat, piece)]
        slices.append(slice(len(pieces), len(pieces) + len(found)))
        pieces += found
    means = np.stack([flat[piece].mean(0) for piece in pieces]) - centre
    spreads = np.stack([np.cov(flat[piece].T, bias=True).reshape(d, d) for piece in pieces]) + np.eye(d)
    precision = np.linalg.inv(spreads)
    row, column = np.triu_indices(d)
    products = precision[:, row, column] * np.where(row == column, -0.5, -1.0)
    slopes = np.einsum("nij,nj->ni", precision, means)
    start = np.linalg.slogdet(precision)[1] / 2 - np.einsum("ni,ni->n", slopes, means) / 2
    coefficients = np.concatenate([products, slopes, start[:, None]], axis=1).T * np.log2(np.e)
    owner = np.empty(len(flat), int)
    for k, piece in enumerate(pieces):
        owner[piece] = k
    share = csr_array((np.full(len(flat), 1 / size), (owner, atom)), shape=(len(pieces), n))
    weights = torch.from_numpy(np.ascontiguousarray(share @ laws, np.float32))
    none = np.full(laws.shape[1], -np.inf)
    mixture = CoarseMixture(centre, torch.from_numpy(coefficients.astype(np.float32)), weights, slices, none)
    some = flat[np.linspace(0, len(flat) - 1, min(len(flat), 4 * ROWS)).astype(int)]
    return mixture._replace(least=mixture.logs(some, None)[0].min(0) - FAR - FAR_EACH * d)


def _halves(points: np.ndarray, piece: np.ndarray) -> list[np.ndarray]:
    """Indices of the two halves along the longest axis."""
    offsets = points[piece] - points[piece].mean(0)
    axis = np.linalg.eigh(offsets.T @ offsets)[1][:, -1]
    order = np.argsort(offsets @ axis, kind="stable")
    half = len(piece) // 2
    return [piece[order[:half]], piece[order[half:]]]
