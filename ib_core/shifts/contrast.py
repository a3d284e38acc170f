"""The family `contrast`."""

from ib_core.laws.family import Shift, family
from ib_core.laws.images import images, sign_of, with_images
from ib_core.laws.input_law import InputLaw


def _largest(law: InputLaw, sign: int = -1) -> float:
    """One grey, or ten times the contrast."""
    return 1.0 if sign == -1 else 9.0


@family("severity", moves_atoms=True, largest=_largest)
def contrast(law: InputLaw, size: float, sign: int = -1) -> Shift:
    """Pixels approach the mean of their image by a share `size` of their distance (1: one grey), or leave it (sign 1).

    Clipped to the range of the reference law.
    """
    pixels = images(law)
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True)
    return Shift(with_images(law, pixels + sign_of(sign) * size * (pixels - mean)), size)
