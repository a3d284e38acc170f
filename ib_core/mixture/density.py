"""Log-densities of Gaussian mixtures under many weight columns at once, accurate to 1e-5 nats at every point."""

from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from ib_core.arrays import TorchNumpy, host
from ib_core.checks import finite_array, law_columns, positive
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.kernels.groups import Groups, OwnAtom, ungrouped
from ib_core.mixture.order import spatial_order
from ib_core.mixture.resident import ResidentSums, resident_log_totals

CLOSE = 50.0  # squared diameter, in units of beta, up to which a kernel would skip none of the centres in any order


def log_totals(atoms: Atoms, points: Any, groups: Groups, own: OwnAtom | None = None, wanted: Any = None) -> Any:
    """ln sum_j w_jk p_j(t), less `log_constant`, over all atoms and over those of the own atom's group.

    Args:
        atoms: N mixtures p_j.
        points: (m, d) in units of beta from the origin of `atoms`.
        groups: the atoms' weights and groups.
        own: for points that were drawn from a known atom; its term is then exact, so that p_i(t) / p(t) keeps all its
            digits where no other atom is near.
        wanted: (m, K) which entries count; the others are 0, and may be far in a tail without costing anything.

    Returns:
        (2, m, K) float64: all atoms, own group; (1, m, K) where there is no own atom or only one group. An entry is
        -inf where the column gives no weight to the group. For points on a device it is a tensor there.
    """
    kernel = atoms.sums
    if isinstance(kernel, ResidentSums):
        if isinstance(points, torch.Tensor):
            return resident_log_totals(kernel, points, groups, own, wanted)
        there = TorchNumpy(kernel.given.device)
        mine = None if own is None else OwnAtom(*(there.asarray(field) for field in own))
        counts = None if wanted is None else there.asarray(wanted)
        return host(resident_log_totals(kernel, there.asarray(points), groups, mine, counts))
    laws = kernel.prepare(groups)
    if own is None:
        large = 16 * kernel.rows  # a bound costs little but the call
        offset = np.concatenate([kernel.bound(points[k : k + large]) for k in range(0, len(points), large)])
    else:
        offset = own.offset.copy()
    layers = 1 if own is None or len(groups.slices) == 1 else 2
    logs = np.full((layers, len(points), groups.weights.shape[1]), np.nan)
    if wanted is not None:
        logs[:, ~wanted] = 0.0
    if own is not None and layers == 2:
        empty = np.stack([~groups.weights[part].any(0) for part in groups.slices])  # (C, K)
        logs[1, empty[own.group]] = -np.inf
    least = np.zeros(len(points), np.bool_)  # whose offset is the distance to the nearest centre
    for trial in kernel.trials(laws, own is not None):
        pending = np.flatnonzero(np.isnan(logs).any((0, 2)))
        # Points far in a tail, or of a fresh pass that lies far from every stored pass of its atom.
        for tile in _tiles(pending[(offset[pending] > trial.reach) & ~least[pending]], kernel.rows):
            offset[tile], least[tile] = np.minimum(offset[tile], kernel.nearest(points[tile])), True
        for tile in _tiles(pending[offset[pending] <= trial.reach], kernel.rows):
            tile_own, tile_offset, known = None if own is None else own.rows(tile), offset[tile], logs[:, tile]
            totals = kernel.totals(points[tile], tile_offset, laws, tile_own, trial)
            above = np.fmax.reduce(totals, axis=(0, 2)) >= kernel.largest  # a centre is much nearer than the bound said
            good = np.isnan(known) & (totals > trial.smallest) & (totals < kernel.largest)
            with np.errstate(divide="ignore", invalid="ignore"):
                np.log(totals, out=totals)
            totals -= tile_offset[:, None]
            np.copyto(known, totals, where=good)
            logs[:, tile] = known
            if above.any():
                tile_offset[above] = np.minimum(tile_offset[above], kernel.nearest(points[tile[above]]))
            offset[tile] = tile_offset
    for tile in _tiles(np.flatnonzero(np.isnan(logs).any((0, 2))), kernel.rows):
        exact = atoms.exact(points[tile])  # (rows, N)
        logs[0, tile] = _fill(logs[0, tile], exact, groups.weights)
        if own is not None and layers == 2:
            among = own.group[tile, None] == groups.group_of
            logs[1, tile] = _fill(logs[1, tile], np.where(among, exact, -np.inf), groups.weights)
    return logs


def _tiles(points: np.ndarray, rows: int) -> list[np.ndarray]:
    """Indices of points, at most `rows` at a time."""
    return [points[first : first + rows] for first in range(0, len(points), rows)]


def _fill(logs: np.ndarray, exact: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """logs (m, K) with the entries that are NaN replaced by ln sum_j w_jk exp(exact_j) for exact (m, N)."""
    with np.errstate(divide="ignore"):
        for column in np.flatnonzero(np.isnan(logs).any(0)):
            at = np.isnan(logs[:, column])
            logs[at, column] = logsumexp(exact[at] + np.log(weights[:, column]), axis=1)
    return logs


def log_density(
    points: Any,
    centres: Any,
    beta: float,
    *,
    weights: Any = None,
    device: str | None = None,
    backend: str | None = None,
) -> np.ndarray:
    """ln p(t) in nats for p = sum_j w_j N(s_j, beta^2 I_d), within 1e-5 at every point.

    Args:
        points: (m, d) where the density is wanted; may be anywhere, far tails included.
        centres: (n, d) the s_j.
        beta: standard deviation of the noise.
        weights: (n,) or (n, K) for K mixtures over the same centres, each column summing to 1; equal by default.
        device: where torch computes ("cuda"); None is the CPU.
        backend: "numba", "torch" or "triton"; chosen by the device by default.

    Returns:
        (m,), or (m, K) for weights (n, K), float64.

    Raises:
        ValueError: a shape does not fit, beta is not positive, a number is NaN or infinite, or weights are no law.
    """
    centres = finite_array(centres, "centres", "(n, d)")
    points = finite_array(points, "points", "(m, d)")
    if points.shape[1] != centres.shape[1]:
        raise ValueError(f"points have {points.shape[1]} coordinates, centres {centres.shape[1]}")
    columns = law_columns(weights, len(centres))
    if np.square((centres.max(0) - centres.min(0)) / positive(beta, "beta")).sum() > CLOSE:
        order = spatial_order(centres, np.zeros(len(centres)))
        centres, columns = centres[order], columns[order]
    atoms = Atoms(centres[:, None], beta, backend, device)
    logs = log_totals(atoms, atoms.scaled(points), ungrouped(columns))[0] + atoms.log_constant
    return logs if np.ndim(weights) == 2 else logs[:, 0]
