"""The noisy network: T_0 = X, S_l = f_l(T_{l-1}), T_l = S_l + Z_l with Z_l ~ N(0, beta^2 I)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ib_core.members import Registry
from ib_core.networks.activation import ACTIVATIONS


class NoisyNetwork(nn.Module, ABC):
    """A network with Gaussian noise on every hidden layer and none on the read-out.

    X -> T_1 -> ... -> T_L is a Markov chain: a signal S_l is a function of T_{l-1} alone.

    Args:
        hidden: number L of hidden layers.
        beta: standard deviation of the noise.
    """

    def __init__(self, hidden: int, beta: float) -> None:
        super().__init__()
        self.hidden, self.beta = hidden, beta

    @abstractmethod
    def signal(self, layer: int, below: Tensor) -> Tensor:
        """S_l (..., d_l) of T_{l-1} (..., d_{l-1}), for l = 1..L."""

    @abstractmethod
    def read_out(self, top: Tensor) -> Tensor:
        """Logits (..., classes) of T_L."""

    @abstractmethod
    def lipschitz(self) -> list[float]:
        """A Lipschitz constant of X -> S_l without noise, for each hidden layer."""

    def forward(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """Logits (n, classes) of inputs (n, d_0) after one noisy pass."""
        hidden = x
        for layer in range(1, self.hidden + 1):
            signal = self.signal(layer, hidden)
            hidden = signal + self.beta * torch.randn(signal.shape, generator=noise)
        return self.read_out(hidden)


class Architecture(NamedTuple):
    """A kind of noisy network.

    Attributes:
        build: makes one with the initial weights of a seed, from the widths (d_0, d_1, ..., d_L, classes), the name of
            an activation, beta and the seed.
        description: one line for people.
        bounded: whether every signal is what the activation gives, so that it reaches no further.
    """

    build: Callable[[Sequence[int], str, float, int], NoisyNetwork]
    description: str
    bounded: bool


ARCHITECTURES = Registry("ib_core.networks.architectures", Architecture)


def half_width(architecture_name: str, activation_name: str) -> float | None:
    """|S_j| is at most this in every hidden layer; None where there is no bound."""
    return ACTIVATIONS.find(activation_name).half_width if ARCHITECTURES.find(architecture_name).bounded else None
