"""First weights, from streams of the seed alone: the global stream of torch is not touched."""

import math

import numpy as np
import torch
from torch import nn

from ib_core.networks.architecture import Initial
from ib_core.streams import stream


@torch.no_grad()
def draw_weights(module: nn.Module, initial: Initial, seed: int) -> None:
    """Draw the weights and biases of every linear and convolutional submodule.

    Args:
        module: what is initialised, in place.
        initial: "glorot", uniform within sqrt(6 / (fan in + fan out)), biases 0 (Glorot and Bengio 2010); "torch",
            weights and biases uniform within 1 / sqrt(fan in), as torch draws them; "orthogonal", matrices (out, fan
            in) with orthonormal rows or columns, biases 0 (Saxe et al. 2014).
        seed: key of the stream.
    """
    rng = stream(seed, "weights")
    for layer in module.modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d) or layer.bias is None:
            continue
        shape = tuple(layer.weight.shape)
        fan_in, fan_out = math.prod(shape[1:]), shape[0] * math.prod(shape[2:])
        bias = np.zeros(shape[0])
        if initial == "orthogonal":
            weight = _orthogonal(rng, shape[0], fan_in).reshape(shape)
        else:
            bound = math.sqrt(6 / (fan_in + fan_out)) if initial == "glorot" else 1 / math.sqrt(fan_in)
            weight = rng.uniform(-bound, bound, shape)
            if initial == "torch":
                bias = rng.uniform(-bound, bound, shape[0])
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def _orthogonal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Uniform among the matrices with orthonormal rows or columns, whichever are fewer."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))
    return q if rows >= columns else q.T
