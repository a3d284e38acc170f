"""The family `rotation`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import sign_of, warped
from ib_core.laws.input_law import InputLaw


@family("severity", moves_atoms=True, largest=180.0)
def rotation(law: InputLaw, size: float, sign: int = 1) -> Shift:
    """Images turn by `size` degrees about their centre, counter-clockwise as they are shown, or clockwise (sign -1)."""
    cos, sin = np.cos(np.deg2rad(size)), sign_of(sign) * np.sin(np.deg2rad(size))
    return Shift(warped(law, np.array([[cos, sin], [-sin, cos]])), size)
