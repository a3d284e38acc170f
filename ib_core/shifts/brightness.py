"""The family `brightness`."""

from ib_core.laws.family import Shift, family
from ib_core.laws.images import images, pixel_range, sign_of, with_images
from ib_core.laws.input_law import InputLaw


@family("severity", moves_atoms=True, largest=1.0)
def brightness(law: InputLaw, size: float, sign: int = 1) -> Shift:
    """All pixels rise by a share `size` of the range of the reference law, or fall (sign -1), clipped to that range."""
    least, largest = pixel_range(law)
    return Shift(with_images(law, images(law) + sign_of(sign) * size * (largest - least)), size)
