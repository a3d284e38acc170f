"""Noise in proportion to the signal of each layer."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.networks.hooks import NetworkError
from ib_core.networks.noisy_network import NoisyNetwork

BLOCK_BYTES = 2**24  # of the signals of the widest layer at a time


@torch.no_grad()
def relative_levels(module: nn.Module, layers: Sequence[str], x: Tensor | np.ndarray, beta: float) -> tuple[float, ...]:
    """beta times the root mean square of every layer's signal without noise, over inputs and coordinates.

    Args:
        module: maps inputs to logits.
        layers: names of its submodules in the order of the forward pass.
        x: (n, *input_shape), the reference inputs.
        beta: noise for a signal of root mean square 1.

    Returns:
        The standard deviation of the noise of each layer.

    Raises:
        NetworkError: a layer is 0 on all inputs, or not finite.
    """
    network = NoisyNetwork(module, layers, x.shape[1:], [0.0] * len(layers))
    squares = np.zeros(network.hidden)

    def note(layer: int, signal: Tensor) -> Tensor:
        squares[layer - 1] += float(signal.double().square().sum())
        return signal

    rows = max(BLOCK_BYTES // (8 * max(network.widths)), 1)
    for first in range(0, len(x), rows):
        network.propagate(x[first : first + rows], note)
    levels = beta * np.sqrt(squares / (len(x) * np.array(network.widths)))
    for name, level in zip(network.names, levels, strict=True):
        if not 0 < level < np.inf:
            raise NetworkError(f"layer {name!r} must have a finite signal other than 0 for relative noise, got {level}")
    return tuple(map(float, levels))
