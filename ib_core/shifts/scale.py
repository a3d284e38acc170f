"""The family `scale`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import sign_of, warped
from ib_core.laws.input_law import InputLaw


def _largest(law: InputLaw, sign: int = 1) -> float:
    """Ten times larger, or a tenth of the size."""
    return 9.0 if sign == 1 else 0.9


@family("severity", moves_atoms=True, largest=_largest)
def scale(law: InputLaw, size: float, sign: int = 1) -> Shift:
    """Images grow about their centre by a share `size` of their size (.1: by a tenth), or shrink by it (sign -1)."""
    return Shift(warped(law, np.eye(2) / (1 + sign_of(sign) * size)), size)
