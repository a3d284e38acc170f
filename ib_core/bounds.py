"""What the theorems allow: how far I(X;T_l) can move under a shift, and how far an estimate can be from it.

Every function returns nats. P is the reference law, P' the shifted one, the channel P(T_l | X) is the same for both.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import xlogy


def binary_entropy(p: float | np.ndarray):
    """H_b(p) = -p ln p - (1-p) ln(1-p) in nats."""
    return -xlogy(p, p) - xlogy(1 - np.asarray(p), 1 - np.asarray(p))


def capacity(d: int, beta: float, half_width: float = 1.0) -> float:
    """Capacity cap of the layer channel: I(S; S + Z) for any S in [-r, r]^d and Z ~ N(0, beta^2 I).

    The smaller of the Gaussian maximum-entropy bound under power r^2 and the peak-power bound.

    Source: Cover and Thomas, chapter 9; McKellips, ISIT 2004, for the second.
    """
    if beta <= 0:
        raise ValueError(f"beta must be positive, got {beta}")
    b = beta / half_width
    return d * min(0.5 * math.log1p(1 / b**2), math.log1p(2 / (b * math.sqrt(2 * math.pi * math.e))))


def layer_capacity(widths: Sequence[int], beta: float, half_width: float | None) -> float:
    """The smallest capacity among the layers 1..l, a cap on I(X;T_l) for every input law; infinite without half width.

    Args:
        widths: d_1..d_l.
        half_width: bound of the activation; None when it has none (ReLU).
    """
    return math.inf if half_width is None else min(capacity(d, beta, half_width) for d in widths)


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
    _check_epsilon(epsilon)
    if n < 2:
        return 0.0
    return min(epsilon * math.log(n - 1) + float(binary_entropy(epsilon)), math.log(n))


def tv_capacity(epsilon: float, cap: float) -> float:
    """|I(P) - I(P')| <= eps C + H_b(min(eps, 1/2)) with C the smallest capacity up to layer l; no alphabet needed.

    Source: the same decomposition, with I(A) and I(B) at most C.
    """
    _check_epsilon(epsilon)
    return epsilon * cap + float(binary_entropy(min(epsilon, 0.5))) if epsilon > 0 else 0.0  # the cap may be infinite


def tv_from_kl(kappa: float) -> float:
    """The largest TV at D(P' || P) = kappa nats: Pinsker, and Bretagnolle-Huber from kappa = 1.594 on.

    Source: Canonne, arXiv:2202.07198.
    """
    if not kappa >= 0:
        raise ValueError(f"kappa must be non-negative, got {kappa}")
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


def wasserstein(
    w1: float, w2: float, d: int, beta: float, lipschitz: float, layer: int, half_width: float | None
) -> float:
    """|I(X;T_l) - I(X';T'_l)| through the distance that the inputs moved: the smaller of the W_2 and the W_1 form.

    W_2: (sqrt(d) L / beta)(W_2 + 1{l>=2} W_1); W_1: (D L / beta^2)(1 + 1{l>=2}) W_1 with D the diameter of the
    layer's box.
    The first summand moves h(T_l), the second h(T_l | X = x), which is constant at l = 1.

    Args:
        w1: W_1 between the input laws, or an upper bound of it; `w2` likewise.
        d: width of layer l.
        lipschitz: Lipschitz constant of X -> S_l for the same noises, at least.
        half_width: bound of the activation; None when it has none, then only the W_2 form exists.

    Source: Brenier map and Fisher information at most d / beta^2; compare Polyanskiy and Wu, arXiv:1504.04419.
    """
    deep = layer >= 2
    forms = [math.sqrt(d) * lipschitz / beta * (w2 + deep * w1)]
    if half_width is not None:
        diameter = 2 * half_width * math.sqrt(d)
        forms.append(diameter * lipschitz / beta**2 * (1 + deep) * w1)
    return min(forms)


def estimation_risk(
    weights: np.ndarray, n_passes: int, d: int, beta: float, layer: int, half_width: float | None
) -> float:
    """E|I_SP - I(X;T_l)| of the plug-in without Monte Carlo error, for enumerated inputs with pooled centres.

    b_pool + v_pool + b(n_x) + v(n_x) |w|_2 with b the bias and v the spread of a smoothed entropy; zero at l = 1, where
    S_1 is known exactly.

    Args:
        weights: (N,) of the input law.
        n_passes: n_x, noisy passes per atom.
        half_width: bound of the activation; None when it has none, then there is no bound of this kind.

    Source: bias = E D(P_n * phi || P * phi) <= ln(1 + chi^2), chi^2 <= A^d max_i w_i / n_x with
    A = 1 + sqrt(2/pi) r / beta; spread by McDiarmid, since one sample moves the entropy by at most H_b of its weight.
    """
    if layer == 1:
        return 0.0
    if half_width is None:
        return math.inf  # the class of unbounded activations needs a subgaussian norm instead
    log_a = d * math.log1p(math.sqrt(2 / math.pi) * half_width / beta)
    pooled_bias = float(np.logaddexp(0, log_a + math.log(weights.max() / n_passes)))
    pooled_spread = 0.5 * math.sqrt(n_passes * float((binary_entropy(weights / n_passes) ** 2).sum()))
    # ln(1 + (A^d - 1)/n) <= ln(1 + A^d/n): the largest of the conditional biases, each atom having n_x passes.
    bias = float(np.logaddexp(0, log_a - math.log(n_passes)))
    spread = math.sqrt(n_passes) / 2 * float(binary_entropy(1 / n_passes))
    return pooled_bias + pooled_spread + bias + spread * float(np.linalg.norm(weights))


def _check_epsilon(epsilon: float) -> None:
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must be in [0, 1], got {epsilon}")
