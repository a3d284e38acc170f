"""Centres as three float16 slices each, with which six products on tensor cores give exponents to 1e-5 nats.

In units of 2^(-1/2) bits, x = h + l + m: h is a multiple of a grid g coarse enough that products of two h, and their
sums with starts and norms rounded to multiples of g^2, are exact in float32; l and m are what float16 keeps of the
rest. The product of x and y is then hh + ll + mh + hm + lh + hl up to what float32 loses of the small ones.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

SCALE = math.sqrt(math.log2(math.e))
MARGIN = 6.0  # noises by which a point may lie beyond the radius of its own noise and the centres
MOST_ERROR, MOST_GRID = 1e-5, 2.0**-4  # nats, and the grid beyond which float16 slices do not serve
MOST_COLUMNS = 16  # of slices whose last six hold start and norm
MOST_BITS = 2.0**15  # of a norm: what is further away is 0
SLICED = 2**24  # numbers that are sliced at a time


class Half(NamedTuple):
    """The slices.

    Attributes:
        form: "columns" where start and norm are columns of the slices, "near" where all products have one sum, "apart"
            where that of the first ones has one of its own.
        scale: of the coordinates.
        grid: what the first slices are multiples of.
        reach: squared norm of points, in units of beta, up to which they serve.
        width: coordinates, filled up with 0.
        slices: (n_x, N, 3, width).
    """

    form: str
    scale: float
    grid: float
    reach: float
    width: int
    slices: Tensor

    def split(self, norms: Tensor) -> tuple[Tensor, Tensor]:
        """Norms in bits as multiples of grid^2, and what is left."""
        norms, square = norms.clamp(max=MOST_BITS), self.grid**2
        whole = torch.floor(norms / square + 0.5) * square
        return whole.float(), (norms - whole).float()

    def put(self, whole: Tensor, rest: Tensor) -> None:
        """Set the columns that hold norms; ones and zeros of the points meet them."""
        first = self.width - 3
        high = whole.half()
        middle = (whole - high.float()).half()
        for column, part in enumerate((high, middle, (whole - high.float() - middle.float()).half())):
            self.slices[:, :, 0, first + column] = -part
        self.slices[:, :, 1, first] = -rest.half()


def half_of(centres: Tensor, norms: Tensor) -> Half | None:
    """Centres (n_x, N, d) in slices, with half their squares (n_x, N) in bits; None where errors could be too large.

    The bound was found by trial: it held in all traps, up to a grid of 2^-4.
    """
    passes, n, d = centres.shape
    margin = math.sqrt(d) + MARGIN
    norm = math.sqrt(2 * float(norms.max())) + SCALE * margin
    grid = 2.0 ** math.ceil(math.log2(max(norm * 2**-11.5, (float(centres.abs().max()) + margin) * SCALE * 2**-11)))
    if grid > MOST_GRID or 2.4e-6 + 2.4 * 2**-23 * norm * grid * max(1.0, d / 16) > MOST_ERROR:
        return None
    form = "columns" if d + 6 <= MOST_COLUMNS else "near" if d <= 16 else "apart"
    width = 16 if d <= 16 else 32 if d <= 32 else -(-d // 64) * 64
    slices = torch.zeros(passes, n, 3, width, dtype=torch.float16, device=centres.device)
    some = max(1, SLICED // (n * d))
    for first in range(0, passes, some):
        x, at = centres[first : first + some] * SCALE, slices[first : first + some]
        coarse = torch.floor(x / grid + 0.5) * grid
        middle = (x - coarse).half()
        at[:, :, 0, :d], at[:, :, 1, :d] = coarse.half(), middle
        at[:, :, 2, :d] = (x - coarse - middle.double()).half()
    if form == "columns":
        slices[:, :, 0, -6:-3] = 1.0
    return Half(form, SCALE, grid, (norm / SCALE) ** 2, width, slices)
