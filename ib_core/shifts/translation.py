"""The family `translation`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import diagonal, warped
from ib_core.laws.input_law import InputLaw


@family("severity", moves_atoms=True, largest=diagonal)
def translation(law: InputLaw, size: float, angle: float = 0.0) -> Shift:
    """Images move by `size` pixels towards `angle`, in degrees: 0 is to the right, 90 up. What leaves is lost."""
    towards = np.deg2rad(angle)
    return Shift(warped(law, np.eye(2), (-size * np.sin(towards), size * np.cos(towards))), size)
