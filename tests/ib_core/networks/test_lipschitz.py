"""Certified constants are above the truth, found from dense Jacobians, and none is claimed for what is unknown."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import orthogonal, spectral_norm

from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.cnn import build_cnn
from ib_core.networks.lipschitz import module_constant
from ib_core.networks.noisy_network import NoisyNetwork


def jacobian_norm(function, x):
    """The largest singular value of the dense Jacobian at one input."""
    matrix = torch.autograd.functional.jacobian(lambda flat: function(flat.reshape(x.shape)).flatten(), x.flatten())
    return float(torch.linalg.matrix_norm(matrix.reshape(matrix.shape[0], -1), 2))


def steepest(module, shape, draws=30):
    """The largest over some inputs, on which the constant must not be below."""
    rng = torch.Generator().manual_seed(0)
    inputs = [scale * torch.randn(1, *shape, generator=rng).double() for scale in (0.1, 1.0, 3.0)] * (draws // 3)
    return max(jacobian_norm(module, x) for x in inputs)


# A module, the shape of an input, and how far above the truth the certificate may be.
KNOWN = [
    (nn.Linear(5, 4), (5,), 1.0),
    (nn.Linear(5, 4), (3, 5), 1.0),
    (nn.Conv2d(2, 3, 3), (2, 9, 8), 1.1),
    (nn.Conv2d(2, 3, 5, padding=2), (2, 9, 9), 1.2),
    (nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 9, 9), 1.6),
    (nn.Conv2d(2, 4, 2, stride=2), (2, 8, 8), 1.01),
    (nn.Conv2d(2, 4, 3, stride=3), (2, 8, 8), 1.01),
    (nn.Conv2d(4, 6, (3, 2), dilation=(2, 1), groups=2), (4, 9, 8), 1.2),
    (nn.Conv1d(2, 3, 4, stride=2, padding=3), (2, 11), 1.6),
    (nn.Conv1d(2, 3, 3, dilation=2), (2, 14), 1.1),
    (nn.Conv3d(1, 2, 2), (1, 4, 4, 3), 1.3),
    (nn.MaxPool2d(2), (2, 6, 6), 1.0),
    (nn.MaxPool2d(3, stride=1), (1, 7, 7), 3.0),
    (nn.MaxPool1d(3, stride=2, padding=1, ceil_mode=True), (2, 8), 1.5),
    (nn.MaxPool2d(2, stride=2, dilation=2), (1, 7, 7), 2.1),
    (nn.AvgPool2d(2), (2, 6, 6), 1.0),
    (nn.AvgPool2d(3, stride=1), (1, 9, 9), 1.1),
    (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), (1, 7, 7), 4.0),
    (nn.AvgPool1d(3, stride=3, ceil_mode=True), (1, 8), 2.0),
    (nn.AvgPool2d(2, divisor_override=1), (1, 6, 6), 1.0),
    (nn.AdaptiveAvgPool2d(1), (3, 4, 4), 1.0),
    (nn.AdaptiveAvgPool2d((2, 3)), (3, 4, 6), 1.0),
    (nn.Sigmoid(), (20,), 1.01),
    (nn.Tanh(), (20,), 1.01),
    (nn.GELU(), (200,), 1.05),
    (nn.GELU(approximate="tanh"), (200,), 1.05),
    (nn.SiLU(), (200,), 1.05),
    (nn.ELU(1.7), (50,), 1.1),
    (nn.LeakyReLU(1.5), (20,), 1.0),
    (nn.PReLU(init=-2.0), (20,), 1.0),
    (nn.Hardsigmoid(), (20,), 1.01),
    (nn.Softplus(beta=3), (20,), 1.05),
]


@pytest.mark.parametrize(("module", "shape", "factor"), KNOWN, ids=lambda value: str(value)[:40])
def test_a_constant_is_above_the_truth_and_near_it(module, shape, factor):
    torch.manual_seed(1)
    for each in module.parameters():
        if each.ndim > 1:
            nn.init.normal_(each)
    module = module.double().eval()
    x = torch.zeros(1, *shape).double()
    constant = module_constant(module, shape, tuple(module(x).shape[1:]))
    truth = steepest(module, shape)
    assert truth * (1 - 1e-9) <= constant <= factor * truth * (1 + 1e-6)


def test_the_edge_of_an_image_counts():
    """Differences of 3 numbers with zeros around stretch by 2 sin(3 pi / 8), more than those on a circle of 3."""
    module = nn.Conv1d(1, 1, 2, padding=1, bias=False).eval()
    module.weight.data.copy_(torch.tensor([[[1.0, -1.0]]]))
    assert steepest(module.double(), (1, 3), 3) == pytest.approx(2 * np.sin(3 * np.pi / 8))
    assert 2 * np.sin(3 * np.pi / 8) <= module_constant(module, (1, 3), (1, 4)) <= 2


def test_batch_norm_stretches_by_its_running_statistics():
    module = nn.BatchNorm2d(3)
    for _ in range(5):
        module(torch.randn(4, 3, 5, 5) * torch.tensor([0.3, 1.0, 2.0])[:, None, None])
    with torch.no_grad():
        module.weight.copy_(torch.tensor([0.5, -2.0, 1.0]))
    module.eval().double()
    assert module_constant(module, (3, 5, 5), (3, 5, 5)) == pytest.approx(steepest(module, (3, 5, 5), 3), rel=1e-9)
    assert module_constant(module.train(), (3, 5, 5), (3, 5, 5)) is None
    assert module_constant(nn.BatchNorm1d(3, track_running_stats=False).eval(), (3,), (3,)) is None


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"),
        nn.AdaptiveAvgPool2d(3),
        nn.LayerNorm(8),
        nn.ConvTranspose2d(1, 1, 3),
        type("Mine", (nn.Linear,), {"forward": lambda self, x: 9 * x})(8, 8),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_is_not_known_has_no_constant(module):
    assert module_constant(module.eval(), (1, 8, 8), (1, 3, 3)) is None


class Chain(nn.Module):
    """Known modules, with something between the first layer and the second."""

    def __init__(self, between):
        super().__init__()
        self.first, self.act, self.second, self.act2 = (
            nn.Linear(6, 6),
            nn.Tanh(),
            nn.Linear(6, 6),
            nn.ReLU(inplace=True),
        )
        self.read, self.between = nn.Linear(6, 2), between

    def forward(self, x):
        h = self.act(self.first(x))
        return self.read(self.act2(self.second(self.between(h))))


@pytest.mark.parametrize(
    ("between", "known"),
    [
        (lambda h: h, True),
        (lambda h: h.reshape(len(h), 2, 3).flatten(1), True),
        (lambda h: 2 * h, False),
        (lambda h: h.mul_(2), False),
        (lambda h: functional.relu_(h), False),
        (lambda h: h + h, False),
        (lambda h: h.flip(1), False),
        (lambda h: h.clone(), False),
    ],
)
def test_what_happens_between_modules_ends_what_is_known(between, known):
    module = Chain(between)
    network = NoisyNetwork(module, ["act", "second", "act2"], (6,), [0.1] * 3)
    norms = [float(torch.linalg.matrix_norm(each.weight.detach(), 2)) for each in (module.first, module.second)]
    product = norms[0] * norms[1]
    expected = [norms[0], product, product] if known else [norms[0], None, None]
    assert network.lipschitz() == [pytest.approx(each, rel=1e-5) if each else None for each in expected]
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in module.modules())


def test_hooks_of_the_user_and_forwards_that_were_replaced_are_unknown():
    module = Chain(lambda h: h)
    network = NoisyNetwork(module, ["act", "act2"], (6,), [0.1] * 2)
    handle = module.second.register_forward_hook(lambda module, args, output: 3 * output)
    assert network.lipschitz()[0] is not None and network.lipschitz()[1] is None
    handle.remove()
    assert network.lipschitz()[1] is not None
    module.second.forward = lambda x: 9 * x
    assert network.lipschitz()[1] is None


def test_parametrized_weights_count_as_they_are():
    module = nn.Sequential(orthogonal(nn.Linear(6, 6)), nn.Tanh(), spectral_norm(nn.Linear(6, 4)), nn.Tanh())
    for _ in range(200):
        module(torch.zeros(1, 6))
    network = NoisyNetwork(module.append(nn.Linear(4, 2)), ["1", "3"], (6,), [0.1] * 2)
    assert network.lipschitz() == pytest.approx([1.0, 1.0], rel=1e-3)


def test_those_of_a_cnn_hold_for_its_clean_signals():
    module, layers = build_cnn(Spec((10, 9), 3, (7,), "tanh", (3, 4), 3, True), 0)
    module(torch.randn(50, 10, 9))  # running statistics
    network = NoisyNetwork(module.double(), layers, (10, 9), [0.1] * 3)
    constants, found = network.lipschitz(), []

    def jacobians(x):
        def signals(x):
            seen = []
            network.propagate(x.reshape(1, 10, 9), lambda layer, signal: (seen.append(signal), signal)[1])
            return tuple(each.flatten() for each in seen)

        matrices = torch.autograd.functional.jacobian(signals, x)
        return [float(torch.linalg.matrix_norm(each.reshape(len(each), -1), 2)) for each in matrices]

    rng = np.random.default_rng(0)
    found = [jacobians(torch.from_numpy(scale * rng.normal(size=90))) for scale in (0.01, 0.1, 1.0)]
    for truth, constant in zip(np.max(found, axis=0), constants, strict=True):
        assert truth <= constant <= 8 * truth
