"""How far the plug-in I_SP is from I(X;T_l) for inputs drawn from P_X: one deviation for all of it, and no capacity.

n inputs are drawn independently from P_X, each has n_x independent passes of its own and counts as an atom of weight
1/n, also where two are equal. T_l = S_l + N(0, beta^2 I_d) with S_l in [-r, r]^d; Monte Carlo error is not included.

* Bias. With p the law of T and hats for the plug-in, E I_SP - I = E{h(p_X) - h(p_X^)} - {h(p) - E h(p^)}. Both braces
  are at least 0; the first is at most b(n_x), the second at most b(n), with b of `entropy_bias`: p^ is the mean of n
  independent mixtures of mean p, and each has a chi^2 no larger than that of one pass (Jensen). So the bias lies
  in [-b(n), b(n_x)].
* Deviation. I_SP is the information of n equally likely atoms through the channel of the passes. Let E tell one of them
  from the rest: I_SP = (1 - 1/n) I(rest) + I(E;T), and an atom alone has no information. Another input with other
  passes changes I(E;T) only, which lies in [0, H_b(1/n)]: bounded differences H_b(1/n), by which McDiarmid's inequality
  and that of Efron and Stein follow.
"""

import math
from collections.abc import Sequence

from ib_core.bounds.checks import at_least_one, non_negative, probability_of_error
from ib_core.bounds.reweighting import binary_entropy
from ib_core.bounds.risk import entropy_bias, entropy_spread

HalfWidth = float | Sequence[float] | None


def sampled_bias(n: int, n_passes: int, d: int, beta: float, layer: int, half_width: HalfWidth) -> tuple[float, float]:
    """-b(n) <= E I_SP - I(X;T_l) <= b(n_x): few inputs lower the plug-in, few passes raise it.

    Args:
        n: inputs.
        n_passes: n_x for each of them; the upper end is 0 at l = 1, where S_1 is a function of X.
        layer: l.
        half_width: r, or r_1..r_d; None when the activation has no bound, then the ends are infinite.

    Source: module docstring.
    """
    at_least_one(n=n, n_passes=n_passes, d=d, layer=layer)
    width = math.inf if half_width is None else half_width
    return -entropy_bias(n, d, beta, width), entropy_bias(n_passes, d, beta, width) if layer > 1 else 0.0


def sampled_risk(n: int, n_passes: int, d: int, beta: float, layer: int, half_width: HalfWidth) -> float:
    """E|I_SP - I(X;T_l)| <= max{b(n), b(n_x)} + (sqrt(n) / 2) H_b(1/n).

    Against `information_risk` it has no C_d / (2 sqrt(n)) and no v(n_x) / sqrt(n), and the larger of two biases of
    opposite sign for their sum.

    Args:
        n, n_passes, layer, half_width: as for `sampled_bias`.

    Source: module docstring.
    """
    low, high = sampled_bias(n, n_passes, d, beta, layer, half_width)
    return max(-low, high) + entropy_spread(n)


def sampled_deviation(n: int, delta: float) -> float:
    """|I_SP - E I_SP| <= H_b(1/n) sqrt(n ln(2/delta) / 2) with probability 1 - delta, for any layer and noise.

    Source: McDiarmid's inequality, module docstring.
    """
    at_least_one(n=n)
    probability_of_error(delta)
    return float(binary_entropy(1 / n)) * math.sqrt(n * math.log(2 / delta) / 2)


def shift_and_sampling(
    shift: float, n: int, n_passes: int, d: int, beta: float, layer: int, half_width: HalfWidth, delta: float
) -> float:
    """|I(X';T_l) - I_SP| <= shift + max{b(n), b(n_x)} + H_b(1/n) sqrt(n ln(2/delta) / 2) with probability 1 - delta.

    I_SP is the plug-in on n inputs drawn from the *reference* law, X' has the shifted law.

    Args:
        shift: a bound on |I(X';T_l) - I(X;T_l)| between the laws, for instance `tv_seed`.
        n, n_passes, layer, half_width: as for `sampled_bias`.
        delta: probability that it fails.

    Source: triangle inequality, module docstring.
    """
    non_negative(shift=shift)
    low, high = sampled_bias(n, n_passes, d, beta, layer, half_width)
    return shift + max(-low, high) + sampled_deviation(n, delta)
