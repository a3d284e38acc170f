"""Data sets of the house that are made from a rule."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ib_core.laws.points import Points
from ib_core.members import Registry


class Source(NamedTuple):
    """A data set that is made from a rule.

    Attributes:
        points: makes all of its points.
        description: one line for people.
        soft_joint: makes the joint law (N, classes) of X and a stochastic label that the data's authors used.
    """

    points: Callable[[], Points]
    description: str
    soft_joint: Callable[[], np.ndarray] | None = None


SOURCES = Registry("ib_core.sources", Source)
