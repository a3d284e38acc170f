"""Steps of atoms."""

import numpy as np

from ib_core.laws.family import LARGEST_STEP, SMALLEST_STEP, refuse_outside
from ib_core.laws.input_law import InputLaw


def check_step(law: InputLaw, size: float, **_: int) -> None:
    """Refuse steps that the rounding of the atoms would change, and steps whose squares leave float64."""
    scale = float(np.abs(law.atoms).max())
    refuse_outside("a step of these atoms", size, SMALLEST_STEP * (scale or 1.0), LARGEST_STEP, "W_2")
