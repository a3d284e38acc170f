"""How far one given shift can raise I(X;T_l), and how far lower it: the total variation form for each direction, nats.

P = (1-eps) R + eps A and P' = (1-eps) R + eps B with eps = TV(P, P'), A and B on disjoint sets; the channel is fixed.
With E the label of the part, I(P) = (1-eps) I(R) + eps I(A) + I(E;T), where 0 <= I(E;T) <= H_b(eps) t with
t = TV(A_T, R_T): draw T from what A_T and R_T share with probability 1 - t and from the rest of each with t, which E
does not influence; told which, T says nothing of E in the first case and at most H_b(eps) in the second. So

    I(P) - I(P') <= eps (I(A) - I(B)) + H_b(eps) TV(A_T, R_T),

and exchanging A and B bounds the rise. The functions return the interval (lowest, highest) of I(P') - I(P).
"""

import math

import numpy as np

from ib_core.bounds.checks import at_least_one, law, non_negative, total_variation_size
from ib_core.bounds.reweighting import binary_entropy
from ib_core.channels.attribution import parts
from ib_core.laws.input_law import entropy

Interval = tuple[float, float]


def tv_directional(p: np.ndarray, q: np.ndarray, cap: float = math.inf) -> Interval:
    """-min{eps min(H(A), C) + H_b(eps), H(P), C} <= I(P') - I(P) <= min{eps min(H(B), C) + H_b(eps), H(P'), C}.

    A is what P loses and B what P' has instead. Contamination by one atom (TV .2 of the uniform law on 4096) may raise
    the information by .500, where the symmetric form allows 2.164, and lower it by that. Never above `tv_seed`.

    Args:
        p: (N,) of P.
        q: (N,) of P', on the same atoms: the union of both supports.
        cap: C, the smallest capacity up to layer l, when finite.

    Returns:
        The interval of I(P') - I(P).

    Raises:
        ValueError: p or q is no law, or they have not one shape, or `cap` is negative.

    Source: module docstring with 0 <= I(A) <= min(H(A), C), likewise B. And eps I(A) + I(E;T) = I(U;T), where U tells
    the part and, in A, the atom; U - X - T is Markov under P, so that it is at most I(P) <= min(H(P), C).
    """
    law(p=p, q=q)
    if p.shape != q.shape:
        raise ValueError(f"p and q must have one shape (N,), got {p.shape} and {q.shape}")
    epsilon, _, removed, added = parts(p, q)
    fall, rise = _side(epsilon, entropy(removed), cap), _side(epsilon, entropy(added), cap)
    return 0.0 - min(fall, entropy(p)), min(rise, entropy(q))


def tv_directional_sizes(epsilon: float, n_removed: int, n_added: int, cap: float = math.inf) -> Interval:
    """`tv_directional` where only numbers of atoms are known: H(A) <= ln n_removed, H(B) <= ln n_added.

    Args:
        epsilon: the exact TV in [0, 1].
        n_removed: atoms that lose mass, at most; N less the atoms that gain some, in a union of N.
        n_added: atoms that gain mass, at most; N less the atoms that lose some.
        cap: C, the smallest capacity up to layer l, when finite.

    Returns:
        The interval of I(P') - I(P).

    Source: as `tv_directional`; A and B are on disjoint sets, so with N atoms n_removed + n_added <= N.
    """
    at_least_one(n_removed=n_removed, n_added=n_added)
    return 0.0 - _side(epsilon, math.log(n_removed), cap), _side(epsilon, math.log(n_added), cap)


def tv_directional_measured(
    epsilon: float, removed: Interval, added: Interval, separation: Interval = (1.0, 1.0)
) -> Interval:
    """eps (I(B) - I(A)) - H_b(eps) t_A <= I(P') - I(P) <= eps (I(B) - I(A)) + H_b(eps) t_B with measured I(A), I(B).

    The lower end takes the highest I(A) and the lowest I(B), the upper end the reverse. It may show the sign of the
    change.

    Args:
        epsilon: the exact TV in [0, 1].
        removed: (low, high) of I(A), for instance the bracket of an estimate; 0 and min(H(A), C) are always right.
        added: (low, high) of I(B).
        separation: (t_A, t_B), at least TV(A_T, R_T) and TV(B_T, R_T); 1 is always right.

    Returns:
        The interval of I(P') - I(P). It holds wherever both brackets do.

    Raises:
        ValueError: an interval is not in order.

    Source: module docstring.
    """
    epsilon = total_variation_size(epsilon)
    for name, (low, high) in {"removed": removed, "added": added}.items():
        if not low <= high:
            raise ValueError(f"{name} must be (low, high) with low <= high, got {(low, high)}")
    if not all(0 <= each <= 1 for each in separation):
        raise ValueError(f"separation must be two numbers in [0, 1], got {separation}")
    if epsilon == 0:
        return 0.0, 0.0
    mixing = float(binary_entropy(epsilon))
    lowest = epsilon * (added[0] - removed[1]) - mixing * separation[0]
    return lowest, epsilon * (added[1] - removed[0]) + mixing * separation[1]


def _side(epsilon: float, moved_entropy: float, cap: float) -> float:
    """min{eps min(H, C) + H_b(eps), C}."""
    epsilon = total_variation_size(epsilon)
    non_negative(cap=cap)
    return min(epsilon * min(moved_entropy, cap) + float(binary_entropy(epsilon)), cap)
