"""The family `contamination`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.mixing import mix


@family("tv")
def contamination(law: InputLaw, size: float, atom: int = -1) -> Shift:
    """Huber contamination (1 - a) P + a delta_x with the last atom, or `atom`, as x: extremal for the TV bound."""
    n = len(law.weights)
    if not -n <= atom < n:
        raise ValueError(f"atom must be the index of one of {n} atoms, got {atom}")
    contaminant = np.zeros(n)
    contaminant[atom] = 1
    return mix(law, contaminant, size)
