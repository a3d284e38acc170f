"""The family `shear`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import sign_of, warped
from ib_core.laws.input_law import InputLaw


@family("severity", moves_atoms=True, largest=10.0)
def shear(law: InputLaw, size: float, sign: int = 1) -> Shift:
    """Images lean to the right by the slope `size`, the tangent of the angle, or to the left (sign -1).

    The middle row stays where it is.
    """
    return Shift(warped(law, np.array([[1.0, 0.0], [sign_of(sign) * size, 1.0]])), size)
