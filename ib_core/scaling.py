"""Power laws read off measurements: slopes with their standard error, and where a falling curve meets a level."""

import math
from typing import NamedTuple

import numpy as np


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
    """Exponent a of y = c x^a for positive x and y (k,)."""
    return straight_slope(np.log(x), np.log(y), stderr / y)


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
