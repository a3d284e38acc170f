"""What a network does after each affine map, and how far its outputs reach."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from ib_core.members import Registry


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


ACTIVATIONS = Registry("ib_core.networks.activations", Activation)
