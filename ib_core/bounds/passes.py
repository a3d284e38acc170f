"""How far the plug-in I_SP is from I(X;T_l) for enumerated inputs, where the noisy passes are all the chance there is.

Atom i has weight w_i and n_x independent passes s_ik, the centres of p_i^; p^ = sum_i w_i p_i^ is pooled. Then
I_SP = h(p^) - sum_i w_i h(p_i^), without Monte Carlo error. At l = 1 the passes of an atom are equal and I_SP = I.

* Bias. I is convex in the channel and E p_i^ = p_i, so E I_SP >= I. And E I_SP - I = sum_i w_i {h(p_i) - E h(p_i^)} -
  {h(p) - E h(p^)} is at most its first sum, at most b(n_x) of `entropy_bias`. So the bias lies in [0, b(n_x)].
* Bounded differences. Let E tell pass k of atom i, of mass e = w_i/n_x, from all others, with law R. Then h(p^) =
  (1-e) h(R) + e h(Z) + J with J = I(E;T) in [0, H_b(e)]. In the same way h(p_i^) = (1 - 1/n_x) h(R_i) + h(Z)/n_x + J_i
  with J_i in [0, H_b(1/n_x)]. Another pass in the place of this one changes J and J_i alone: h(p^) by at most
  H_b(w_i/n_x) and w_i h(p_i^) by at most w_i H_b(1/n_x), together c_i = H_b(w_i/n_x) + w_i H_b(1/n_x).
* Both at once. I_SP changes by J - w_i J_i alone, and w_i J_i = I(E;T|X) <= H(E|X) = w_i H_b(1/n_x). The chain rule
  J <= I(E;X,T) = I(E;X) + w_i J_i with I(E;X) = H_b(w_i/n_x) - w_i H_b(1/n_x) puts J - w_i J_i into
  [-w_i H_b(1/n_x), H_b(w_i/n_x) - w_i H_b(1/n_x)], an interval of length H_b(w_i/n_x): c_i = H_b(w_i/n_x) suffices.

McDiarmid's inequality over the N n_x passes follows, and by Efron and Stein the standard deviation is at most
sqrt(sum_i n_x c_i^2) / 2.
"""

import math

import numpy as np

from ib_core.bounds.checks import at_least_one, law, non_negative, probability_of_error
from ib_core.bounds.reweighting import binary_entropy
from ib_core.bounds.risk import entropy_bias
from ib_core.bounds.sampled import HalfWidth


def passes_deviation(weights: np.ndarray, n_passes: int, delta: float) -> float:
    """I(X;T_l) <= I_SP + sqrt(ln(1/delta)/2 sum_i n_x c_i^2) with probability 1 - delta, the entropies taken apart.

    c_i = H_b(w_i/n_x) + w_i H_b(1/n_x): .103 nats at delta = .00135 for 4096 equal atoms with 20 passes. The same
    deviation holds for each of h(p^) and sum_i w_i h(p_i^) from its mean; for their difference see
    `passes_deviation_joint`.

    Args:
        weights: (N,) of the input law.
        n_passes: n_x of every atom.
        delta: probability that it fails.

    Source: McDiarmid's inequality and E I_SP >= I, module docstring.
    """
    differences = _entropy_difference(weights, n_passes) + weights * float(binary_entropy(1 / n_passes))
    return _mcdiarmid(differences, n_passes, delta)


def passes_deviation_joint(weights: np.ndarray, n_passes: int, delta: float) -> float:
    """The same with c_i = H_b(w_i/n_x), from both entropies at once: .078 nats for .103.

    By symmetry I_SP <= E I_SP + this, hence I(X;T_l) >= I_SP - b(n_x) - this, each with probability 1 - delta.

    Args:
        weights, n_passes, delta: as for `passes_deviation`.

    Source: module docstring.
    """
    return _mcdiarmid(_entropy_difference(weights, n_passes), n_passes, delta)


def passes_spread(weights: np.ndarray, n_passes: int) -> float:
    """Standard deviation of I_SP over the passes: at most (1/2) sqrt(sum_i n_x H_b(w_i/n_x)^2).

    Source: Efron and Stein, module docstring.
    """
    return 0.5 * math.sqrt(n_passes * float(np.square(_entropy_difference(weights, n_passes)).sum()))


def enumerated_risk(
    weights: np.ndarray, n_passes: int, d: int, beta: float, layer: int, half_width: HalfWidth
) -> float:
    """E|I_SP - I(X;T_l)| <= b(n_x) + (1/2) sqrt(sum_i n_x H_b(w_i/n_x)^2), zero at l = 1.

    Against `estimation_risk` the bias of the pooled entropy, of the other sign, and the spread of the conditional one
    are gone. Nor is there a capacity, which belongs to sampled inputs.

    Args:
        weights: (N,) of the input law.
        n_passes: n_x of every atom.
        half_width: r, or r_1..r_d; None when the activation has no bound, then the risk is infinite.

    Source: module docstring.
    """
    bias, spread = _bias(n_passes, d, beta, layer, half_width), passes_spread(weights, n_passes)
    return bias + spread if layer > 1 else 0.0


def shift_and_passes(
    shift: float,
    weights: np.ndarray,
    n_passes: int,
    d: int,
    beta: float,
    layer: int,
    half_width: HalfWidth,
    delta: float,
) -> float:
    """|I(X';T_l) - I_SP| <= shift + b(n_x) + sqrt(ln(2/delta)/2 sum_i n_x H_b(w_i/n_x)^2) with probability 1 - delta.

    I_SP is the plug-in on the enumerated *reference* law, X' has the shifted law. At l = 1 it is the shift alone.

    Args:
        shift: a bound on |I(X';T_l) - I(X;T_l)| between the laws.
        weights, n_passes, half_width: as for `enumerated_risk`.
        delta: probability that it fails.

    Source: triangle inequality, module docstring.
    """
    non_negative(shift=shift)
    probability_of_error(delta)
    bias = _bias(n_passes, d, beta, layer, half_width)
    deviation = passes_deviation_joint(weights, n_passes, delta / 2)
    return shift + bias + deviation if layer > 1 else shift


def _bias(n_passes: int, d: int, beta: float, layer: int, half_width: HalfWidth) -> float:
    """b(n_x), the upper end of the bias."""
    at_least_one(layer=layer)
    return entropy_bias(n_passes, d, beta, math.inf if half_width is None else half_width)


def _entropy_difference(weights: np.ndarray, n_passes: int) -> np.ndarray:
    """(N,) of H_b(w_i / n_x)."""
    law(weights=weights)
    at_least_one(n_passes=n_passes)
    return binary_entropy(weights / n_passes)


def _mcdiarmid(differences: np.ndarray, n_passes: int, delta: float) -> float:
    """sqrt(ln(1/delta)/2 sum_i n_x c_i^2)."""
    probability_of_error(delta)
    return math.sqrt(-math.log(delta) / 2 * n_passes * float(np.square(differences).sum()))
