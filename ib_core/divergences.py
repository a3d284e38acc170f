"""Distances between input laws, each with the way it was obtained."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from ib_core.input_law import InputLaw

# A dense cost matrix of this many entries takes 200 MB and half a minute of network simplex.
MAX_TRANSPORT_ENTRIES = 25_000_000


class Distance(NamedTuple):
    """A distance and how it was obtained ("exact", "coupling upper bound", ...)."""

    value: float
    how: str


class Divergences(NamedTuple):
    """The four distances of a shifted law P' from the reference P."""

    tv: Distance
    kl: Distance
    w1: Distance
    w2: Distance


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """TV(P, Q) = 1/2 sum |p - q| for weights (N,) on the same atoms."""
    return 0.5 * float(np.abs(p - q).sum())


def kl_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """D(P || Q) in nats for weights (N,) on the same atoms; infinite when P has mass where Q has none."""
    support = p > 0
    if (q[support] == 0).any():
        return math.inf
    # Nearly equal laws may round to -1e-17.
    return max(0.0, float((p[support] * np.log(p[support] / q[support])).sum()))


def wasserstein(p: InputLaw, q: InputLaw, order: int) -> Distance:
    """W_p(P, Q) = (min over couplings of E|x - x'|^p)^(1/p) between finite laws, Euclidean ground distance.

    Exact whenever a proof is cheap: identical laws; translations (no coupling beats |E x - E x'|, by Jensen); moved
    atoms that each stay nearest to their own origin (then no coupling beats moving every atom along its step); equal
    weights (assignment); otherwise transport by network simplex. Laws too large for that get the value of an explicit
    coupling, named an upper bound.

    Args:
        p: reference law, atoms (N, d).
        q: shifted law; atoms in the same order as in `p`, either the same places or the same weights.
        order: 1 or 2.

    Source: Peyre and Cuturi, Computational Optimal Transport, chapter 2; the nearest-origin condition in one line:
    any coupling pi has sum pi_ij |x_i - x'_j|^p >= sum_j w_j |x_j - x'_j|^p.
    """
    if np.array_equal(p.atoms, q.atoms):
        return _reweighted(p.atoms, p.weights, q.weights, order)
    if not np.array_equal(p.weights, q.weights):
        raise ValueError("laws must share their atoms or their weights: couple them in two steps")
    steps = np.linalg.norm(q.atoms - p.atoms, axis=1)
    identity = float(p.weights @ steps**order) ** (1 / order)
    if (np.ptp(q.atoms - p.atoms, axis=0) <= 1e-12 * steps.max()).all():
        return Distance(identity, "exact: translation")
    nearest, _ = cKDTree(p.atoms).query(q.atoms)
    if (steps <= nearest * (1 + 1e-12)).all():
        return Distance(identity, "exact: every atom stays nearest to its origin")
    if len(steps) ** 2 > MAX_TRANSPORT_ENTRIES:
        return Distance(identity, "coupling upper bound: every atom along its own step")
    cost = cdist(p.atoms, q.atoms) ** order
    if np.ptp(p.weights) == 0:
        return Distance(float(cost[linear_sum_assignment(cost)].mean()) ** (1 / order), "exact: assignment")
    return Distance(_transport(p.weights, q.weights, cost) ** (1 / order), "exact: transport")


def _reweighted(atoms: np.ndarray, p: np.ndarray, q: np.ndarray, order: int) -> Distance:
    """W_p between two laws on the same atoms."""
    if np.array_equal(p, q):
        return Distance(0.0, "exact: equal laws")
    # Mass common to both laws may stay where it is when the cost is a metric: |x - x'| always,
    # |x - x'|^2 on corners of a box, where it is a weighted Hamming distance.
    may_stay = order == 1 or all(len(np.unique(column)) <= 2 for column in atoms.T)
    surplus, deficit = (np.maximum(p - q, 0), np.maximum(q - p, 0)) if may_stay else (p, q)
    sources, sinks = np.flatnonzero(surplus), np.flatnonzero(deficit)
    mass = surplus.sum()
    if len(sources) * len(sinks) > MAX_TRANSPORT_ENTRIES:
        a, b = np.maximum(p - q, 0), np.maximum(q - p, 0)
        bound = sum(_mean_power(atoms[i], atoms, b / b.sum(), order) * a[i] for i in np.flatnonzero(a))
        return Distance(bound ** (1 / order), "coupling upper bound: common mass stays, the rest is independent")
    cost = cdist(atoms[sources], atoms[sinks]) ** order
    # Rounding may leave the two sides unequal in the last bits; the simplex wants equality.
    value = mass * _transport(surplus[sources] / mass, deficit[sinks] / deficit.sum(), cost)
    return Distance(value ** (1 / order), "exact: transport")


def _mean_power(x: np.ndarray, atoms: np.ndarray, weights: np.ndarray, order: int) -> float:
    return float(weights @ np.linalg.norm(atoms - x, axis=1) ** order)


def _transport(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> float:
    """Minimal transport cost between weights a (n,) and b (m,) for cost (n, m)."""
    if len(a) == 1 or len(b) == 1:
        return float(a @ cost @ b)
    import ot

    value, log = ot.emd2(a, b, cost, numItermax=10_000_000, log=True, return_matrix=False)[:2]
    if log["warning"]:
        raise ArithmeticError(f"optimal transport did not converge: {log['warning']}")
    return max(float(value), 0.0)


def divergences(reference: InputLaw, law: InputLaw) -> Divergences:
    """TV, KL, W_1 and W_2 of a shifted law from its reference.

    Moved atoms leave the support: TV is 1 and KL infinite between the finite laws, and only W_p says how far they went.
    """
    p, q = _on_common_atoms(reference, law)
    return Divergences(
        Distance(total_variation(p, q), "exact"),
        Distance(kl_divergence(q, p), "exact"),
        wasserstein(reference, law, 1),
        wasserstein(reference, law, 2),
    )


def _on_common_atoms(p: InputLaw, q: InputLaw) -> tuple[np.ndarray, np.ndarray]:
    """The weights of two laws as vectors over the union of their atoms."""
    if np.array_equal(p.atoms, q.atoms):
        return p.weights, q.weights
    _, place = np.unique(np.vstack([p.atoms, q.atoms]), axis=0, return_inverse=True)
    place = place.reshape(-1)
    n, size = len(p.atoms), place.max() + 1
    return np.bincount(place[:n], p.weights, size), np.bincount(place[n:], q.weights, size)


def n_union(p: InputLaw, q: InputLaw) -> int:
    """Number of atoms in the union of both supports: the N of the total variation bounds."""
    a, b = _on_common_atoms(p, q)
    return int(((a > 0) | (b > 0)).sum())
