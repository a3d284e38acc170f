"""Three interleaved spirals in the plane, on which the sample-propagation estimator was first shown."""

import numpy as np

from ib_core.laws.points import Points
from ib_core.laws.source import Source
from ib_core.streams import stream

CLASSES, PER_CLASS = 3, 1000
TURN, BLUR = 4.0, 0.2  # radians from the centre to the rim, and the standard deviation of the angle


def points() -> Points:
    """3000 points: radius r from 0 to 1, angle 4 (class + r) plus Gaussian noise; y is the class.

    Source: after Goldfeld et al., arXiv:1810.11589 (three classes, 2-D); the rule of the arms is the common one of
    teaching material, as the paper does not print its own.
    """
    radius = np.linspace(0, 1, PER_CLASS)
    y = np.repeat(np.arange(CLASSES), PER_CLASS)
    r = np.tile(radius, CLASSES)
    angle = TURN * (y + r) + BLUR * stream(0, "spiral").standard_normal(len(y))
    return Points(np.stack([r * np.sin(angle), r * np.cos(angle)], axis=1), y)


spiral = Source(points, "3000 points on three interleaved spirals in the plane, after Goldfeld et al. (2019)")
