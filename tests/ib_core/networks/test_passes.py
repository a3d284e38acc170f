"""The noisy network: noise of the right size at the right place."""

import itertools

import numpy as np
import pytest
import torch

from ib_core import arrays
from ib_core.networks.activation import ACTIVATIONS
from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import noisy_passes, own_signals
from ib_core.sources import szt

LAW = szt.law()


def mlp(widths, activation, beta, seed):
    module, layers = build_mlp(Spec((widths[0],), widths[-1], tuple(widths[1:-1]), activation), seed)
    return NoisyNetwork(module, layers, (widths[0],), [beta] * len(layers))


def network(beta=0.3, seed=0, activation="tanh"):
    return mlp([12, 6, 4, 2], activation, beta, seed)


def linears(net):
    return [each for each in net.module.modules() if isinstance(each, torch.nn.Linear)]


def test_the_first_signal_is_a_function_of_the_input():
    net = network()
    passes = noisy_passes(net, LAW.atoms[:600], 3, seed=1, purpose="stored")
    layer = linears(net)[0]
    expected = np.tanh(LAW.atoms[:600] @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
    assert passes.signals[0].shape == (600, 1, 6)
    assert np.abs(passes.signals[0][:, 0] - expected).max() < 1e-6


def test_the_second_layer_hears_noise_of_standard_deviation_beta():
    # With the second layer's weights set to the identity on small signals, its passes spread like the noise.
    net = mlp([12, 4, 4, 2], "relu", 0.2, 0)
    with torch.no_grad():
        linears(net)[1].weight.copy_(torch.eye(4))
        linears(net)[1].bias.fill_(10)  # far from the kink
    passes = noisy_passes(net, LAW.atoms[:200], 400, seed=3, purpose="stored")
    spread = passes.signals[1].std(axis=1, ddof=1)
    # 800 spreads of 400 draws: their root mean square has relative error 1 / sqrt(2 * 800 * 399).
    assert np.sqrt((spread**2).mean()) == pytest.approx(0.2, rel=4 / np.sqrt(2 * 800 * 399))


def linear_network(beta):
    """Rectifiers far above their kink: the network, and its weights (4, 12), (4, 4) and (2, 4)."""
    net = mlp([12, 4, 4, 2], "relu", beta, 0)
    with torch.no_grad():
        linears(net)[0].bias.fill_(20)
        linears(net)[1].bias.fill_(200)
    return net, [layer.weight.detach().double().numpy() for layer in linears(net)]


@pytest.mark.parametrize("way", ["forward", "passes"])
def test_logits_of_a_linear_network_are_gaussian_with_the_noise_of_every_hidden_layer(way):
    beta, n = 0.5, 20_000
    net, (first, second, last) = linear_network(beta)
    net.levels = (beta, 0.2)
    x = LAW.atoms[[77]]
    if way == "forward":
        with torch.no_grad():
            logits = net(torch.from_numpy(x).float().repeat(n, 1), torch.Generator().manual_seed(1)).numpy()
    else:
        logits = noisy_passes(net, x, n, seed=1, purpose="stored").logits[0]
    mean = last @ (second @ (first @ x[0] + 20) + 200)
    root = np.hstack([0.2 * last, beta * last @ second])  # the noise of layer 2, and that of layer 1
    covariance, spread = root @ root.T, np.sqrt(np.square(root).sum(1))
    assert (np.abs(logits.mean(0) - mean) < 4 * spread / np.sqrt(n) + 1e-3).all()
    assert np.abs(np.cov(logits.T) - covariance).max() < 4 * (spread**2).max() * np.sqrt(2 / n)


def test_first_weights_are_uniform_within_the_bound_of_glorot_and_biases_are_0():
    net = mlp([300, 100, 50, 2], "tanh", 0.1, 0)
    for layer, bound in zip(linears(net), (np.sqrt(6 / 400), np.sqrt(6 / 150), np.sqrt(6 / 52)), strict=True):
        weights = layer.weight.detach().numpy()
        assert 0.9 * bound < np.abs(weights).max() <= bound * (1 + 1e-6) and not layer.bias.any()
        assert np.square(weights).mean() == pytest.approx(bound**2 / 3, rel=4 * np.sqrt(0.8 / weights.size))
    other = mlp([300, 100, 50, 2], "tanh", 0.1, 1)
    assert all((a.weight != b.weight).any() for a, b in zip(linears(net), linears(other), strict=True))


@pytest.mark.parametrize("name", ACTIVATIONS.names)
def test_activations_have_the_slope_and_the_half_width_that_they_say(name):
    x = torch.cat([torch.tensor([-1e6]), torch.linspace(-5, 5, 2001), torch.tensor([1e6])]).double()
    y = ACTIVATIONS.find(name).apply(x)
    slopes = y.diff() / x.diff()
    assert slopes.max() == pytest.approx(ACTIVATIONS.find(name).lipschitz, rel=1e-4) and slopes.min() >= 0
    half_width = ACTIVATIONS.find(name).half_width
    assert y[-1] > 1e5 if half_width is None else (y[-1] - y[0]) / 2 == pytest.approx(half_width)


def test_passes_do_not_depend_on_how_many_atoms_follow():
    few = noisy_passes(network(), LAW.atoms[:700], 2, seed=5, purpose="fresh")
    many = noisy_passes(network(), LAW.atoms, 2, seed=5, purpose="fresh")
    assert all((a == b[:700]).all() for a, b in zip(few.signals, many.signals, strict=True))


def test_passes_of_other_purposes_seeds_and_blocks_are_independent_streams():
    stored, fresh = (noisy_passes(network(), LAW.atoms[:10], 2, 5, purpose) for purpose in ("stored", "fresh"))
    other = noisy_passes(network(), LAW.atoms[:10], 2, 6, "stored")
    assert (stored.signals[1] != fresh.signals[1]).all() and (stored.signals[1] != other.signals[1]).all()
    alike = noisy_passes(network(), LAW.atoms[np.zeros(600, int)], 1, 5, "stored").signals[1]
    assert len(np.unique(alike[:, 0, 0])) > 590


def test_own_passes_are_those_of_their_family_whatever_block_is_asked_for():
    family = own_signals(network(), LAW.atoms[:700], 2, 5, seed=3)
    whole = noisy_passes(network(), LAW.atoms[:700], 5, seed=3, purpose="own").signals[1]
    assert family.n_passes == 5 and family.size == 512
    for first, last in ((0, 512), (512, 700), (30, 33), (600, 601)):
        np.testing.assert_array_equal(family.of(first, last), whole[first:last])
    other = own_signals(network(), LAW.atoms[:9], 2, 5, seed=3, purpose="directions").of(0, 9)
    expected = noisy_passes(network(), LAW.atoms[:9], 5, seed=3, purpose="directions").signals[1]
    np.testing.assert_array_equal(other, expected)


def test_own_passes_of_a_few_atoms_do_not_depend_on_the_others_and_are_independent_families():
    net = mlp([12, 6, 5, 4, 2], "tanh", 0.3, 0)
    family = own_signals(net, LAW.atoms, 3, 5, seed=3)
    few, some = family.heavy(np.array([7]), 400, 0), family.heavy(np.array([2, 7, 600]), 400, 0)
    assert some.shape == (3, 400, 4)
    np.testing.assert_array_equal(few[0], some[1])
    families = [
        some,
        family.heavy(np.array([2, 7, 600]), 400, 1),
        np.broadcast_to(family.of(0, 512)[2:3, :1], (3, 1, 4)),
    ]
    assert all((a[:, :1] != b[:, :1]).all() for a, b in itertools.combinations(families, 2))
    # All have one law: means over 400 passes differ by what such means may.
    error = np.hypot(families[0].std(1), families[1].std(1)) / 20
    assert (np.abs(families[0].mean(1) - families[1].mean(1)) < 5 * error).all()
    assert len({tuple(row) for row in some[:, 0]}) == 3


@pytest.mark.parametrize(
    ("layer", "n_passes", "message"),
    [(0, 5, "layers 1 to 2"), (1, 5, "1 for the first layer, got 5"), (3, 5, "got 3"), (2, 0, "n_passes")],
)
def test_own_passes_are_refused_where_there_are_none(layer, n_passes, message):
    with pytest.raises(ValueError, match=message):
        own_signals(network(), LAW.atoms, layer, n_passes, seed=3)


def test_lipschitz_constants_are_never_exceeded():
    net = network()
    constants = net.lipschitz()
    rng = np.random.default_rng(0)
    moved = LAW.atoms + 0.1 * rng.standard_normal(LAW.atoms.shape)
    a, b = (noisy_passes(net, atoms, 2, seed=0, purpose="stored") for atoms in (LAW.atoms, moved))
    step = np.linalg.norm(moved - LAW.atoms, axis=1)[:, None]
    for constant, x, y in zip(constants, a.signals, b.signals, strict=True):
        assert (np.linalg.norm(x - y, axis=2) <= constant * step * (1 + 1e-4) + 1e-6).all()


def test_the_lipschitz_constant_of_a_linear_layer_behind_a_rotation_is_attained():
    net, (first, _, _) = linear_network(0.3)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    with torch.no_grad():
        linears(net)[1].weight.copy_(torch.from_numpy(2 * rotation))
    steepest = np.linalg.svd(first)[2][0]
    a, b = (noisy_passes(net, x[None], 1, seed=0, purpose="stored") for x in (LAW.atoms[9], LAW.atoms[9] + steepest))
    attained = [float(np.linalg.norm(x - y)) for x, y in zip(a.signals, b.signals, strict=True)]
    assert net.lipschitz() == pytest.approx(attained, rel=1e-4)  # hidden layers only


@pytest.fixture
def device(monkeypatch):
    """A name under which torch's CPU is a device like any other."""
    monkeypatch.setattr(arrays, "resident", lambda device: device is not None)
    return "cpu"


def test_passes_made_on_a_device_stay_there_and_are_of_the_networks_law(device):
    # A linear network: the second layer's passes are Gaussian around W2 s1 + b2 with covariance beta^2 W2 W2'.
    beta, count = 0.3, 4000
    net, (first, second, _) = linear_network(beta)
    own = own_signals(net, LAW.atoms[:40], 2, count, seed=5, device=device)
    block = own.of(0, 40)
    assert isinstance(block, torch.Tensor) and block.shape == (40, count, 4)
    assert torch.equal(own.of(0, 40), block)
    heavy = own.heavy(np.array([3, 17]), count, 1)
    assert isinstance(heavy, torch.Tensor) and heavy.shape == (2, count, 4)
    bias = [layer.bias.detach().double().numpy() for layer in linears(net)]
    means = (LAW.atoms[:40] @ first.T + bias[0]) @ second.T + bias[1]
    covariance = beta**2 * second @ second.T
    for signals, mean in ((block, means), (heavy, means[[3, 17]])):
        offsets = signals.double().numpy() - mean[:, None]
        number = offsets.shape[0] * count
        spread = np.sqrt(np.diag(covariance))
        assert np.abs(offsets.mean((0, 1)) / spread).max() < 4.5 / np.sqrt(number)
        found = np.einsum("nki,nkj->ij", offsets, offsets) / number
        assert np.abs((found - covariance) / np.outer(spread, spread)).max() < 4.5 * np.sqrt(2 / number)


def test_passes_on_a_device_do_not_depend_on_how_many_atoms_there_are(device):
    net = network()
    own = own_signals(net, LAW.atoms[:700], 2, 5, seed=5, device=device)
    alone = own_signals(net, LAW.atoms[:520], 2, 5, seed=5, device=device)
    assert torch.equal(own.of(0, 512), alone.of(0, 512)) and torch.equal(own.of(512, 520), alone.of(512, 520))
    other = own_signals(net, LAW.atoms[:520], 2, 5, seed=5, purpose="measured", device=device)
    assert not torch.equal(other.of(0, 512), alone.of(0, 512))


def test_a_network_on_a_device_leaves_the_given_one_where_it_is():
    net = network()
    there = net.on("meta")
    assert {each.device.type for each in there.module.parameters()} == {"meta"}
    assert {each.device.type for each in net.module.parameters()} == {"cpu"}
    assert there.places[0].module is not net.places[0].module and there.cuts == net.cuts
