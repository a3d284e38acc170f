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


def layer_capacity(widths: Sequence[int], beta: float, half_width: float | None) -> float:
    """The smallest capacity among the layers 1..l, a cap on I(X;T_l) for every input law; infinite without half width.

    Args:
        widths: d_1..d_l.
        half_width: bound of the activation; None when it has none (ReLU).

    Source: I(X;T_l) <= I(X;T_k) <= I(S_k; S_k + Z_k) for k <= l, by data processing along a chain.
    """
    if not widths:
        raise ValueError("widths must hold d_1..d_l, got none")
    return math.inf if half_width is None else min(capacity(d, beta, half_width) for d in widths)
