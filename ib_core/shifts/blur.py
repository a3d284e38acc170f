"""The family `blur`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import diagonal, images, pixel_range, with_images
from ib_core.laws.input_law import InputLaw


@family("severity", moves_atoms=True, largest=diagonal)
def blur(law: InputLaw, size: float) -> Shift:
    """Convolution with a Gaussian of standard deviation `size` pixels; around an image there is background."""
    pixels = images(law)
    background, _ = pixel_range(law)
    down, across = (_convolution(side, size) for side in pixels.shape[2:])
    return Shift(with_images(law, down @ (pixels - background) @ across + background), size)


def _convolution(side: int, width: float) -> np.ndarray:
    """The matrix (side, side) of a Gaussian at whole pixels, whose sum over all of them is 1: not cut off anywhere."""
    reach = side + int(10 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    offsets = np.arange(side)[:, None] - np.arange(side)
    return kernel[offsets + reach] / kernel.sum()
