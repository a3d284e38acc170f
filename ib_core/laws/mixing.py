"""Mixtures of the input law with another one, at a total variation."""

import numpy as np

from ib_core.laws.divergences import total_variation
from ib_core.laws.family import SMALLEST_TV, Shift, refuse_outside
from ib_core.laws.input_law import InputLaw, merged


def mix(law: InputLaw, contaminant: np.ndarray, size: float, slack: float = 0.0) -> Shift:
    """(1 - a) P + a Q at TV = a TV(P, Q) = size; Q itself up to a share `slack` beyond it."""
    whole = total_variation(*merged(law.atoms, law.weights, contaminant))
    refuse_outside("a mixture with this contaminant", size, SMALLEST_TV, whole * (1 + slack), "TV")
    a = min(size / whole, 1.0)
    return Shift(law.reweighted((1 - a) * law.weights + a * contaminant), a)


def given_law(law: InputLaw, weight: np.ndarray) -> np.ndarray:
    """The weights of a given law, if it is one on these atoms."""
    return law.reweighted(weight).weights
