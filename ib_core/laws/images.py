"""Images as the atoms of a law: read as (N, c, h, w), changed, and put back as rows.

Every family of image shifts writes into the background, the least coordinate of the reference law, where it has nothing
else to show, and keeps to the range of that law's coordinates. Values between pixels are bilinear.
"""

import math

import numpy as np
from scipy.sparse import csr_array

from ib_core.laws.input_law import InputLaw


def images(law: InputLaw) -> np.ndarray:
    """The atoms as images (N, c, h, w), a view.

    Raises:
        ValueError: the law's atoms have no shape of images.
    """
    shape = law.shape or law.atoms.shape[1:]
    if not (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))):
        raise ValueError(f"atoms must be images of shape (h, w), (1, h, w) or (3, h, w), got {shape}")
    return law.atoms.reshape(len(law.atoms), -1, *shape[-2:])


def pixel_range(law: InputLaw) -> tuple[float, float]:
    """The least coordinate of a law's atoms, which is the background, and the largest."""
    return float(law.atoms.min()), float(law.atoms.max())


def with_images(law: InputLaw, changed: np.ndarray) -> InputLaw:
    """The law with its atoms at these images (N, c, h, w), clipped to the range of its coordinates."""
    return law.moved(np.clip(changed.reshape(law.atoms.shape), *pixel_range(law)))


def diagonal(law: InputLaw, **_: object) -> float:
    """The length of an image's diagonal in pixels: a translation that far leaves the background alone."""
    return math.hypot(*images(law).shape[2:])


def sign_of(sign: int) -> int:
    """The sign of a change, if it is one."""
    if sign not in (-1, 1):
        raise ValueError(f"sign must be 1 or -1, got {sign}")
    return sign


def warped(law: InputLaw, backward: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> InputLaw:
    """Every image under the same affine map about its centre: the new pixel at u is the old value at A (u - b).

    u counts rows down and columns to the right of the centre. Outside of an image all is background.

    Args:
        law: of images.
        backward: A (2, 2), from new places to old ones.
        shift: b, in pixels.
    """
    pixels = images(law)
    h, w = pixels.shape[2:]
    centre = np.array([h - 1, w - 1]) / 2
    new = np.indices((h, w)).reshape(2, -1).T - centre - shift
    old = new @ backward.T + centre
    low = np.floor(old).astype(np.int64)
    part = old - low
    rows, columns, values = [], [], []
    for step in np.ndindex(2, 2):  # the four pixels around an old place
        at = low + step
        weight = np.where(step, part, 1 - part).prod(axis=1)
        inside = ((at >= 0) & (at < (h, w))).all(axis=1) & (weight > 0)
        rows.append(np.flatnonzero(inside))
        columns.append(at[inside] @ (w, 1))
        values.append(weight[inside])
    matrix = csr_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(h * w, h * w))
    background, _ = pixel_range(law)
    above = pixels.reshape(-1, h * w).T - background  # one column an image
    return with_images(law, (matrix @ above).T + background)
