"""The noisy network: noise of the right size at the right place, and training that can be resumed."""

import itertools

import numpy as np
import pytest
import torch

from ib_core.networks.architectures.mlp import MLP
from ib_core.networks.passes import noisy_passes, own_signals
from ib_core.networks.training import evaluate, split, train_epoch
from ib_core.sources import szt

LAW = szt.law()


def network(beta=0.3, seed=0, activation="tanh"):
    return MLP([12, 6, 4, 2], activation, beta, seed)


def test_the_first_signal_is_a_function_of_the_input():
    net = network()
    passes = noisy_passes(net, LAW.atoms[:600], 3, seed=1, purpose="stored")
    layer = net.layers[0]
    expected = np.tanh(LAW.atoms[:600] @ layer.weight.detach().numpy().T + layer.bias.detach().numpy())
    assert passes.signals[0].shape == (600, 1, 6)
    assert np.abs(passes.signals[0][:, 0] - expected).max() < 1e-6


def test_the_second_layer_hears_noise_of_standard_deviation_beta():
    # With the second layer's weights set to the identity on small signals, its passes spread like the noise.
    net = MLP([12, 4, 4, 2], "relu", 0.2, 0)
    with torch.no_grad():
        net.layers[1].weight.copy_(torch.eye(4))
        net.layers[1].bias.fill_(10)  # far from the kink
    passes = noisy_passes(net, LAW.atoms[:200], 400, seed=3, purpose="stored")
    spread = passes.signals[1].std(axis=1, ddof=1)
    # 800 spreads of 400 draws: their root mean square has relative error 1 / sqrt(2 * 800 * 399).
    assert np.sqrt((spread**2).mean()) == pytest.approx(0.2, rel=4 / np.sqrt(2 * 800 * 399))


def test_passes_do_not_depend_on_how_many_atoms_follow():
    few = noisy_passes(network(), LAW.atoms[:700], 2, seed=5, purpose="fresh")
    many = noisy_passes(network(), LAW.atoms, 2, seed=5, purpose="fresh")
    assert all((a == b[:700]).all() for a, b in zip(few.signals, many.signals, strict=True))


def test_stored_and_fresh_passes_are_independent_streams():
    stored, fresh = (noisy_passes(network(), LAW.atoms[:10], 2, 5, purpose) for purpose in ("stored", "fresh"))
    assert (stored.signals[1] != fresh.signals[1]).all()


def test_own_passes_are_those_of_their_family_whatever_block_is_asked_for():
    family = own_signals(network(), LAW.atoms[:700], 2, 5, seed=3)
    whole = noisy_passes(network(), LAW.atoms[:700], 5, seed=3, purpose="own").signals[1]
    assert family.n_passes == 5 and family.size == 512
    for first, last in ((0, 512), (512, 700), (30, 33), (600, 601)):
        np.testing.assert_array_equal(family.of(first, last), whole[first:last])


def test_own_passes_of_a_few_atoms_do_not_depend_on_the_others_and_are_independent_families():
    net = MLP([12, 6, 5, 4, 2], "tanh", 0.3, 0)
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
    ("layer", "n_passes", "message"), [(1, 5, "layers 2 to 2"), (3, 5, "got 3"), (2, 0, "n_passes")]
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


def test_training_learns_and_repeats_bit_for_bit():
    x, y = torch.from_numpy(LAW.atoms).float(), torch.from_numpy(LAW.labels)

    def trained():
        net = network(beta=0.1)
        optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
        for epoch in range(1, 6):
            train_epoch(net, optimizer, x, y, 256, seed=0, epoch=epoch)
        return net

    first, second = trained(), trained()
    assert all((a == b).all() for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert evaluate(first, x, y, 0, 5)[1] > 0.75 > evaluate(network(beta=0.1), x, y, 0, 0)[1]


def test_a_split_is_a_partition():
    train, test = split(100, 0.8, seed=3)
    assert len(train) == 80 and sorted([*train, *test]) == list(range(100))
