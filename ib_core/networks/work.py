"""How many products of two numbers a pass through a network takes, layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ib_core.networks.hooks import as_inputs, hooked, mode, taps


@torch.no_grad()
def products(module: nn.Module, layers: Sequence[str], x: Tensor) -> tuple[int, ...]:
    """Products in matrices and convolutions of one pass of one input from the start up to each layer.

    Args:
        module: the network, whose named layers are each called once.
        layers: their names.
        x: (n, *input_shape), an input at least.

    Example:
        >>> module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3), nn.Tanh())
        >>> products(module, ["1", "4"], torch.zeros(1, 1, 4, 4))  # 2 x 2 places of 2 channels, 3 x 3 each; 8 x 3 more
        (72, 96)
    """
    found: list[int] = []

    def seen(_: int, signal: Tensor) -> Tensor:
        found.append(counter.get_total_flops() // 2)  # it counts sums too
        return signal

    counter = FlopCounterMode(display=False)
    with mode(module, training=False), hooked(module, taps(module, layers), seen), counter:
        module(as_inputs(module, x[:1]))
    return tuple(found)
