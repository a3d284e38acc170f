"""Where the input law comes from."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ib_core.laws.input_law import InputLaw
from ib_core.members import member, names

ROOM = "ib_core.sources"


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


def source(name: str) -> Source:
    """A built-in source by its name, or one of a user's own module by `module.name`.

    Raises:
        KeyError: there is none; the message says what would be one.
        TypeError: what has this name is none.
    """
    return member(ROOM, name, Source)


def sources() -> tuple[str, ...]:
    """Names of the built-in ones."""
    return names(ROOM)
