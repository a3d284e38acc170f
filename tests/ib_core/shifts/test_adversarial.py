"""Adversarial steps stay in their ball and climb: along the gradient, where the network is linear."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from ib_core.laws.family import FAMILIES, Unreachable, check_shift, shifted
from ib_core.laws.input_law import InputLaw
from ib_core.laws.wasserstein import largest_step

RNG = np.random.default_rng(0)
# 1100 atoms are three blocks; a wide range leaves their steps free.
ATOMS = np.vstack([RNG.uniform(0.3, 0.7, (1098, 5)), np.full((1, 5), -9.0), np.full((1, 5), 9.0)])
LAW = InputLaw(ATOMS, RNG.dirichlet(np.ones(1100)), np.arange(1100) % 2, (1, 5))
SLOPE = torch.tensor([0.3, -1.2, 0.5, 0.0, 2.0])
INNER = slice(0, 1098)


def linear(x, generator, noise=0.0):
    """Logits 0 and SLOPE x, of which class 0 errs more where SLOPE x is larger."""
    assert x.dtype == torch.float32
    margin = x @ SLOPE + noise * torch.randn(len(x), generator=generator)
    return torch.stack([torch.zeros_like(margin), margin], dim=1)


def bent(x, generator):
    """Three logits of a curved map under noise."""
    hidden = torch.tanh(3 * x + 0.1 * torch.randn(x.shape, generator=generator))
    return torch.stack([hidden[:, 0] * hidden[:, 1], hidden[:, 2], hidden.sum(dim=1)], dim=1)


attack = partial(shifted, "adversarial", LAW)


@pytest.mark.parametrize("noise", [0.0, 0.5])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_on_a_linear_network_atoms_go_along_the_gradient_to_the_boundary(norm, noise):
    shift = attack(0.2, network=partial(linear, noise=noise), norm=norm)
    direction = SLOPE.numpy() / np.linalg.norm(SLOPE) if norm == "l2" else np.sign(SLOPE.numpy())
    expected = 0.2 * np.where(LAW.labels == 0, 1.0, -1.0)[:, None] * direction
    np.testing.assert_allclose((shift.law.atoms - LAW.atoms)[INNER], expected[INNER], atol=2e-7)
    if not noise:
        signs = np.where(LAW.labels == 0, 1.0, -1.0)
        before, after = (np.logaddexp(0, signs * (law.atoms @ SLOPE.numpy())) for law in (LAW, shift.law))
        assert shift.parameter == pytest.approx(LAW.weights @ (after - before), rel=1e-5)
    assert shift.parameter > 0


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("linf", math.inf)])
def test_no_atom_leaves_its_ball_or_the_range_and_the_loss_rises(norm, order):
    law = InputLaw(LAW.atoms[INNER], np.full(1098, 1 / 1098), np.arange(1098) % 3)
    rises = []
    for size in (0.05, 0.3):
        shift = shifted("adversarial", law, size, network=bent, norm=norm)
        steps = np.linalg.norm(shift.law.atoms - law.atoms, ord=order, axis=1)
        assert 0.9 * size < largest_step(law, shift.law, norm) == steps.max() <= size * (1 + 1e-9)
        assert shift.law.atoms.min() >= law.atoms.min() and shift.law.atoms.max() <= law.atoms.max()
        assert (shift.law.labels == law.labels).all() and shift.law.shape == law.shape
        rises.append(shift.parameter)
    assert 0 < rises[0] < rises[1]
    few = shifted("adversarial", law, 0.3, network=bent, norm=norm, steps=1).parameter
    assert few < rises[1]


def test_the_same_seed_gives_the_same_bits_and_blocks_know_nothing_of_one_another():
    first, again, other = (attack(0.2, network=bent, seed=seed).law.atoms for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    part = np.append(np.arange(512), [1098, 1099])  # with the atoms that span the range
    few = InputLaw(LAW.atoms[part], np.full(514, 1 / 514), LAW.labels[part])
    np.testing.assert_array_equal(shifted("adversarial", few, 0.2, network=bent, seed=3).law.atoms[:512], first[:512])


def test_a_network_keeps_its_parameters_and_their_gradients():
    weight = torch.nn.Parameter(torch.ones(5, 2))
    attack(0.2, network=lambda x, generator: x @ weight, steps=2)
    assert weight.grad is None
    flat = attack(0.2, network=lambda x, generator: 0 * (x @ weight), steps=2)
    np.testing.assert_array_equal(flat.law.atoms, LAW.atoms)


def test_it_says_that_it_sees_the_network_and_needs_none_when_it_is_planned():
    entered = FAMILIES.find("adversarial")
    assert entered.sees_network and entered.keeps_labels and entered.moves_atoms and entered.metrics == ("winf",)
    assert not FAMILIES.find("rotation").sees_network
    check_shift("adversarial", LAW, 0.2, steps=3)
    with pytest.raises(ValueError, match="adversarial must be given the network that it sees"):
        attack(0.2)
    for parameters, message in (
        ({"norm": "l1"}, "norm must be l2 or linf, got 'l1'"),
        ({"steps": 0}, "steps and passes must be at least 1, got 0 and 4"),
        ({"network": 3}, "network must be a function"),
        ({"metric": "w2"}, "metric must be winf for adversarial"),
    ):
        for apply in (attack, partial(check_shift, "adversarial", LAW)):
            with pytest.raises(ValueError, match=message):
                apply(0.2, **({"network": bent} | parameters))
    for apply in (partial(attack, network=bent), partial(check_shift, "adversarial", LAW)):
        with pytest.raises(Unreachable, match="W_inf 0 and"):
            apply(1e-9)
        assert apply(0.0) is None or apply(0.0).law is LAW
    with pytest.raises(ValueError, match="logits must have a column for every label up to 1"):
        attack(0.2, network=lambda x, generator: x[:, :1])


def test_an_attack_beyond_its_size_is_refused(monkeypatch):
    monkeypatch.setattr("ib_core.shifts.adversarial._within", lambda steps, size, norm: steps)
    with pytest.raises(ArithmeticError, match=r"an atom moved by .*, more than 0.2"):
        attack(0.2, network=bent)


def test_noise_is_new_at_every_step_and_the_same_before_and_after():
    seen = []

    def network(x, generator):
        seen.append((len(x), x.requires_grad, generator.initial_seed()))
        return bent(x, generator)

    attack(0.2, network=network, steps=2, passes=3)
    ascent = [seed for _, ascending, seed in seen if ascending]
    rise = [seed for _, ascending, seed in seen if not ascending]
    assert len(ascent) == 3 * 2 * 3 and len(set(ascent)) == 3 * 2  # blocks, steps, passes
    assert len(rise) == 3 * 2 * 3 and len(set(rise)) == 3 and not set(rise) & set(ascent)
    assert max(n for n, _, _ in seen) == 512
