"""A measure of a layer beside its information: any numbers made from its signals under a law."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ib_core.laws.input_law import InputLaw
from ib_core.members import Registry


class Measure(NamedTuple):
    """Numbers made from the signals of a layer under a law of their atoms.

    Attributes:
        apply: from signals (N, n_passes, d) float32, the law of their N atoms and beta, each number by its name.
        description: one line for people, with units.
    """

    apply: Callable[[np.ndarray, InputLaw, float], Mapping[str, float]]
    description: str


MEASURES = Registry("ib_core.measures", Measure)
