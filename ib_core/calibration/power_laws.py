"""Power laws read off measurements: slopes with their standard error, and where a falling curve meets a level."""

import math
from typing import NamedTuple

import numpy as np

from ib_core.estimate import WIDTH

MOST_STEPS = 100
LEAST_INFORMATION = 1.0  # of an exponent: with a standard error of 1 it is none


class Slope(NamedTuple):
    """d ln y / d ln x (or d y / d x) of a straight line through `points` measurements."""

    value: float
    stderr: float
    points: int


def straight_slope(x: np.ndarray, y: np.ndarray, stderr: np.ndarray) -> Slope:
    """Slope of y against x by weighted least squares; NaN for fewer than two points.

    The standard error comes from that of y (k,), widened where the points scatter more about the line than it allows.
    """
    if len(x) < 2:
        return Slope(math.nan, math.nan, len(x))
    weights = 1 / np.square(stderr)
    centred = x - np.average(x, weights=weights)
    spread = float(weights @ centred**2)
    value = float(weights @ (centred * y)) / spread
    residuals = y - np.average(y, weights=weights) - value * centred
    misfit = float(weights @ residuals**2) / (len(x) - 2) if len(x) > 2 else 1.0
    return Slope(value, math.sqrt(max(1.0, misfit) / spread), len(x))


def power_slope(x: np.ndarray, y: np.ndarray, stderr: np.ndarray) -> Slope:
    """Exponent a of y = c x^a for positive x (k,), by weighted least squares in y.

    Points near 0 count as they are, also below it: leaving them out, or taking logarithms, would keep those that chance
    has lifted, and make the exponent too small. NaN where fewer than two points are three standard errors above 0, or
    the exponent has a standard error of 1 or more.
    """
    clear = y > WIDTH * stderr
    none = Slope(math.nan, math.nan, len(x))
    if clear.sum() < 2:
        return none
    scale, weights = np.log(x), 1 / np.square(stderr)
    scale -= scale[clear].mean()
    value = straight_slope(scale[clear], np.log(y[clear]), (stderr / y)[clear]).value
    for _ in range(MOST_STEPS):  # Gauss and Newton's, with c at its best for every a
        shape = np.exp(value * scale)
        share = weights * shape**2
        factor = float((weights * shape) @ y) / float(share.sum())
        residuals = y - factor * shape
        column = factor * shape * (scale - np.average(scale, weights=share))
        information = float(weights @ column**2)
        if information < LEAST_INFORMATION:
            return none
        step = float((weights * column) @ residuals) / information
        value += min(max(step, -0.5), 0.5)
        if abs(step) < 1e-10:
            misfit = float(weights @ residuals**2) / (len(x) - 2) if len(x) > 2 else 1.0
            return Slope(value, math.sqrt(max(1.0, misfit) / information), len(x))
    return none


def crossing(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """Where a falling curve y(x) last goes below `level`, between its points by the chord in ln x and ln y.

    Returns:
        The place; 0 where all of the curve lies below, infinity where its last point lies above.
    """
    above = np.flatnonzero(y > level)
    if not len(above):
        return 0.0
    k = int(above[-1])
    if k == len(y) - 1:
        return math.inf
    share = math.log(y[k] / level) / math.log(y[k] / y[k + 1])
    return float(x[k] * (x[k + 1] / x[k]) ** share)
