"""The deterministic twin of a noisy network: the same weights without noise on any layer."""

import numpy as np
import torch
from torch import Tensor

from ib_core.networks.noisy_network import NoisyNetwork

BLOCK_BYTES = 2**26  # of the signals of the widest layer at a time


@torch.no_grad()
def clean_signals(network: NoisyNetwork, atoms: np.ndarray, layer: int) -> np.ndarray:
    """The signals (N, d_l) float32 of one layer where no layer is noised.

    Args:
        network: whose noise is left out.
        atoms: (N, d_0).
        layer: l, from 1.

    Example:
        >>> module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh(), torch.nn.Linear(2, 2))
        >>> network, atoms = NoisyNetwork(module, ["1"], (3,), [0.1]), np.eye(3, dtype=np.float32)
        >>> bool((clean_signals(network, atoms, 1) == module[:2](torch.eye(3)).detach().numpy()).all())
        True
    """
    found = np.empty((len(atoms), network.widths[layer - 1]), np.float32)
    step = max(1, BLOCK_BYTES // (4 * max(network.widths)))
    for first in range(0, len(atoms), step):
        block = found[first : first + step]

        def keep(number: int, signal: Tensor, block: np.ndarray = block) -> Tensor:
            if number == layer:
                block[:] = signal.reshape(len(block), -1).float().cpu().numpy()
            return signal

        network.propagate(atoms[first : first + step].astype(np.float32), keep)  # as for passes
    return found
