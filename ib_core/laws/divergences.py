"""Distances between input laws, each with the way it was obtained."""

from typing import NamedTuple

import numpy as np

from ib_core.laws.input_law import InputLaw, merged, places
from ib_core.laws.tilt import divergence
from ib_core.laws.wasserstein import Distance, wassersteins


class Divergences(NamedTuple):
    """The four distances of a shifted law P' from the reference P."""

    tv: Distance
    kl: Distance
    w1: Distance
    w2: Distance


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """TV(P, Q) = 1/2 sum |p - q| for weights (N,) on the same atoms.

    Example:
        >>> round(total_variation(np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])), 9)
        0.1
    """
    return 0.5 * float(np.abs(p - q).sum())


def kl_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """D(P || Q) in nats for weights (N,) on the same atoms; infinite when P has mass where Q has none.

    Example:
        >>> round(kl_divergence(np.array([0.5, 0.5]), np.array([0.25, 0.75])), 6)
        0.143841
        >>> kl_divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
        inf
    """
    return divergence(p, q)


def divergences(reference: InputLaw, law: InputLaw) -> Divergences:
    """TV, KL, W_1 and W_2 of a shifted law from its reference, all between the laws of X: equal rows are one atom.

    Moved atoms leave the support: TV is 1 and KL infinite between the finite laws, and only W_p says how far they went.
    """
    p, q = _on_common_atoms(reference, law)
    return Divergences(
        Distance(total_variation(p, q), "exact"),
        Distance(kl_divergence(q, p), "exact"),
        *wassersteins(reference, law),
    )


def _on_common_atoms(p: InputLaw, q: InputLaw) -> tuple[np.ndarray, np.ndarray]:
    """The weights of two laws as vectors over the places of either."""
    if np.array_equal(p.atoms, q.atoms):
        a, b = merged(p.atoms, p.weights, q.weights)
        return a, b
    of_p, of_q = places(p.atoms, q.atoms)
    size = int(max(of_p.max(), of_q.max())) + 1
    return np.bincount(of_p, p.weights, size), np.bincount(of_q, q.weights, size)


def n_union(p: InputLaw, q: InputLaw) -> int:
    """Number of places in the union of both supports: the N of the total variation bounds."""
    a, b = _on_common_atoms(p, q)
    return int(((a > 0) | (b > 0)).sum())
