"""Log-densities of Gaussian mixtures under many weight columns at once, accurate to 1e-5 nats at every point."""

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp

from ib_core.mixture.atoms import ROWS, Atoms, OwnAtom
from ib_core.mixture.checks import finite_array, law_columns, positive
from ib_core.mixture.order import spatial_order


class Groups(NamedTuple):
    """Consecutive atoms that share a label, under K laws."""

    weights: np.ndarray  # (N, K)
    slices: list[slice]  # of the atoms, in order and complete
    group_of: np.ndarray  # (N,)


def ungrouped(weights: np.ndarray) -> Groups:
    """All N atoms as one group."""
    return Groups(weights, [slice(0, len(weights))], np.zeros(len(weights), dtype=np.int64))


def log_totals(atoms: Atoms, points: np.ndarray, groups: Groups, own: OwnAtom | None = None) -> np.ndarray:
    """ln sum_j w_jk p_j(t), less `log_constant`, over all atoms and over those of the own atom's group.

    Args:
        atoms: N mixtures p_j.
        points: (m, d) in units of beta from the origin of `atoms`.
        groups: the atoms' weights and groups.
        own: for points that were drawn from a known atom; its term is then exact, so that p_i(t) / p(t) keeps all its
            digits where no other atom is near.

    Returns:
        (2, m, K) float64: all atoms, own group; (1, m, K) where there is no own atom or only one group. An entry is
        -inf where the column gives no weight to the group.
    """
    logs = np.empty((1 if own is None or len(groups.slices) == 1 else 2, len(points), groups.weights.shape[1]))
    sums = np.empty((ROWS, atoms.kernel.width))
    # Column after column: the product is then up to twice as fast.
    weights = [torch.from_numpy(np.asfortranarray(groups.weights[part])) for part in groups.slices]
    for first in range(0, len(points), ROWS):
        # Always ROWS points: a matrix product of another height may round differently.
        rows = np.minimum(np.arange(first, first + ROWS), len(points) - 1)
        tile_own = None if own is None else OwnAtom(own.atom[rows], own.shift[rows], own.kernel[rows])
        tile = _tile(atoms, points[rows], groups, weights, tile_own, sums)
        logs[:, first : first + ROWS] = tile[:, : len(points) - first]
    return logs


def _tile(
    atoms: Atoms,
    points: np.ndarray,
    groups: Groups,
    weights: list[torch.Tensor],
    own: OwnAtom | None,
    sums: np.ndarray,
) -> np.ndarray:
    """`log_totals` of ROWS points; `sums` (ROWS, kernel.width) is working space."""
    shift = atoms.kernel.nearest(points) if own is None else own.shift.copy()
    if own is not None and (far := shift > atoms.kernel.reach).any():
        # A fresh pass may lie far from every stored pass of its atom, but near another atom.
        shift[far] = np.minimum(shift[far], atoms.kernel.nearest(points)[far])
    atoms.sums(points, shift, sums)
    if own is not None:
        sums[np.arange(len(points)), own.atom] = np.exp(shift - own.shift) * own.kernel
    tensor = torch.from_numpy(sums)
    by_group = np.stack([(tensor[:, part] @ w).numpy() for part, w in zip(groups.slices, weights, strict=True)])
    total = by_group.sum(0)
    if own is None or len(groups.slices) == 1:
        return _logs(atoms, points, shift, total, groups.weights, None)[None]
    label = groups.group_of[own.atom]
    own_group = by_group[label, np.arange(len(points))]
    return np.stack(
        [
            _logs(atoms, points, shift, total, groups.weights, None),
            _logs(atoms, points, shift, own_group, groups.weights, label[:, None] == groups.group_of),
        ]
    )


def _logs(
    atoms: Atoms,
    points: np.ndarray,
    shift: np.ndarray,
    totals: np.ndarray,
    weights: np.ndarray,
    among: np.ndarray | None,
) -> np.ndarray:
    """ln totals - shift; entries (row, column) that may have lost digits are redone exactly, over the atoms `among`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(totals) - shift[:, None]
        wrong = ~((totals > atoms.kernel.smallest) & (totals < atoms.kernel.largest))
    rows = np.flatnonzero(wrong.any(1))
    if not len(rows):
        return logs
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)  # (N, K)
    exact = atoms.exact(points[rows])  # (rows, N)
    if among is not None:
        exact = np.where(among[rows], exact, -np.inf)
    for column in np.flatnonzero(wrong.any(0)):
        at = wrong[rows, column]
        logs[rows[at], column] = logsumexp(exact[at] + log_weights[:, column], axis=1)
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
        backend: "numba" or "torch"; chosen by d and device by default.

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
    order = spatial_order(centres, np.zeros(len(centres)))
    centres, columns = centres[order], columns[order]
    atoms = Atoms(centres[:, None], positive(beta, "beta"), backend, device)
    logs = log_totals(atoms, atoms.scaled(points), ungrouped(columns))[0] + atoms.log_constant
    return logs if np.ndim(weights) == 2 else logs[:, 0]
