"""The family `direction_displacement`."""

import numpy as np

from ib_core.laws.family import Shift, column_index, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.steps import check_step


@family("w2", moves_atoms=True)
def direction_displacement(law: InputLaw, size: float, column: int | None = None) -> Shift:
    """Every atom moves by the same step of length `size`, so W_1 = W_2 = size exactly.

    Along coordinate `column`, or along the diagonal (1, ..., 1) that raises all inputs alike.
    """
    d = law.atoms.shape[1]
    check_step(law, size)
    direction = np.full(d, d**-0.5) if column is None else np.eye(d)[column_index(law, column)]
    return Shift(law.moved(law.atoms + size * direction), size)
