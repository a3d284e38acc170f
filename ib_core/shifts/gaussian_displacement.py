"""The family `gaussian_displacement`."""

import math

from scipy.optimize import brentq

from ib_core.laws.family import Shift, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.steps import check_step
from ib_core.laws.wasserstein import wasserstein
from ib_core.streams import stream


@family("w2", moves_atoms=True, check=check_step)
def gaussian_displacement(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """Every atom moves by its own Gaussian step, all scaled together until W_2(P, P') = size.

    The steps are the same at every size. While each moved atom stays nearest to its own origin, W_2 is the
    root mean square of the steps; beyond, it is found by optimal transport and the scale is solved for it.
    """
    check_step(law, size)
    steps = stream(seed, "gaussian_displacement").standard_normal(law.atoms.shape)
    steps /= math.sqrt(float(law.weights @ (steps**2).sum(axis=1)))

    def distance(scale: float) -> float:
        return wasserstein(law, law.moved(law.atoms + scale * steps), 2).value

    scale = size
    excess = distance(scale) - size
    if abs(excess) > 1e-9 * size:
        upper = size
        while distance(upper) < size:
            upper *= 1.1
        scale = brentq(lambda s: distance(s) - size, size, upper, xtol=1e-9 * size, rtol=1e-9)
    return Shift(law.moved(law.atoms + scale * steps), scale)
