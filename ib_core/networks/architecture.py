"""The networks that are built here: a plain module from a few settings, with the names of its hidden layers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import nn

from ib_core.members import Registry

Initial = Literal["glorot", "torch", "orthogonal"]


@dataclass(frozen=True)
class Spec:
    """What an architecture is built from.

    Attributes:
        input_shape: of one input: (d_0,), (height, width) or (channels, height, width).
        classes: outputs of the read-out.
        widths: of the dense hidden layers.
        activation: name of one, see `ib_core.networks.activation`.
        channels: of the convolutional hidden layers, where the architecture has such.
        kernel: their width and height, odd.
        batch_norm: whether every hidden layer is normalised before its activation.
        initial: how the first weights are drawn, see `ib_core.networks.initial`.
    """

    input_shape: tuple[int, ...]
    classes: int
    widths: tuple[int, ...]
    activation: str
    channels: tuple[int, ...] = ()
    kernel: int = 5
    batch_norm: bool = False
    initial: Initial = "glorot"


class Architecture(NamedTuple):
    """A kind of network.

    Attributes:
        build: makes a module with the initial weights of a seed, and names those of its submodules whose outputs are
            the hidden layers, in the order of the forward pass.
        description: one line for people.
    """

    build: Callable[[Spec, int], tuple[nn.Module, tuple[str, ...]]]
    description: str


ARCHITECTURES = Registry("ib_core.networks.architectures", Architecture)
