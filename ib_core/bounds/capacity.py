"""How much a noisy layer can carry at all: caps on I(X;T_l) that hold for every input law, in nats."""

import math
from collections.abc import Sequence

from ib_core.bounds.checks import positive_noise


def capacity(d: int, beta: float, half_width: float = 1.0) -> float:
    """Capacity cap of the layer channel: I(S; S + Z) for any S in [-r, r]^d and Z ~ N(0, beta^2 I).

    The smaller of the Gaussian maximum-entropy bound under power r^2 and the peak-power bound.

    Source: Cover and Thomas, chapter 9; McKellips, ISIT 2004, for the second.
    """
    positive_noise(beta)
    b = beta / half_width
    return d * min(0.5 * math.log1p(1 / b**2), math.log1p(2 / (b * math.sqrt(2 * math.pi * math.e))))


def layer_capacity(widths: Sequence[int], beta: float, half_width: float | None) -> float:
    """The smallest capacity among the layers 1..l, a cap on I(X;T_l) for every input law; infinite without half width.

    Args:
        widths: d_1..d_l.
        half_width: bound of the activation; None when it has none (ReLU).
    """
    return math.inf if half_width is None else min(capacity(d, beta, half_width) for d in widths)
