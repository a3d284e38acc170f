"""The multilayer perceptron: S_l = activation(W_l T_{l-1} + b_l)."""

import math
from collections import OrderedDict

from torch import nn
from torch.nn.utils import skip_init

from ib_core.networks.activation import ACTIVATIONS, ActivationLayer
from ib_core.networks.architecture import Architecture, Spec
from ib_core.networks.initial import draw_weights


def build_mlp(spec: Spec, seed: int) -> tuple[nn.Sequential, tuple[str, ...]]:
    """Affine maps of the flattened input, each but the last with the activation behind it.

    Args:
        spec: of which `channels` must be empty.
        seed: of the initial weights.

    Returns:
        The module and the names act1, act2, ... of its hidden layers.

    Raises:
        ValueError: `channels` are given.

    Example:
        >>> import torch
        >>> module, layers = build_mlp(Spec((12,), 2, (4, 3), "tanh"), seed=0)
        >>> layers, module(torch.zeros(5, 12)).shape
        (('act1', 'act2'), torch.Size([5, 2]))
    """
    if spec.channels:
        raise ValueError(f"channels must be empty for an mlp, got {spec.channels}")
    parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    names = add_dense(parts, math.prod(spec.input_shape), spec)
    module = nn.Sequential(parts)
    draw_weights(module, spec.initial, seed)
    return module, names


def add_dense(parts: OrderedDict[str, nn.Module], below: int, spec: Spec) -> tuple[str, ...]:
    """Add the dense hidden layers and the read-out; the names of all hidden layers so far."""
    found, hidden = ACTIVATIONS.find(spec.activation), len(spec.channels)
    for layer, width in enumerate(spec.widths, hidden + 1):
        parts[f"linear{layer}"] = skip_init(nn.Linear, below, width)
        if spec.batch_norm:
            parts[f"norm{layer}"] = nn.BatchNorm1d(width)
        parts[f"act{layer}"], below = ActivationLayer(found), width
    parts["readout"] = skip_init(nn.Linear, below, spec.classes)
    return tuple(f"act{layer}" for layer in range(1, hidden + len(spec.widths) + 1))


mlp = Architecture(build_mlp, "affine maps, each with the activation behind it")
