"""The family `information_tilt`."""

import numpy as np

from ib_core.laws.family import Shift, Unreachable, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.tilting import tilted


@family("kl")
def information_tilt(law: InputLaw, size: float, pointwise: np.ndarray | None = None) -> Shift:
    """Exponential tilt by a layer's pointwise information i(x) (N,): the largest E_{P'} i at its KL divergence.

    To first order no law at that distance raises I(X;T_l) more; the opposite tilt is that of `-pointwise`.
    """
    if pointwise is None:
        raise Unreachable("this tilt reaches no size without `pointwise`, the i(x) of a layer at every atom")
    pointwise = np.asarray(pointwise)
    if pointwise.shape != law.weights.shape:
        raise ValueError(f"pointwise must have shape {law.weights.shape}, got {pointwise.shape}")
    return tilted(law, np.where(law.weights > 0, pointwise, 0.0), size)
