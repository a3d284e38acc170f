"""The family `feature_tilt`."""

from ib_core.laws.family import Shift, column_index, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.tilting import tilted


@family("kl")
def feature_tilt(law: InputLaw, size: float, column: int = 0) -> Shift:
    """Exponential tilt by one coordinate of the input, towards its large values."""
    return tilted(law, law.atoms[:, column_index(law, column)], size)
