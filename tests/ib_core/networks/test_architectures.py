"""The networks that are built here have the layers of the papers, and first weights from the seed alone."""

import numpy as np
import pytest
import torch
from torch import nn

from ib_core.networks.activation import ACTIVATIONS
from ib_core.networks.architecture import ARCHITECTURES, Spec
from ib_core.networks.checks import check
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import noisy_passes

IMAGES = np.random.default_rng(0).random((3, 28 * 28))


def built(kind, spec, seed=0):
    module, layers = ARCHITECTURES.find(kind).build(spec, seed)
    return NoisyNetwork(module, layers, spec.input_shape, [0.1] * len(layers))


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28)])
def test_the_cnn_has_the_layers_of_the_papers(shape):
    network = built("cnn", Spec(shape, 10, (128,), "tanh", channels=(16, 32), batch_norm=True))
    assert network.shapes == ((16, 28, 28), (32, 14, 14), (128,)) and network.widths == (12544, 6272, 128)
    assert network.half_widths == (1.0, 1.0, 1.0) and network.cuts == (True, True, True)
    kinds = [type(each).__name__ for each in network.module if type(each).__name__ != "Unflatten"]
    block = ["Conv2d", "BatchNorm2d", "ActivationLayer", "MaxPool2d"]
    assert kinds == [*block, *block, "Flatten", "Linear", "BatchNorm1d", "ActivationLayer", "Linear"]
    check(network.module, network.names, IMAGES.reshape(3, *shape), classes=10)
    passes = noisy_passes(network, IMAGES, 2, seed=0, purpose="stored")
    assert [each.shape for each in passes.signals] == [(3, 1, 12544), (3, 2, 6272), (3, 2, 128)]
    assert passes.logits.shape == (3, 2, 10)


def test_images_are_flattened_for_an_mlp_and_batch_norm_stands_before_the_activation():
    network = built("mlp", Spec((4, 5), 3, (7, 2), "leaky_relu", batch_norm=True))
    assert network.widths == (7, 2) and network.half_widths == (None, None)
    kinds = [type(each).__name__ for each in network.module]
    assert kinds == ["Flatten", *["Linear", "BatchNorm1d", "ActivationLayer"] * 2, "Linear"]
    assert network.clean(np.zeros((6, 20))).shape == (6, 3)
    x = torch.linspace(-2, 2, 9)
    torch.testing.assert_close(ACTIVATIONS.find("leaky_relu").apply(x), torch.where(x > 0, x, 0.01 * x))


@pytest.mark.parametrize("kind", ARCHITECTURES.names)
@pytest.mark.parametrize("initial", ["glorot", "torch", "orthogonal"])
def test_first_weights_are_those_of_the_seed_and_leave_torchs_stream(kind, initial):
    spec = Spec((8, 8), 10, (30, 20), "tanh", (6, 8) if kind == "cnn" else (), 3, False, initial)
    state = torch.get_rng_state()
    one, same, other = (ARCHITECTURES.find(kind).build(spec, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    layers = [each for each in one.modules() if isinstance(each, nn.Linear | nn.Conv2d)]
    for name, each in one.state_dict().items():
        assert torch.equal(each, same.state_dict()[name])
        assert not each.any() or not torch.equal(each, other.state_dict()[name])
    for layer in layers:
        weight, fan_in = layer.weight.detach().double(), layer.weight[0].numel()
        matrix = weight.flatten(1)
        if initial == "orthogonal":
            gram = matrix @ matrix.T if len(matrix) <= fan_in else matrix.T @ matrix
            torch.testing.assert_close(gram, torch.eye(len(gram)).double(), rtol=0, atol=1e-6)
            continue
        fan_out = len(matrix) * weight[0, 0].numel()
        bound = np.sqrt(6 / (fan_in + fan_out)) if initial == "glorot" else fan_in**-0.5
        assert 0.8 * bound < weight.abs().max() <= bound * (1 + 1e-6)
        assert float(weight.square().mean()) == pytest.approx(bound**2 / 3, rel=4 * np.sqrt(0.8 / weight.numel()))
        assert bool(layer.bias.any()) == (initial == "torch") and layer.bias.abs().max() <= bound * (1 + 1e-6)


def test_orthogonal_weights_favour_no_sign():
    spec = Spec((4,), 2, (4,), "tanh", initial="orthogonal")
    first = [ARCHITECTURES.find("mlp").build(spec, seed)[0].linear1.weight.detach()[0, 0] for seed in range(40)]
    assert 8 <= sum(map(bool, np.array(first) > 0)) <= 32  # within 4 standard deviations of 20


@pytest.mark.parametrize(
    ("kind", "spec", "message"),
    [
        ("mlp", Spec((8,), 2, (4,), "tanh", (3,)), "channels must be empty for an mlp"),
        ("cnn", Spec((8, 8), 2, (4,), "tanh"), "at least one convolutional layer"),
        ("cnn", Spec((64,), 2, (4,), "tanh", (3,)), "images \\(height, width\\) or .*, got shape \\(64,\\)"),
        ("cnn", Spec((8, 8), 2, (4,), "tanh", (3,), kernel=4), "kernel must be odd, got 4"),
        ("cnn", Spec((8, 3), 2, (4,), "tanh", (3, 3)), "2 poolings need images of at least 4 x 4"),
    ],
)
def test_what_cannot_be_built_is_one_line(kind, spec, message):
    with pytest.raises(ValueError, match=message):
        ARCHITECTURES.find(kind).build(spec, 0)


def test_a_cnn_without_dense_layers_ends_in_its_read_out():
    network = built("cnn", Spec((2, 9, 7), 3, (), "relu", (4,), 3))
    assert network.shapes == ((4, 9, 7),) and network.clean(np.zeros((2, 126))).shape == (2, 3)
