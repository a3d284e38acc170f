"""Training of a noisy network, one epoch at a time, so that it can stop and go on with the same bits."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ib_core.networks.network import NoisyNetwork
from ib_core.streams import stream


def split(n: int, train_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of a random training part and of the rest, both sorted."""
    order = stream(seed, "split").permutation(n)
    cut = round(train_fraction * n)
    return np.sort(order[:cut]), np.sort(order[cut:])


def train_epoch(
    network: NoisyNetwork, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, batch: int, seed: int, epoch: int
) -> None:
    """One epoch of minibatch gradient descent on the cross-entropy of noisy passes.

    Batches and noise depend on (seed, epoch) alone: resumed at a checkpoint, training gives the bits of an undisturbed
    one.
    """
    rng = stream(seed, "epoch", epoch)
    noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
    for chosen in torch.from_numpy(rng.permutation(len(x))).split(batch):
        optimizer.zero_grad()
        cross_entropy(network(x[chosen], noise), y[chosen]).backward()
        optimizer.step()


@torch.no_grad()
def evaluate(
    network: NoisyNetwork, x: Tensor, y: Tensor, seed: int, epoch: int, n_passes: int = 4
) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy of `n_passes` noisy passes."""
    noise = torch.Generator().manual_seed(int(stream(seed, "evaluate", epoch).integers(2**62)))
    logits = network(x.repeat(n_passes, 1), noise)
    target = y.repeat(n_passes)
    return float(cross_entropy(logits, target)), float((logits.argmax(1) == target).double().mean())
