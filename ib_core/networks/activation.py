"""What a network does after each affine map, and how far its outputs reach."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from ib_core.members import member, names

ROOM = "ib_core.networks.activations"


class Activation(NamedTuple):
    """A function that is applied to each coordinate.

    Attributes:
        apply: the function.
        half_width: every S_j lies in an interval of twice this length, which capacities and several bounds need; None
            where there is none.
        lipschitz: a Lipschitz constant of the function.
    """

    apply: Callable[[Tensor], Tensor]
    half_width: float | None
    lipschitz: float = 1.0


class ActivationLayer(nn.Module):
    """An activation as a module of its own, whose output can be noised by its name."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation.apply(x)


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
