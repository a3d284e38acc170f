"""Where a change of information comes from: mass against mixing, and first order against divergence.

With (1-eps) R the mass common to P and P', A and B what only one of them has, E the label of the part,
P = (1-eps) R + eps A and I(P) = (1-eps) I(R) + eps I(A) + I(E;T); likewise P' with B. So I(P') - I(P) is the *mass*
eps (I(B) - I(A)), what the moved mass knows there against here, and the *mixing*, I(E;T) under P' less that under P,
how well it is told from the rest.

Source: chain rule for E. First order: Topsoe's identity I(P') = E_{P'} D(P_{T|x} || P_T) - D(P'_T || P_T); Csiszar and
Koerner, section 8.
"""

from typing import NamedTuple

import numpy as np

from ib_core.checks import one_law


class Parts(NamedTuple):
    """P = (1-eps) R + eps A and P' = (1-eps) R + eps B; every law is (N,), and a part without mass is uniform."""

    epsilon: float
    common: np.ndarray
    removed: np.ndarray
    added: np.ndarray


def parts(p: np.ndarray, q: np.ndarray) -> Parts:
    """The common, the removed and the added part of two laws (N,): columns to estimate beside P and P'."""
    _check(p, q)
    common, removed, added = np.minimum(p, q), np.maximum(p - q, 0), np.maximum(q - p, 0)
    laws = (part / part.sum() if part.sum() > 0 else np.full(len(p), 1 / len(p)) for part in (common, removed, added))
    return Parts(float(removed.sum()), *laws)


def first_order(pointwise_information: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """E_{P'} i - E_P i from i(x) (N,) under P: the change of I that clean data predict, never below the true change."""
    _check(p, q)
    moved = q != p
    return float((q - p)[moved] @ pointwise_information[moved])


def _check(p: np.ndarray, q: np.ndarray) -> None:
    """Two laws on the same atoms."""
    if one_law(p, "p", "(N)").shape != one_law(q, "q", "(N)").shape:
        raise ValueError(f"p and q must be laws on the same atoms, got {p.shape} and {q.shape}")
