"""How much a noisy layer can carry at all: caps on I(X;T_l) that hold for every input law, in nats."""

import math
from collections.abc import Sequence

from ib_core.bounds.checks import at_least_one, non_negative, positive_noise


def capacity(d: int, beta: float, half_width: float = 1.0) -> float:
    """Capacity cap of the layer channel: I(S; S + Z) for any S in [-r, r]^d and Z ~ N(0, beta^2 I).

    d times the smaller of two bounds for one coordinate: 1/2 ln(1 + r^2 / beta^2), the Gaussian maximum entropy under
    power r^2, and ln(1 + 2r / (beta sqrt(2 pi e))) under peak power. An upper bound of the capacity, not its value.

    Args:
        half_width: r, at least 0; infinite without a bound.

    Example:
        >>> round(capacity(d=10, beta=0.1), 3), round(capacity(d=2, beta=0.5), 3)
        (17.646, 1.354)

    Source: Cover and Thomas, chapter 9; McKellips, ISIT 2004, for the second, from a test density that is flat on
    [-r, r] with Gaussian tails.
    """
    positive_noise(beta)
    at_least_one(d=d)
    non_negative(half_width=half_width)
    ratio = half_width / beta
    return d * min(0.5 * math.log1p(ratio * ratio), math.log1p(2 * ratio / math.sqrt(2 * math.pi * math.e)))


def power_capacity(d: int, beta: float, power: float) -> float:
    """I(S; S + Z) <= d/2 ln(1 + P / beta^2) for any S in R^d with E|S|^2 <= d P: what is left where nothing bounds S.

    With the largest E|S|^2 / d that any atom gives it holds for every law on these atoms.

    Args:
        power: P, mean square of a coordinate.

    Source: Cover and Thomas, Elements of Information Theory, 2nd ed., sections 9.1 and 9.4: the Gaussian has the
    largest entropy under a constraint on its power, and equal powers are best in equal noise.
    """
    positive_noise(beta)
    at_least_one(d=d)
    non_negative(power=power)
    return 0.5 * d * math.log1p(power / beta**2)


def reached_capacity(d: int, beta: float, half_width: float | None, power: float) -> float:
    """The capacity of a layer as far as it reaches: `capacity` where that is bounded, else `power_capacity`.

    Args:
        half_width: r; None where nothing bounds S.
        power: the largest mean square of a coordinate in any pass that was seen: a measurement, not a proof. Where it
            is 0, as before the first spike of a rare unit, nothing is known, and the capacity is infinite.
    """
    if half_width is not None:
        return capacity(d, beta, half_width)
    return power_capacity(d, beta, power) if power > 0 else math.inf


def layer_capacity(capacities: Sequence[float], cuts: Sequence[bool]) -> float:
    """A cap on I(X;T_l) for every input law: the smallest among the layer's own capacity and those of earlier cuts.

    Args:
        capacities: of the layers 1..l.
        cuts: whether layer k is a cut for k = 1..l-1: T_l is a function of T_k and of noise that is independent of X.
            Where a connection passes layer k by, it caps nothing that comes later.

    Source: I(X;T_l) <= I(X;T_k) <= I(S_k; S_k + Z_k), by data processing from a cut to what lies behind it.
    """
    if not capacities or len(cuts) < len(capacities) - 1:
        raise ValueError(f"capacities must be of 1..l and cuts of 1..l-1, got {len(capacities)} and {len(cuts)}")
    *earlier, own = capacities
    return min([own, *(each for each, cut in zip(earlier, cuts, strict=False) if cut)])
