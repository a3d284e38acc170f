"""The family `hamming_tilt`."""

from ib_core.laws.family import Shift, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.tilting import tilted


@family("kl")
def hamming_tilt(law: InputLaw, size: float) -> Shift:
    """Exponential tilt by the sum of the inputs (the Hamming weight of a bit pattern)."""
    return tilted(law, law.atoms.sum(axis=1), size)
