"""The family `law_mixture`."""

import numpy as np

from ib_core.laws.family import TOLERANCE, Shift, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.mixing import given_law, mix


@family("tv")
def law_mixture(law: InputLaw, size: float, weight: np.ndarray) -> Shift:
    """The straight way (1 - a) P + a Q to a given law Q (N,) on the same atoms, for instance a worst case."""
    given = given_law(law, weight)
    # A ball's radius is known to fewer digits than the law that was found in it.
    return mix(law, given, size, slack=TOLERANCE)
