"""The family `class_tilt`."""

from ib_core.laws.family import Shift, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.tilting import tilted


@family("kl")
def class_tilt(law: InputLaw, size: float, label: int = 1) -> Shift:
    """Exponential tilt by the indicator of class `label`."""
    return tilted(law, (law.labels == label).astype(float), size)
