"""What a network does after each affine map, and how far its outputs reach."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from ib_core.members import member, names

ROOM = "ib_core.networks.activations"


class Activation(NamedTuple):
    """A function of Lipschitz constant 1, applied to each coordinate.

    Attributes:
        apply: the function.
        half_width: |S_j| is at most this, which capacities and several bounds need; None where there is no bound.
    """

    apply: Callable[[Tensor], Tensor]
    half_width: float | None


def activation(name: str) -> Activation:
    """A built-in activation by its name, or one of a user's own module by `module.name`.

    Raises:
        KeyError: there is none; the message says what would be one.
        TypeError: what has this name is none.
    """
    return member(ROOM, name, Activation)


def activations() -> tuple[str, ...]:
    """Names of the built-in ones."""
    return names(ROOM)
