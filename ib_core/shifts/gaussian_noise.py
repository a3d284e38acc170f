"""The family `gaussian_noise`."""

from ib_core.laws.family import Shift, family
from ib_core.laws.images import images, pixel_range, with_images
from ib_core.laws.input_law import InputLaw
from ib_core.streams import stream


@family("severity", moves_atoms=True, largest=10.0)
def gaussian_noise(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """Every pixel moves by a Gaussian step of its own, of standard deviation `size` in units of the reference's range.

    Clipped to that range, other than `gaussian_displacement`. The steps are the same at every size.
    """
    pixels = images(law)
    least, largest = pixel_range(law)
    steps = stream(seed, "gaussian_noise").standard_normal(pixels.shape)
    return Shift(with_images(law, pixels + size * (largest - least) * steps), size)
