"""The family `impulse_noise`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import images, pixel_range, with_images
from ib_core.laws.input_law import InputLaw
from ib_core.streams import stream


@family("severity", moves_atoms=True, largest=1.0)
def impulse_noise(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """A share `size` of each image's pixels, in all channels, takes the least or the largest value of the reference.

    Pixels fall in an order of each atom's own, the last one in part, so that larger shares contain the smaller.
    """
    pixels = images(law)
    n, _, h, w = pixels.shape
    draws = stream(seed, "impulse_noise").random((n, 2, h * w))
    order = np.argsort(draws[:, 0], axis=1)
    struck = np.empty((n, h * w))
    np.put_along_axis(struck, order, np.clip(size * h * w - np.arange(h * w), 0.0, 1.0)[None], axis=1)
    impulse = np.where(draws[:, 1] < 0.5, *pixel_range(law)).reshape(n, 1, h, w)
    return Shift(with_images(law, pixels + struck.reshape(n, 1, h, w) * (impulse - pixels)), size)
