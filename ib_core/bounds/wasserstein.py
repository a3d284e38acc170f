"""How far h(T_l) and I(X;T_l) move when the input, or the signal, moves by a Wasserstein distance, in nats."""

import math

from ib_core.bounds.checks import at_least_one, non_negative, positive_noise
from ib_core.laws.coupling import Steps


def entropy_w2(w2: float, d: int, beta: float) -> float:
    """|h(S + Z) - h(S' + Z)| <= (sqrt(d) / beta) W_2(S, S') for signals with second moments in R^d.

    Source: along the Brenier map the entropy changes at a rate of at most the square root of the Fisher information,
    and that of a law smoothed by N(0, beta^2 I) is at most d / beta^2.
    """
    positive_noise(beta)
    at_least_one(d=d)
    non_negative(w2=w2)
    return math.sqrt(d) / beta * w2


def entropy_w1(w1: float, diameter: float, beta: float) -> float:
    """|h(S + Z) - h(S' + Z)| <= (D / beta^2) W_1(S, S'), D the diameter of the joint support of S and S'.

    Source: with p the density of S + Z, f(s) = -E ln p(s + Z) has the gradient (s - E E[S | T = s + Z]) / beta^2, of
    length at most D / beta^2 on the convex hull of both supports; h(S' + Z) - h(S + Z) <= E f(S') - E f(S) by Gibbs.
    """
    positive_noise(beta)
    non_negative(w1=w1, diameter=diameter)
    return diameter / beta**2 * w1


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
    at_least_one(layer=layer)
    non_negative(w1=w1, w2=w2, lipschitz=lipschitz)
    deep = layer >= 2
    forms = [entropy_w2(lipschitz * (w2 + deep * w1), d, beta)]
    if half_width is not None:
        diameter = 2 * half_width * math.sqrt(d)
        forms.append(entropy_w1(lipschitz * (1 + deep) * w1, diameter, beta))
    return min(forms)


def wasserstein_coupled(steps: Steps, d: int, beta: float, layer: int, half_width: float | None) -> float:
    """The same after the fact, without Lipschitz constants: from how far the signals moved under the same noises.

    W_2: (sqrt(d) / beta)[(E|dS|^2)^(1/2) + 1{l>=2} E_x (E[|dS|^2 | x])^(1/2)]; W_1: (D / beta^2)(1 + 1{l>=2}) E|dS|.
    With E|dS| in place of the root mean squares the first would be no bound.

    Args:
        steps: moments of |S_l - S'_l| with x coupled to x'. From passes they are sample means: the bound is exact for
            the channel of these passes, and at l = 1, where one pass is the law; else it has their error.
        d: width of layer l.
        half_width: bound of the activation; None when it has none.

    Source: `entropy_w2` and `entropy_w1` for the laws of T_l and of T_l given X = x, coupled by the shared noises.
    """
    at_least_one(layer=layer)
    deep = layer >= 2
    forms = [entropy_w2(steps.root_square + deep * steps.mean_root_square, d, beta)]
    if half_width is not None:
        forms.append(entropy_w1((1 + deep) * steps.mean, 2 * half_width * math.sqrt(d), beta))
    return min(forms)


def polyanskiy_wu(w2: float, d: int, beta: float, half_width: float = 1.0) -> float:
    """|h(S + Z) - h(S' + Z)| <= (sqrt(d) / b^2)(1 + sqrt(1 + b^2)) W_2 / r at b = beta / r, for signals in [-r, r]^d.

    Larger than `entropy_w2` by the factor (1 + sqrt(1 + b^2)) / b; here for comparison.

    Source: Polyanskiy and Wu, arXiv:1504.04419, Propositions 1 and 2: S + Z is (1/beta^2, R/beta^2)-regular.
    """
    positive_noise(beta)
    at_least_one(d=d)
    non_negative(w2=w2)
    b = beta / half_width
    return math.sqrt(d) / b**2 * (1 + math.sqrt(1 + b**2)) * w2 / half_width
