"""How far I(X;T_l) moves when the law of X moves by a given total variation or KL divergence, in nats.

P is the reference law, P' the shifted one, the channel P(T_l | X) is the same for both.
"""

import math

import numpy as np
from scipy.special import xlog1py, xlogy

from ib_core.bounds.checks import at_least_one, non_negative, total_variation_size
from ib_core.bounds.kl_tv import tv_from_kl


def binary_entropy(p: float | np.ndarray):
    """H_b(p) = -p ln p - (1-p) ln(1-p) in nats."""
    return -xlogy(p, p) - xlog1py(1 - np.asarray(p), -np.asarray(p))  # the second is about p where p is small


def tv_seed(epsilon: float, n: int) -> float:
    """|I(P) - I(P')| <= eps ln(N - 1) + H_b(eps) at eps = TV(P, P'), N the number of input atoms.

    Valid for any T, continuous too, and attained by contaminating one atom with the uniform law on the others, at a
    noiseless layer. It is largest, ln N, at eps = 1 - 1/N and falls to ln(N - 1) at eps = 1: where only TV <= eps is
    known, it holds up to 1 - 1/N, and ln N beyond.

    Args:
        epsilon: the exact TV in [0, 1].
        n: atoms in the union of both supports, or more; a count of bins of T has no place here.

    Raises:
        ValueError: `epsilon` is outside [0, 1] by more than rounding, or `n` below 1.

    Example:
        >>> round(tv_seed(0.1, 4096), 4)  # of ln 4096 = 8.3178
        1.1568

    Source: the mass / mixing decomposition I(P) = (1-eps) I(R) + eps I(A) + I(E;T) with P = (1-eps)R + eps A,
    P' = (1-eps)R + eps B, A and B on disjoint sets, E the mixture label.
    """
    epsilon = total_variation_size(epsilon)
    at_least_one(n=n)
    if n == 1:
        return 0.0
    return min(epsilon * math.log(n - 1) + float(binary_entropy(epsilon)), math.log(n))  # ln N but for rounding


def tv_capacity(epsilon: float, cap: float) -> float:
    """|I(P) - I(P')| <= eps C + H_b(min(eps, 1/2)) with C the smallest capacity up to layer l; no alphabet needed.

    It grows with eps, so that TV <= eps suffices. An infinite capacity gives an infinite bound unless eps = 0.

    Source: the same decomposition, with I(A) and I(B) at most C.
    """
    epsilon = total_variation_size(epsilon)
    non_negative(cap=cap)
    return epsilon * cap + float(binary_entropy(min(epsilon, 0.5))) if epsilon > 0 else 0.0  # the cap may be infinite


def kl_seed(kappa: float, n: int) -> float:
    """The TV form at the largest TV that D(P' || P) = kappa allows; ln N when that exceeds 1 - 1/N.

    The TV itself is only known to be at most eps here, and the form grows with eps up to 1 - 1/N.

    Args:
        kappa: nats; infinite where P' has atoms that P has not.
        n: atoms of P, or more; with an infinite kappa those of both.

    Example:
        >>> round(kl_seed(0.01, 4096), 4)
        0.8432

    Source: `tv_seed` at `tv_from_kl`.
    """
    at_least_one(n=n)
    epsilon = tv_from_kl(kappa)
    return tv_seed(epsilon, n) if epsilon <= 1 - 1 / n else math.log(n)


def kl_capacity(kappa: float, cap: float) -> float:
    """The capacity form at the largest TV that D(P' || P) = kappa allows; it grows with eps, so TV <= eps suffices.

    Source: `tv_capacity` at `tv_from_kl`.
    """
    return tv_capacity(tv_from_kl(kappa), cap)
