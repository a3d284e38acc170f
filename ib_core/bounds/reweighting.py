"""How far I(X;T_l) moves when the law of X moves by a given total variation or KL divergence, in nats.

P is the reference law, P' the shifted one, the channel P(T_l | X) is the same for both.
"""

import math

import numpy as np
from scipy.special import xlogy

from ib_core.bounds.checks import non_negative, total_variation_size


def binary_entropy(p: float | np.ndarray):
    """H_b(p) = -p ln p - (1-p) ln(1-p) in nats."""
    return -xlogy(p, p) - xlogy(1 - np.asarray(p), 1 - np.asarray(p))


def tv_seed(epsilon: float, n: int) -> float:
    """|I(P) - I(P')| <= eps ln(N - 1) + H_b(eps) at eps = TV(P, P'), N the number of input atoms.

    Valid for any T, continuous too, and attained by contaminating the uniform law with one atom at a noiseless layer.
    Every deviation is at most ln N, which ends the bound beyond eps = 1 - 1/N.

    Args:
        epsilon: the exact TV in [0, 1].
        n: atoms in the union of both supports; a count of bins of T has no place here.

    Source: the mass / mixing decomposition I(P) = (1-eps) I(R) + eps I(A) + I(E;T) with P = (1-eps)R + eps A,
    P' = (1-eps)R + eps B, A and B on disjoint sets, E the mixture label.
    """
    total_variation_size(epsilon)
    if n < 2:
        return 0.0
    return min(epsilon * math.log(n - 1) + float(binary_entropy(epsilon)), math.log(n))


def tv_capacity(epsilon: float, cap: float) -> float:
    """|I(P) - I(P')| <= eps C + H_b(min(eps, 1/2)) with C the smallest capacity up to layer l; no alphabet needed.

    Source: the same decomposition, with I(A) and I(B) at most C.
    """
    total_variation_size(epsilon)
    return epsilon * cap + float(binary_entropy(min(epsilon, 0.5))) if epsilon > 0 else 0.0  # the cap may be infinite


def tv_from_kl(kappa: float) -> float:
    """The largest TV at D(P' || P) = kappa nats: Pinsker, and Bretagnolle-Huber from kappa = 1.594 on.

    Source: Canonne, arXiv:2202.07198.
    """
    non_negative(kappa=kappa)
    return min(math.sqrt(kappa / 2), math.sqrt(-math.expm1(-kappa)))


def kl_seed(kappa: float, n: int) -> float:
    """The TV form at the largest TV that D(P' || P) = kappa allows; ln N when that exceeds 1 - 1/N.

    The TV itself is only known to be at most eps here, and the form grows with eps up to 1 - 1/N.
    """
    epsilon = tv_from_kl(kappa)
    return tv_seed(epsilon, n) if epsilon <= 1 - 1 / n else math.log(n)


def kl_capacity(kappa: float, cap: float) -> float:
    """The capacity form at the largest TV that D(P' || P) = kappa allows; it grows with eps, so TV <= eps suffices."""
    return tv_capacity(tv_from_kl(kappa), cap)
