"""The convolutional network: S_l = activation(W_l * pool(T_{l-1}) + b_l), then dense layers."""

from collections import OrderedDict

from torch import nn
from torch.nn.utils import skip_init

from ib_core.networks.activation import ACTIVATIONS, ActivationLayer
from ib_core.networks.architecture import Architecture, Spec
from ib_core.networks.architectures.mlp import add_dense
from ib_core.networks.initial import draw_weights


def build_cnn(spec: Spec, seed: int) -> tuple[nn.Sequential, tuple[str, ...]]:
    """Convolutions that keep height and width, each noised after its activation and then pooled, and dense layers.

    Args:
        spec: whose inputs are images.
        seed: of the initial weights.

    Returns:
        The module and the names act1, act2, ... of its hidden layers.

    Raises:
        ValueError: there are no `channels`, the inputs are no images or too small to be pooled, the kernel is even.

    Source: the network of Goldfeld et al., Estimating information flow in deep neural networks, ICML 2019.
    """
    shape, kernel = spec.input_shape, spec.kernel
    if not spec.channels:
        raise ValueError("channels must name at least one convolutional layer of a cnn, got none")
    if len(shape) not in (2, 3):
        raise ValueError(f"a cnn needs images (height, width) or (channels, height, width), got shape {shape}")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel must be odd, got {kernel}")
    below, height, width = (1, *shape)[-3:]
    least = 2 ** len(spec.channels)
    if min(height, width) < least:
        raise ValueError(f"{len(spec.channels)} poolings need images of at least {least} x {least}, got shape {shape}")
    found, parts = ACTIVATIONS.find(spec.activation), OrderedDict[str, nn.Module]()
    if len(shape) == 2:
        parts["channel"] = nn.Unflatten(1, (1, height))
    for layer, channels in enumerate(spec.channels, 1):
        parts[f"conv{layer}"] = skip_init(nn.Conv2d, below, channels, kernel, padding=kernel // 2)
        if spec.batch_norm:
            parts[f"norm{layer}"] = nn.BatchNorm2d(channels)
        parts[f"act{layer}"] = ActivationLayer(found)
        parts[f"pool{layer}"] = nn.MaxPool2d(2)
        below, height, width = channels, height // 2, width // 2
    parts["flatten"] = nn.Flatten()
    names = add_dense(parts, below * height * width, spec)
    module = nn.Sequential(parts)
    draw_weights(module, spec.initial, seed)
    return module, names


cnn = Architecture(build_cnn, "convolutions with pooling behind each, then dense layers")
