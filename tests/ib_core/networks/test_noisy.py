"""Inside `noisy` every call is a noisy pass; afterwards the model is as before."""

import numpy as np
import pytest
import torch
from torch import nn

from ib_core.networks.hooks import NetworkError
from ib_core.networks.noisy import noisy
from ib_core.networks.noisy_network import NoisyNetwork


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)).eval()


X = torch.zeros(5, 3)


@pytest.mark.parametrize(
    ("beta", "expected"), [(0.2, (0.2, 0.2)), ([0.1, 0.5], (0.1, 0.5)), (np.float32(0.2), (0.2, 0.2))]
)
def test_noise_has_the_level_of_each_layer(beta, expected):
    net, n = model(), 20_000
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.zero_()  # so that each layer has its own noise alone
    inputs, found = torch.zeros(n, 3), []
    handles = []
    with noisy(net, ["1", "3"], beta, seed=0):
        for each in (net[1], net[3]):  # registered later, so that they see what the noise has left
            handles.append(each.register_forward_hook(lambda module, args, output: found.append(output.detach())))
        net(inputs)
    for handle in handles:
        handle.remove()
    for level, hidden in zip(expected, found, strict=True):
        spread = (hidden - hidden.mean(0)).std(0)
        assert (spread / level - 1).abs().max() < 4 / np.sqrt(2 * n)
        normed = (hidden - hidden.mean(0)) / spread
        assert ((normed**4).mean(0) - 3).abs().max() < 4 * np.sqrt(96 / n)
        assert np.abs(np.corrcoef(normed.T.numpy()) - np.eye(4)).max() < 4.5 / np.sqrt(n)


def test_noise_is_that_of_the_seed_and_new_at_every_call():
    net = model()
    clean = net(X)
    with noisy(net, ["1", "3"], 0.3, seed=5):
        first, second = net(X), net(X)
    with noisy(net, ["1", "3"], 0.3, seed=5):
        again = net(X), net(X)
    with noisy(net, ["1", "3"], 0.3, seed=6):
        other = net(X)
    assert torch.equal(first, again[0]) and torch.equal(second, again[1])
    assert not torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(net(X), clean)


def test_gradients_pass_and_the_mode_is_the_models_own():
    net = model().train()
    with noisy(net, ["1"], 0.1, seed=0) as inside:
        assert inside is net and net.training
        net(X).sum().backward()
    assert net[0].bias.grad.abs().sum() > 0


def test_nothing_is_left_after_an_error_and_nesting_is_refused():
    net = model()
    outer = nn.Sequential(nn.Identity(), net)
    network = NoisyNetwork(net, ["1"], (3,), [0.1])
    with noisy(net, ["1"], 0.1, seed=0):
        for nested in (lambda: noisy(net, ["3"], 0.1, seed=0), lambda: noisy(outer, ["0"], 0.1, seed=0)):
            with pytest.raises(NetworkError, match="cannot be nested"), nested():
                pass
        with pytest.raises(NetworkError, match="cannot be nested"):
            network.clean(X)
        noised = net(X)
    assert not torch.equal(noised, net(X)) and torch.equal(network.clean(X), net(X))
    with pytest.raises(RuntimeError), noisy(net, ["1", "3"], 0.1, seed=0):
        net(torch.zeros(2, 8))
    assert not any(each._forward_hooks for each in outer.modules())


@pytest.mark.parametrize("beta", [-0.1, [0.1], [0.1, 0.1, 0.1], float("nan"), float("inf")])
def test_a_level_that_is_none_is_refused(beta):
    message = "beta must be a number or one for each of 2 layers"
    with pytest.raises(NetworkError, match=message), noisy(model(), ["1", "3"], beta):
        pass
