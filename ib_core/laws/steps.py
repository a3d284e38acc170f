"""Steps of atoms."""

from ib_core.laws.family import LARGEST_STEP, least_step, refuse_outside
from ib_core.laws.input_law import InputLaw


def check_step(law: InputLaw, size: float, unit: str = "W_2", **_: object) -> None:
    """Refuse steps that the rounding of the atoms would change, and steps whose squares leave float64."""
    refuse_outside("a step of these atoms", size, least_step(law), LARGEST_STEP, unit)
