"""Training is gradient descent on noisy passes that can be resumed with the same bits, for any module and optimizer."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.cnn import build_cnn
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.losses import log_loss, squared_loss
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import noisy_passes
from ib_core.networks.training import evaluate, geometric, optimizer, split, train_epoch
from ib_core.sources import szt

LAW = szt.law()


def network(beta=0.3, seed=0):
    module, layers = build_mlp(Spec((12,), 2, (6, 4), "tanh"), seed)
    return NoisyNetwork(module, layers, (12,), [beta] * 2)


def linears(net):
    return [each for each in net.module.modules() if isinstance(each, nn.Linear)]


def test_epochs_of_one_batch_without_noise_are_gradient_descent():
    x, y = torch.from_numpy(LAW.atoms[::40]).float(), torch.from_numpy(LAW.labels[::40])
    net, twin = network(beta=0.0), network(beta=0.0)
    descent = optimizer("sgd", net.module.parameters(), 0.5)
    for epoch in (1, 2, 3):
        train_epoch(net, descent, x, y, len(x), seed=0, epoch=epoch)
        hidden = x
        for layer in linears(twin)[:-1]:
            hidden = torch.tanh(hidden @ layer.weight.T + layer.bias)
        logits = hidden @ linears(twin)[-1].weight.T + linears(twin)[-1].bias
        loss = (logits.logsumexp(1) - logits[torch.arange(len(y)), y]).mean()
        parameters = list(twin.module.parameters())
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.data -= 0.5 * slope
    for a, b in zip(net.module.parameters(), parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    found, accuracy, *clean = evaluate(net, x, y, 0, 3)
    logits = noisy_passes(net, LAW.atoms[::40], 1, 0, "stored").logits[:, 0].astype(float)
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y.numpy()]
    assert found == pytest.approx(expected.mean(), rel=1e-5) and accuracy == (logits.argmax(1) == y.numpy()).mean()
    assert clean == [pytest.approx(found), accuracy]


def test_every_epoch_has_batches_of_its_own():
    x, y = torch.from_numpy(LAW.atoms).float(), torch.from_numpy(LAW.labels)

    def trained(epoch, seed=0):
        net = network(beta=0.0)
        train_epoch(net, torch.optim.SGD(net.module.parameters(), lr=0.5), x, y, 512, seed, epoch)
        return linears(net)[0].weight.detach()

    assert (trained(1) == trained(1)).all()
    assert (trained(1) != trained(2)).any() and (trained(1) != trained(1, seed=1)).any()


def test_training_learns_and_repeats_bit_for_bit():
    x, y = torch.from_numpy(LAW.atoms).float(), torch.from_numpy(LAW.labels)

    def trained():
        net = network(beta=0.1)
        adam = optimizer("adam", net.module.parameters(), 5e-3)
        for epoch in range(1, 6):
            train_epoch(net, adam, x, y, 256, seed=0, epoch=epoch)
        return net

    first, second = trained(), trained()
    assert all((a == b).all() for a, b in zip(first.module.parameters(), second.module.parameters(), strict=True))
    assert evaluate(first, x, y, 0, 5).accuracy > 0.75 > evaluate(network(beta=0.1), x, y, 0, 0).accuracy


def test_a_split_is_a_partition():
    train, test = split(100, 0.8, seed=3)
    assert len(train) == 80 and sorted([*train, *test]) == list(range(100))
    assert (split(100, 0.8, seed=4)[0] != train).any() and (split(100, 0.8, seed=3)[0] == train).all()


def foreign(seed=0):
    """Convolution, batch norm and dropout, with an odd number of images."""
    torch.manual_seed(seed)
    first = nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten()
    module = nn.Sequential(*first, nn.Dropout(0.3), nn.Linear(48, 5), nn.ReLU(), nn.Linear(5, 2))
    return NoisyNetwork(module, ["3", "7"], (12,), [0.1, 0.2])


@pytest.mark.parametrize(
    ("name", "options"), [("adam", {"weight_decay": 1e-3}), ("sgd", {"momentum": 0.9, "weight_decay": 1e-3})]
)
def test_a_training_that_stops_and_goes_on_has_the_bits_of_an_undisturbed_one(name, options):
    x, y = torch.from_numpy(LAW.atoms[::41]).float(), torch.from_numpy(LAW.labels[::41])

    def trained(net, descent, epochs):
        for epoch in epochs:
            rate = geometric(0.02, 0.002, epoch, 4)
            train_epoch(net, descent, x, y, 16, 0, epoch, learning_rate=rate, orthonormal=0.01)
        return net

    whole = foreign()
    trained(whole, optimizer(name, whole.module.parameters(), 0.02, **options), range(1, 5))
    half = foreign()
    descent = optimizer(name, half.module.parameters(), 0.02, **options)
    trained(half, descent, (1, 2))
    states = copy.deepcopy((half.module.state_dict(), descent.state_dict()))
    torch.manual_seed(99)  # what others draw is of no concern, and what dropout draws is of none to others
    before = torch.get_rng_state()
    rest = foreign(seed=7)
    again = optimizer(name, rest.module.parameters(), 0.5, **options)
    rest.module.load_state_dict(states[0])
    again.load_state_dict(states[1])
    torch.set_rng_state(before)
    trained(rest, again, (3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    for key, each in whole.module.state_dict().items():
        assert torch.equal(each, rest.module.state_dict()[key]), key
    assert int(whole.module[2].num_batches_tracked) == 4 * len(x.split(16))


def test_a_last_row_alone_joins_the_batch_before_it():
    x, y = torch.from_numpy(LAW.atoms[:33]).float(), torch.from_numpy(LAW.labels[:33])
    net = foreign()
    train_epoch(net, optimizer("sgd", net.module.parameters(), 0.1), x, y, 16, 0, 1)
    assert int(net.module[2].num_batches_tracked) == 2


@pytest.mark.parametrize("learning_rate", [None, 0.03])
def test_a_step_of_descent_has_the_rate_of_its_epoch(learning_rate):
    x, y = torch.from_numpy(LAW.atoms[::40]).float(), torch.from_numpy(LAW.labels[::40])
    net = network(beta=0.0)
    before = [each.detach().clone() for each in net.module.parameters()]
    loss = nn.functional.cross_entropy(net.clean(x), y)
    slopes = torch.autograd.grad(loss, list(net.module.parameters()))
    descent = optimizer("sgd", net.module.parameters(), 0.2, weight_decay=0.1)
    train_epoch(net, descent, x, y, len(x), 0, 1, learning_rate=learning_rate)
    for old, slope, new in zip(before, slopes, net.module.parameters(), strict=True):
        torch.testing.assert_close(
            new.detach(), old - (learning_rate or 0.2) * (slope + 0.1 * old), rtol=1e-4, atol=1e-6
        )


def test_learning_rates_fall_by_the_same_factor():
    rates = [geometric(5e-3, 5e-4, epoch, 128) for epoch in range(1, 129)]
    assert rates[0] == 5e-3 and rates[-1] == pytest.approx(5e-4)
    np.testing.assert_allclose(np.diff(np.log(rates)), np.log(0.1) / 127)
    assert geometric(5e-3, 5e-4, 1, 1) == 5e-3


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_orthonormal_step_draws_all_matrices_but_the_last(name):
    if name == "mlp":
        built, shape = build_mlp(Spec((12,), 2, (6, 4), "tanh"), 0), (12,)
    else:
        built, shape = build_cnn(Spec((3, 4), 2, (4,), "tanh", (3,), 3, initial="glorot"), 0), (3, 4)
    net = NoisyNetwork(*built, shape, [0.0] * len(built[1]))
    x, y = torch.from_numpy(LAW.atoms[:64]).float(), torch.from_numpy(LAW.labels[:64])
    weights = [each for each in net.module.parameters() if each.ndim > 1]
    before = [each.detach().clone().flatten(1) for each in weights]
    still = optimizer("sgd", net.module.parameters(), 0.0)
    train_epoch(net, still, x, y, 64, 0, 1, orthonormal=0.1)
    for old, new in zip(before[:-1], weights, strict=False):
        torch.testing.assert_close(new.detach().flatten(1), old - 0.1 * (old @ old.T @ old - old))
    assert torch.equal(weights[-1].flatten(1), before[-1])
    for epoch in range(2, 200):
        train_epoch(net, still, x, y, 64, 0, epoch, orthonormal=0.1)
    for each in weights[:-1]:
        torch.testing.assert_close(
            torch.linalg.svdvals(each.detach().flatten(1)), torch.ones(min(each.flatten(1).shape))
        )


def test_a_wide_network_is_evaluated_in_blocks_without_a_change():
    module, layers = build_mlp(Spec((12,), 2, (10_000,), "tanh"), 0)
    net = NoisyNetwork(module, layers, (12,), [0.0])
    x, y = torch.from_numpy(LAW.atoms[:1000]).float(), torch.from_numpy(LAW.labels[:1000])
    logits = net.clean(x).detach()
    expected = float(nn.functional.cross_entropy(logits.double(), y)), float((logits.argmax(1) == y).double().mean())
    found = evaluate(net, x, y, 0, 1, n_passes=1)
    assert found == pytest.approx((*expected, *expected), rel=1e-5)


def test_noise_costs_a_network_that_was_trained_without_it():
    x, y = torch.from_numpy(LAW.atoms).float(), torch.from_numpy(LAW.labels)
    net = network(beta=0.0)
    for epoch in range(1, 6):
        train_epoch(net, optimizer("adam", net.module.parameters(), 5e-3), x, y, 256, 0, epoch)
    net.levels = (2.0, 2.0)
    found = evaluate(net, x, y, 0, 5)
    assert found.clean_accuracy > found.accuracy + 0.1 and found.loss > found.clean_loss
    net.levels = (0.0, 0.0)
    assert evaluate(net, x, y, 0, 5).accuracy == found.clean_accuracy


@pytest.mark.parametrize(("name", "momentum"), [("adam", 0.9), ("rmsprop", 0.0)])
def test_other_optimizers_are_refused(name, momentum):
    with pytest.raises(ValueError, match=f"sgd, or adam without momentum, got '{name}' with momentum {momentum}"):
        optimizer(name, network().module.parameters(), 0.1, momentum)


def test_the_squared_loss_is_a_mean_over_classes():
    logits, y = torch.tensor([[1.0, -1.0, -1.0], [0.0, 2.0, 0.5]]), torch.tensor([0, 2])
    assert squared_loss(logits, y).tolist() == [0.0, pytest.approx((1 + 9 + 0.25) / 3)]
    assert log_loss(logits, y).mean() == pytest.approx(float(nn.functional.cross_entropy(logits, y)))


def test_training_descends_on_the_loss_that_is_asked_for():
    x, y = torch.from_numpy(LAW.atoms[::40]).float(), torch.from_numpy(LAW.labels[::40])
    net = network(beta=0.0)
    before = [each.detach().clone() for each in net.module.parameters()]
    slopes = torch.autograd.grad(squared_loss(net.clean(x), y).mean(), list(net.module.parameters()))
    train_epoch(net, optimizer("sgd", net.module.parameters(), 0.2), x, y, len(x), 0, 1, loss=squared_loss)
    for old, slope, new in zip(before, slopes, net.module.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old - 0.2 * slope, rtol=1e-4, atol=1e-6)
