"""What a network does after each affine map, and how far its outputs reach."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from ib_core.members import Registry


class Activation(NamedTuple):
    """A function of Lipschitz constant 1, applied to each coordinate.

    Attributes:
        apply: the function.
        half_width: |S_j| is at most this, which capacities and several bounds need; None where there is no bound.
    """

    apply: Callable[[Tensor], Tensor]
    half_width: float | None


ACTIVATIONS = Registry("ib_core.networks.activations", Activation)
