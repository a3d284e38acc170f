"""Which layers are cuts: all that is behind them depends on the input through them alone."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from ib_core.networks.noisy_network import NoisyNetwork


def cuts(network: "NoisyNetwork", x: Tensor | np.ndarray) -> tuple[bool, ...]:
    """Whether each layer separates the input from all later layers and the read-out.

    Data processing, I(X;T_l) <= I(X;T_k), and the chain of capacities hold behind a layer k only where it is a cut. A
    skip connection that passes it by carries its input past its noise, and a layer inside a residual branch is none.

    T_k is frozen to a constant: it is a cut if no later signal moves with x, to the bit, and none is connected with x
    in the graph of derivatives, where a path that happens to carry nothing at these weights is found too.

    Args:
        network: in which layers are frozen.
        x: (n, d_0) or (n, *input_shape), some inputs that differ.

    Returns:
        One flag for each layer.
    """
    here = network.inputs(x).detach()
    return tuple(_is_cut(network, here, layer) for layer in range(1, network.hidden + 1))


def _is_cut(network: "NoisyNetwork", x: Tensor, layer: int) -> bool:
    """The rows of `x` change places while the frozen layer does not."""
    frozen: list[Tensor] = []

    def behind(x: Tensor) -> list[Tensor]:
        found = []

        def freeze(number: int, signal: Tensor) -> Tensor:
            if number > layer:
                found.append(signal)
            if number == layer:
                frozen.append(signal.detach())
                return frozen[0].clone()
            return signal

        found.append(network.propagate(x, freeze))
        return found

    with torch.enable_grad():
        traced = x.clone().requires_grad_()
        first = behind(traced)
        if any(each.requires_grad and _is_connected(each, traced) for each in first):
            return False
    with torch.no_grad():
        second = behind(x.roll(1, 0))
    return all(torch.equal(a.detach(), b) for a, b in zip(first, second, strict=True))


def _is_connected(output: Tensor, x: Tensor) -> bool:
    (slope,) = torch.autograd.grad(output.sum(), x, allow_unused=True, retain_graph=True)
    return slope is not None
