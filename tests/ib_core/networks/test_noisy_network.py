"""Noise by hooks is noise in the formula, wherever in a module the layers are, and the module stays as it is."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ib_core.estimators.sample_propagation import layer_information
from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.checks import check_digits
from ib_core.networks.hooks import NetworkError
from ib_core.networks.levels import relative_levels
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import atom_block, noisy_passes, own_signals, pass_blocks
from ib_core.streams import bulk_stream

X = np.random.default_rng(0).normal(size=(7, 6))


class Residual(nn.Module):
    """h + tanh(W h) behind a first tanh; `out` is behind the sum."""

    def __init__(self):
        super().__init__()
        self.first, self.act = nn.Linear(6, 5), nn.Tanh()
        self.second, self.inner, self.out = nn.Linear(5, 5), nn.Tanh(), nn.Tanh()
        self.read = nn.Linear(5, 2)

    def forward(self, x):
        h = self.act(self.first(x))
        return self.read(self.out(h + self.inner(self.second(h))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.act, self.read = nn.GRU(2, 4, batch_first=True), nn.Tanh(), nn.Linear(4, 2)

    def forward(self, x):
        return self.read(self.act(self.rnn(x.reshape(-1, 3, 2))[0][:, -1]))


class Dictionary(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.read = Heads(), nn.Linear(4, 2)

    def forward(self, x):
        return self.read(self.body(x)["features"])


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x):
        return {"features": torch.tanh(self.linear(x)), "input": x}


def mlp(widths=(5, 4), beta=0.3, activation="tanh", seed=0):
    module, layers = build_mlp(Spec((6,), 2, widths, activation), seed)
    return NoisyNetwork(module, layers, (6,), [beta] * len(layers))


def test_passes_are_those_of_a_loop_written_by_hand():
    network, n_passes = mlp(), 3
    network.levels = (0.3, 0.1)
    found = noisy_passes(network, X, n_passes, seed=4, purpose="stored")
    hidden = torch.zeros(512, 1, 6)
    hidden[:7, 0] = torch.from_numpy(X)
    linears = [each for each in network.module if isinstance(each, nn.Linear)]
    with torch.no_grad():
        for layer, linear in enumerate(linears[:-1], 1):
            signal = torch.tanh(hidden @ linear.weight.T + linear.bias)
            np.testing.assert_allclose(found.signals[layer - 1], signal[:7].numpy(), atol=1e-6)
            noise = bulk_stream(4, "passes", "stored", layer, 0).standard_normal((512, 3, len(linear.bias)), np.float32)
            hidden = signal + network.levels[layer - 1] * torch.from_numpy(noise)
        logits = linears[-1](hidden)[:7].numpy()
    np.testing.assert_allclose(found.logits, logits, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "layers", "shape", "shapes", "cut"),
    [
        (Residual, ["act", "inner", "out"], (6,), ((5,), (5,), (5,)), (True, False, True)),
        (Residual, ["inner", "out"], (6,), ((5,), (5,)), (False, True)),
        (Residual, ["first", "second"], (6,), ((5,), (5,)), (True, False)),
        (Recurrent, ["rnn[0]", "act"], (6,), ((3, 4), (4,)), (True, True)),
        (Dictionary, ["body[features]"], (2, 3), ((4,),), (True,)),
    ],
)
def test_shapes_and_cuts_of_layers_anywhere(build, layers, shape, shapes, cut):
    torch.manual_seed(0)
    module = build()
    if build is Dictionary:
        module = nn.Sequential(nn.Flatten(), module)
        layers = [f"1.{name}" for name in layers]
    network = NoisyNetwork(module, layers, shape, [0.2] * len(layers))
    assert network.shapes == shapes and network.cuts == cut and network.grows == cut[0]
    assert network.widths == tuple(map(int, map(np.prod, shapes)))
    passes = noisy_passes(network, X, 4, seed=0, purpose="stored")
    expected = [(7, 4 if k else 1, width) for k, width in enumerate(network.widths)]
    assert [each.shape for each in passes.signals] == expected and passes.logits.shape == (7, 4, 2)
    # The logits of every input vary, and so do the passes of later layers.
    assert all((each.std(axis=1) > 1e-4).any() for each in (*passes.signals[1:], passes.logits))


def test_a_skip_that_carries_nothing_at_these_weights_is_still_found():
    class Gated(Residual):
        def __init__(self):
            super().__init__()
            self.gate = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return self.read(self.act(self.first(x))) + self.gate * x[:, :2]

    class Detached(Residual):
        def forward(self, x):
            return self.read(self.act(self.first(x))) + x[:, :2].detach()

    for build in (Gated, Detached):
        assert NoisyNetwork(build(), ["act"], (6,), [0.1]).cuts == (False,)


def test_a_network_that_counts_its_rows_before_the_first_layer_is_given_all_of_them():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.read = nn.Tanh(), nn.Linear(6, 2)

        def forward(self, x):
            rows = len(x)
            return self.read(self.act(x)).reshape(rows, -1)[:, :2]

    network = NoisyNetwork(Counting(), ["act"], (6,), [0.5])
    assert network.cuts == (True,) and not network.grows
    passes = noisy_passes(network, X, 5, seed=0, purpose="stored")
    assert passes.signals[0].shape == (7, 1, 6) and passes.logits.shape == (7, 5, 2)
    plain = NoisyNetwork(nn.Sequential(network.module.act, network.module.read), ["0"], (6,), [0.5])
    assert plain.grows
    np.testing.assert_allclose(noisy_passes(plain, X, 5, seed=0, purpose="stored").logits, passes.logits, atol=1e-6)


def test_what_comes_behind_in_place_leaves_the_recorded_signal():
    module = nn.Sequential(nn.Linear(6, 4), nn.ReLU(inplace=True), nn.Linear(4, 4), nn.ReLU(inplace=True))
    module.append(nn.Linear(4, 2))
    network = NoisyNetwork(module, ["0", "2"], (6,), [0.0, 0.0])
    found = noisy_passes(network, X, 2, seed=0, purpose="stored").signals
    first = X @ module[0].weight.detach().numpy().T + module[0].bias.detach().numpy()
    second = np.maximum(first, 0) @ module[2].weight.detach().numpy().T + module[2].bias.detach().numpy()
    assert (first < 0).any() and (second < 0).any()
    np.testing.assert_allclose(found[0][:, 0], first, atol=1e-5)
    np.testing.assert_allclose(found[1][:, 1], second, atol=1e-5)
    seen = []
    network.propagate(X, lambda layer, signal: (seen.append(signal), signal)[1])
    np.testing.assert_allclose(seen[0].detach(), first, atol=1e-5)


def test_the_information_of_a_linear_network_is_that_of_two_gaussians():
    network = mlp((3, 2), beta=0.7, activation="linear")
    atoms = X[:2]
    linears = [each for each in network.module if isinstance(each, nn.Linear)]
    first, second = (each.weight.detach().double().numpy() for each in linears[:2])
    step = second @ first @ (atoms[0] - atoms[1])
    covariance = 0.7**2 * (np.eye(2) + second @ second.T)
    a = np.sqrt(step @ np.linalg.solve(covariance, step)) / 2
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    truth = np.log(2) - weights @ np.logaddexp(0, -2 * a**2 - 2 * a * nodes) / weights.sum()
    stored = noisy_passes(network, atoms, 500, 0, "stored").signals[1]
    found = layer_information(stored, 0.7, own=own_signals(network, atoms, 2, 500, 0), target_stderr=0.01)
    assert 0.1 < truth < 0.6
    assert found.bracket[0] <= truth <= found.bracket[1] and found.bracket[1] - found.bracket[0] < 0.15


def test_modes_hooks_and_buffers_are_as_before_also_after_an_error():
    module = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))
    module.train()
    module[1].eval()
    network = NoisyNetwork(module, ["2"], (6,), [0.1])
    before = {name: each.clone() for name, each in module.state_dict().items()}
    assert network(X, torch.Generator().manual_seed(0)).shape == (7, 2)

    def fails(layer, signal):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        network.propagate(X, fails)
    assert [each.training for each in module] == [True, False, True, True, True]
    assert not any(each._forward_hooks for each in module.modules())
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())


def test_blocks_hold_at_most_64_mib_of_noise_and_their_passes_are_the_whole():
    network = mlp((3000, 4), beta=0.2)
    assert atom_block(network, 100) == 2**26 // (4 * 100 * 3000) == 55
    assert atom_block(network, 2) == 512 and atom_block(network, 10**6) == 1
    assert atom_block(mlp((4, 3000)), 100, 1) == 512
    atoms = np.random.default_rng(1).normal(size=(60, 6))
    whole = noisy_passes(network, atoms, 100, seed=0, purpose="stored")
    blocks = list(pass_blocks(network, atoms, 100, seed=0, purpose="stored"))
    assert [block.first for block in blocks] == [0, 55]
    for layer in range(2):
        np.testing.assert_array_equal(np.concatenate([block.signals[layer] for block in blocks]), whole.signals[layer])
    np.testing.assert_array_equal(np.concatenate([block.logits for block in blocks]), whole.logits)
    own = own_signals(network, atoms, 2, 100, seed=0, purpose="stored")
    assert own.size == 55
    np.testing.assert_array_equal(own.of(55, 60), whole.signals[1][55:])
    np.testing.assert_array_equal(own.of(3, 9), whole.signals[1][3:9])


def test_relative_noise_is_beta_times_the_root_mean_square_of_each_layer():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten())
    module += nn.Sequential(nn.Linear(18, 5), nn.Tanh(), nn.Linear(5, 2))
    x = torch.from_numpy(X).float()
    with torch.no_grad():
        first = functional.relu(module[1](module[0](x)))
        second = torch.tanh(module[4](first.flatten(1)))
    expected = [0.2 * float(each.square().mean().sqrt()) for each in (first, second)]
    assert relative_levels(module, ["2", "5"], x, 0.2) == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        module[1].bias.fill_(-100)
    with pytest.raises(NetworkError, match="layer '2' must have a finite signal other than 0"):
        relative_levels(module, ["2", "5"], x, 0.2)


@pytest.mark.parametrize("levels", [[0.1], [0.1, -0.1], [0.1, float("nan")], [0.1, float("inf")]])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(NetworkError, match="levels must be 2 numbers"):
        NoisyNetwork(*build_mlp(Spec((6,), 2, (5, 4), "tanh"), 0), (6,), levels)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.Tanh(), 1.0),
        (nn.Sigmoid(), 0.5),
        (nn.Hardtanh(-1, 3), 2.0),
        (nn.ReLU6(), 3.0),
        (nn.Softmax(-1), 0.5),
        (nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Dropout()), 1.0),
        (nn.ReLU(), None),
        (nn.Linear(6, 6), None),
        (type("Mine", (nn.Tanh,), {"forward": lambda self, x: 3 * x})(), None),
    ],
)
def test_half_widths_are_known_where_the_module_bounds_its_outputs(module, expected):
    network = NoisyNetwork(nn.Sequential(module, nn.Linear(6, 2)), ["0"], (6,), [0.1])
    assert network.half_widths == (expected,)
    if expected is not None:
        y = module.eval()(torch.linspace(-50, 50, 600).reshape(100, 6))
        assert y.max() - y.min() <= 2 * expected + 1e-6


class Threshold(nn.Module):
    """What is above 100 goes past the first layer, without a gradient."""

    def __init__(self):
        super().__init__()
        self.first, self.act, self.last, self.out = nn.Linear(1, 2), nn.Tanh(), nn.Tanh(), nn.Linear(2, 2)

    def forward(self, x):
        return self.out(self.last(self.act(self.first(x / 100)) + (x > 100).float()))


def test_a_connection_that_is_open_for_some_inputs_alone_is_found_with_those():
    x = torch.tensor([[20.0], [90.0], [140.0], [230.0]])
    assert NoisyNetwork(Threshold(), ["act", "last"], (1,), [0.1, 0.1], probe=x).cuts == (False, True)
    assert NoisyNetwork(Threshold(), ["act", "last"], (1,), [0.1, 0.1], probe=x[:2]).cuts == (True, True)


def test_signals_whose_digits_end_near_the_noise_are_refused():
    module = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 2))
    with torch.no_grad():
        module[0].bias.fill_(1e6)
    network = NoisyNetwork(module, ["0"], (1,), [0.001])
    with pytest.raises(NetworkError, match=r"layer '0' reaches 1e\+06.*not far below its noise 0.001"):
        check_digits(network, torch.zeros(2, 1))
    check_digits(NoisyNetwork(module, ["0"], (1,), [20.0]), torch.zeros(2, 1))
