"""The family `occlusion`."""

import numpy as np

from ib_core.laws.family import Shift, family
from ib_core.laws.images import images, pixel_range, with_images
from ib_core.laws.input_law import InputLaw
from ib_core.streams import stream


@family("severity", moves_atoms=True, largest=1.0)
def occlusion(law: InputLaw, size: float, fill: float = 0.0, seed: int = 0) -> Shift:
    """A patch with a share `size` of an image's height and width covers it, at a place of each atom's own.

    Patches of one seed are nested, and pixels on their edge are covered in part. They show the background (fill 0), the
    largest value of the reference law (fill 1), or what lies between.
    """
    if not 0 <= fill <= 1:
        raise ValueError(f"fill must be in [0, 1], got {fill}")
    pixels = images(law)
    least, largest = pixel_range(law)
    place = stream(seed, "occlusion").random((len(pixels), 2))
    rows, columns = (_covered(side, size, place[:, axis]) for axis, side in enumerate(pixels.shape[2:]))
    covered = (rows[:, :, None] * columns[:, None, :])[:, None]
    return Shift(with_images(law, pixels + covered * (least + fill * (largest - least) - pixels)), size)


def _covered(side: int, share: float, place: np.ndarray) -> np.ndarray:
    """What share of each pixel of a line lies under the patch, (N, side)."""
    start = (place * side * (1 - share))[:, None]
    pixel = np.arange(side)
    return np.clip(np.minimum(pixel + 1, start + share * side) - np.maximum(pixel, start), 0.0, 1.0)
