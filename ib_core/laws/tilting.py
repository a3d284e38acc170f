"""Exponential tilts of the input law, at a Kullback-Leibler divergence."""

import numpy as np

from ib_core.checks import finite_array
from ib_core.laws.family import SMALLEST_KL, Shift, refuse_outside
from ib_core.laws.input_law import InputLaw, places
from ib_core.laws.tilt import reach, tilt


def tilted(law: InputLaw, feature: np.ndarray, size: float) -> Shift:
    """P'_i proportional to P_i exp(theta f_i) with theta > 0 at D(P' || P) = size: the exponential family through P.

    At the largest size only the atoms of the largest f are left, and theta is infinite. Rows with the same x share the
    mean of their f.
    """
    support = law.weights > 0
    f = finite_array(feature[support], "the feature of a tilt", "(N)")
    p = law.weights[support] / law.weights.sum()
    (owner,) = places(law.atoms[support])
    if owner.max() + 1 < len(owner):
        masses = np.bincount(owner, p)
        f = (np.bincount(owner, p * f) / masses)[owner]
    refuse_outside("this tilt", size, SMALLEST_KL, reach(f, p), "KL")
    weights = np.zeros(len(support))
    weights[support], theta, _ = tilt(f, p, size)
    return Shift(law.reweighted(weights), theta)
