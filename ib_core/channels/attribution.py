"""Where a change of information comes from: mass against mixing, and first order against curvature. Exact identities.

With (1-eps) R the mass common to P and P', A and B what only one of them has, E the label of the part,
P = (1-eps) R + eps A and I(P) = (1-eps) I(R) + eps I(A) + I(E;T); likewise P' with B.
"""

from typing import NamedTuple

import numpy as np

from ib_core.channels.finite import information, output_divergence, pointwise
from ib_core.checks import one_law


class Parts(NamedTuple):
    """P = (1-eps) R + eps A and P' = (1-eps) R + eps B; every law is (N,), and a part without mass is uniform."""

    epsilon: float
    common: np.ndarray
    removed: np.ndarray
    added: np.ndarray


class MassMixing(NamedTuple):
    """I(P') - I(P) = mass + mixing, nats.

    Attributes:
        mass: eps (I(B) - I(A)): what the moved mass knows there against what it knew here.
        mixing: I(E;T) under P' less I(E;T) under P: how well the moved mass is told from the rest.
    """

    mass: float
    mixing: float


class Golden(NamedTuple):
    """I(P') - I(P) = first_order - curvature, nats.

    Attributes:
        first_order: E_{P'} i - E_P i, predicted from clean data alone.
        curvature: D(P'_T || P_T), at most D(P' || P).
    """

    first_order: float
    curvature: float


def parts(p: np.ndarray, q: np.ndarray) -> Parts:
    """The common, the removed and the added part of two laws (N,): columns to estimate beside P and P'."""
    _check(p, q)
    common, removed, added = np.minimum(p, q), np.maximum(p - q, 0), np.maximum(q - p, 0)
    laws = (part / part.sum() if part.sum() > 0 else np.full(len(p), 1 / len(p)) for part in (common, removed, added))
    return Parts(float(removed.sum()), *laws)


def mass_mixing(epsilon: float, reference: float, shifted: float, removed: float, added: float) -> MassMixing:
    """The split from the informations I(P), I(P'), I(A) and I(B) of any estimator that measures all four.

    (1-eps) I(R) cancels, so the common part need not be measured.

    Source: chain rule for the label E of the part.
    """
    mass = epsilon * (added - removed)
    return MassMixing(mass, shifted - reference - mass)


def mixing_information(channel: np.ndarray, epsilon: float, rest: np.ndarray, part: np.ndarray) -> float:
    """I(E;T) of a part of mass eps against the rest, exact for a channel (m, N); at most H_b(eps)."""
    return information(np.stack([channel @ rest, channel @ part], axis=1), np.array([1 - epsilon, epsilon]))


def mass_mixing_exact(channel: np.ndarray, p: np.ndarray, q: np.ndarray) -> MassMixing:
    """The split for a finite channel (m, N), each term computed on its own."""
    epsilon, common, removed, added = parts(p, q)
    mass = epsilon * (information(channel, added) - information(channel, removed))
    before, after = (mixing_information(channel, epsilon, common, part) for part in (removed, added))
    return MassMixing(mass, after - before)


def first_order(pointwise_information: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """E_{P'} i - E_P i from i(x) (N,) under P: the change of I that clean data predict, never below the true change."""
    _check(p, q)
    moved = q != p
    return float((q - p)[moved] @ pointwise_information[moved])


def golden(channel: np.ndarray, p: np.ndarray, q: np.ndarray) -> Golden:
    """The golden identity for a finite channel (m, N).

    Source: Topsoe's identity I(P') = E_{P'} D(P_{T|x} || P_T) - D(P'_T || P_T); Csiszar and Koerner, section 8.
    """
    return Golden(first_order(pointwise(channel, p), p, q), output_divergence(channel, p, q))


def _check(p: np.ndarray, q: np.ndarray) -> None:
    """Two laws on the same atoms."""
    if one_law(p, "p", "(N)").shape != one_law(q, "q", "(N)").shape:
        raise ValueError(f"p and q must be laws on the same atoms, got {p.shape} and {q.shape}")
