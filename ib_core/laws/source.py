"""Where the input law comes from."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ib_core.laws.input_law import InputLaw
from ib_core.members import Registry


class Source(NamedTuple):
    """A data set, all of whose atoms are enumerated.

    Attributes:
        law: makes the law.
        n_atoms, n_inputs, n_classes: its sizes, known without making it.
        description: one line for people.
        soft_joint: makes the joint law (N, classes) of X and a stochastic label that the data's authors used.
    """

    law: Callable[[], InputLaw]
    n_atoms: int
    n_inputs: int
    n_classes: int
    description: str
    soft_joint: Callable[[], np.ndarray] | None = None


SOURCES = Registry("ib_core.sources", Source)
