"""Projected layers: closed forms, quadrature, invariance and data processing."""

import math

import numpy as np
import pytest
import torch

from ib_core.channels.closed_forms import gaussian_atoms, linear_gaussian_information, noise_entropy
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.sliced import (
    discriminant_directions,
    mean_sliced_information,
    principal_directions,
    random_directions,
    sliced_information,
)
from ib_core.laws.input_law import entropy
from ib_core.mixture.own_passes import OwnPasses
from ib_core.mixture.quadrature import quadrature_entropy
from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import noisy_passes, own_signals


def by_quadrature(signals, beta, weights=None):
    """I(X; T) of a deterministic layer (N, d <= 2)."""
    n, d = signals.shape
    law = np.full(n, 1 / n) if weights is None else weights
    return quadrature_entropy(signals / beta, law) + d * math.log(beta) - noise_entropy(d, beta)


def noisy_layer(seed, n, n_passes, d, beta):
    """Signals (n, n_passes, d) of the second layer of a random network, whose first one is noisy."""
    rng = np.random.default_rng(seed)
    x = np.random.default_rng(1).normal(size=(n, 3))
    first, second = np.random.default_rng(2).normal(size=(3, 3)), np.random.default_rng(3).normal(size=(3, d))
    hidden = np.tanh(x @ first)[:, None] + beta * rng.normal(size=(n, n_passes, 3))
    return np.tanh(hidden @ second)


@pytest.mark.parametrize("k", [1, 2])
def test_a_linear_gaussian_layer_has_the_closed_form_of_its_projection(k):
    points, weights = gaussian_atoms(24, 2)
    matrix = np.random.default_rng(0).normal(size=(30, 2))
    directions = random_directions(30, k, 1, seed=4)[0]
    found = sliced_information(
        (points @ matrix.T)[:, None], 1.0, directions, deterministic=True, weights=weights, target_stderr=5e-3
    )
    truth = linear_gaussian_information(directions @ matrix, 1.0)
    assert abs(found.upper.value - truth) < 4 * found.upper.stderr + 1e-6
    assert found.conditional_entropy == (noise_entropy(k, 1.0), 0.0)


def test_all_directions_are_the_layer():
    signals = noisy_layer(0, 64, 40, 4, 0.3)
    rotation = random_directions(4, 4, 1, seed=0)[0]
    passes, own = signals[:, :8], signals[:, 8:]
    whole = layer_information(passes, 0.3, own=own)
    turned = sliced_information(passes, 0.3, rotation, own=own)
    for one, other in ((whole.upper, turned.upper), (whole.plug_in, turned.plug_in)):
        assert abs(one.value - other.value) < 4 * math.hypot(one.stderr, other.stderr)


def test_a_slice_of_a_slice_knows_less():
    signals = np.random.default_rng(0).normal(size=(100, 1, 12))
    directions = random_directions(12, 3, 1, seed=0)[0]
    found = [
        sliced_information(signals, 0.3, directions[:k], deterministic=True, target_stderr=0.03) for k in (1, 2, 3)
    ]
    whole = layer_information(signals, 0.3, deterministic=True, target_stderr=0.03)
    highest = [each.bracket[1] for each in [*found, whole]]
    lowest = [each.bracket[0] for each in [*found, whole]]
    assert all(low < high for low, high in zip(lowest, highest[1:], strict=False))


@pytest.mark.parametrize("find", ["principal", "discriminant"])
def test_clusters_apart_along_one_direction_carry_their_entropy(find):
    rng = np.random.default_rng(0)
    label, axis = np.repeat([0, 1, 2], [50, 30, 20]), random_directions(40, 1, 1, seed=3)[0, 0]

    def layer():  # far apart along the axis, equal but for noise elsewhere
        return 60.0 * label[:, None] * axis + rng.normal(size=(100, 40)) * 1e-3

    other = layer()
    chosen = principal_directions(other, 1) if find == "principal" else discriminant_directions(other, label, 1)
    assert abs(chosen[0] @ axis) > (0.999 if find == "principal" else 0.8)  # W is known from 100 atoms
    found = sliced_information(layer()[:, None], 1.0, chosen, deterministic=True, labels=label)
    truth = entropy(np.array([0.5, 0.3, 0.2]))
    assert abs(found.upper.value - truth) < 4 * found.upper.stderr + 1e-4
    assert abs(found.label_upper.value - truth) < 4 * found.label_upper.stderr + 1e-4


def test_discriminants_ignore_what_classes_share():
    """One direction of large spread that says nothing of the label, and one of small spread that says all."""
    rng = np.random.default_rng(0)
    label = np.arange(400) % 2
    signals = rng.normal(size=(400, 6)) * [9, 0.5, 0.5, 0.5, 0.5, 0.5]
    signals[:, 1] += label
    assert abs(principal_directions(signals, 1)[0, 0]) > 0.99
    assert abs(discriminant_directions(signals, label, 1)[0, 1]) > 0.9


@pytest.mark.parametrize(("n", "d"), [(400, 6), (30, 60)])
def test_beyond_the_classes_directions_are_the_principal_ones_of_what_is_left(n, d):
    """The largest spread lies in a plane with the discriminant: what is left of it is at right angles to that."""
    rng = np.random.default_rng(0)
    label = np.arange(n) % 2
    signals = rng.normal(size=(n, d)) * np.array([9.0, 0.5, 4.0, *[0.5] * (d - 3)])
    signals[:, 1] += 3 * label
    found = discriminant_directions(signals, label, 3)
    assert np.abs(found @ found.T - np.eye(3)).max() < 1e-12
    np.testing.assert_allclose(found[:1], discriminant_directions(signals, label, 1), atol=1e-12)
    outside = np.linalg.svd(found[:1])[2][1:]  # an orthonormal basis of what is left
    leading = np.linalg.svd((signals - signals.mean(0)) @ outside.T)[2][:2] @ outside
    assert np.abs(np.abs((found[1:] * leading).sum(1)) - 1).max() < 1e-8
    assert abs(found[1, 0]) > 0.9


def test_directions_that_no_signal_moves_along_are_orthonormal_too():
    signals, label = np.zeros((8, 5)), np.arange(8) % 2
    signals[:, 2] = label
    found = discriminant_directions(signals, label, 5)
    assert np.abs(found @ found.T - np.eye(5)).max() < 1e-12 and abs(found[0, 2]) == pytest.approx(1)


@pytest.mark.parametrize(("n", "d"), [(60, 20), (20, 60)])
def test_directions_of_few_and_of_many_units_are_those_of_the_definition(n, d):
    rng = np.random.default_rng(0)
    signals, label = rng.normal(size=(n, d)) * np.linspace(1, 3, d), np.arange(n) % 3
    centred = signals - signals.mean(0)
    leading = np.linalg.svd(centred)[2][:2]
    assert np.abs(np.abs(np.diag(principal_directions(signals, 2) @ leading.T)) - 1).max() < 1e-8
    means = np.stack([signals[label == c].mean(0) for c in range(3)])[label]
    within, between = (part.T @ part / n for part in (signals - means, means - signals.mean(0)))
    within = 0.9 * within + 0.1 * np.trace(within) / d * np.eye(d)
    values, vectors = np.linalg.eig(np.linalg.solve(within, between))
    span = np.linalg.qr(vectors[:, np.argsort(-values.real)[:2]].real)[0]
    found = discriminant_directions(signals, label, 2)
    assert np.abs(found @ found.T - np.eye(2)).max() < 1e-10
    assert np.abs(found @ span @ span.T - found).max() < 1e-7


@pytest.mark.parametrize("k", [1, 2])
def test_a_saturated_wide_layer_has_projections_that_hold_their_truth(k):
    rng = np.random.default_rng(0)
    signals = np.tanh(rng.normal(size=(500, 20)) @ rng.normal(size=(20, 200)) / 3)
    whole = layer_information(signals[:, None], 0.2, deterministic=True)
    assert whole.saturation > 0.999
    other = np.tanh(rng.normal(size=(500, 20)) @ rng.normal(size=(20, 200)) / 3)
    for chosen in (principal_directions(other, k), random_directions(200, k, 1, seed=0)[0]):
        found = sliced_information(signals[:, None], 0.2, chosen, deterministic=True)
        assert found.bracket[0] <= by_quadrature(signals @ chosen.T, 0.2) <= found.bracket[1] < 0.95 * math.log(500)


def test_the_ends_enclose_a_noisy_projection():
    """Held against the same layer with 4000 passes, whose mixtures are integrated by quadrature."""
    beta, n, chosen = 0.3, 40, random_directions(6, 1, 1, seed=1)[0]
    many = noisy_layer(9, n, 4000, 6, beta) @ chosen.T / beta
    conditional = np.mean([quadrature_entropy(each, np.full(4000, 1 / 4000)) for each in many])
    truth = quadrature_entropy(many.reshape(-1, 1), np.full(n * 4000, 1 / (n * 4000))) - conditional
    signals = noisy_layer(0, n, 300, 6, beta)
    found = sliced_information(signals[:, :20], beta, chosen, own=signals[:, 20:], target_stderr=5e-3)
    assert found.bracket[0] - 2e-3 <= truth <= found.bracket[1] + 2e-3
    assert found.bracket[1] - found.bracket[0] < 0.3 and found.lower_form in ("split", "gaussian")


def test_passes_made_block_by_block_give_the_numbers_of_an_array():
    signals = noisy_layer(0, 70, 60, 5, 0.3)
    passes, own, fresh = signals[:, :4], signals[:, 4:50], signals[:, 50:]
    asked = []

    def of(first, last):
        asked.append((first, last))
        return own[first:last]

    families = noisy_layer(5, 70, 8192, 5, 0.3)

    def heavy(atoms, count, family):
        return families[atoms, family * count : (family + 1) * count]

    chosen = random_directions(5, 2, 3, seed=0)
    few = {"max_draws": 1000, "target_stderr": 1e-3}
    array = sliced_information(passes, 0.3, chosen[0], own=own, **few)
    made = sliced_information(passes, 0.3, chosen[0], own=OwnPasses(46, of, size=32), **few)
    np.testing.assert_allclose(made.bracket, array.bracket, rtol=1e-9)
    asked.clear()
    mean_sliced_information(passes, 0.3, chosen, own=OwnPasses(46, of, size=32), **few)
    blocks = [pair for pair in asked if pair in [(0, 32), (32, 64), (64, 70)]]
    assert len(blocks) == 3  # asked for once, projected on all slices, and kept
    weights = np.r_[[0.5], np.full(69, 0.5 / 69)]
    lazy = OwnPasses(46, of, heavy, 32)
    projected = OwnPasses(
        46,
        lambda first, last: own[first:last] @ chosen[1].T,
        lambda atoms, count, family: heavy(atoms, count, family) @ chosen[1].T,
        32,
    )
    one = sliced_information(passes, 0.3, chosen[1], own=lazy, weights=weights, **few)
    other = layer_information(passes @ chosen[1].T, 0.3, own=projected, weights=weights, **few)
    np.testing.assert_allclose(one.bracket, other.bracket, rtol=1e-9)
    single = sliced_information(torch.from_numpy(passes), 0.3, chosen[0], fresh=torch.from_numpy(fresh), **few)
    np.testing.assert_allclose(
        single.bracket, layer_information(passes @ chosen[0].T, 0.3, fresh=fresh @ chosen[0].T, **few).bracket
    )


def test_a_network_is_projected_as_it_stands():
    network = NoisyNetwork(*build_mlp(Spec((4,), 2, (6, 30), "tanh"), 0), (4,), [0.4, 0.4])
    atoms = np.random.default_rng(0).normal(size=(150, 4))
    stored = noisy_passes(network, atoms, 4, 0, "stored").signals[1]
    own = own_signals(network, atoms, 2, 16, 0)
    chosen = principal_directions(own_signals(network, atoms[:100], 2, 8, 0, "directions").of(0, 100), 2)
    found = sliced_information(stored, 0.4, chosen, own=own, target_stderr=0.05)
    whole = layer_information(stored, 0.4, own=own, target_stderr=0.05)
    assert 0 < found.bracket[0] < found.bracket[1] < whole.bracket[1]
    assert found.pointwise.shape == (150,)


def test_the_mean_over_slices_covers_that_of_many():
    """Isotropic Gaussian data: every slice knows the same; else the mean of many slices is the truth."""
    rng = np.random.default_rng(0)
    signals = rng.normal(size=(300, 10)) * np.linspace(0.2, 2, 10)
    many = [by_quadrature(signals @ each.T, 0.5) for each in random_directions(10, 1, 1000, seed=7)]
    truth = np.mean(many)
    z = []
    for seed in range(20):
        chosen = random_directions(10, 1, 6, seed=100 + seed)
        found = mean_sliced_information(signals[:, None], 0.5, chosen, deterministic=True, target_stderr=0.02)
        exact = [by_quadrature(signals @ each.T, 0.5) for each in chosen]
        assert abs(found.upper.value - np.mean(exact)) < 4 * np.mean([each.upper.stderr for each in found.slices])
        assert abs(found.upper_spread - np.std(exact, ddof=1)) < 0.05
        assert found.bracket[0] <= truth <= found.bracket[1]
        z.append((found.upper.value - truth) / found.upper.stderr)
    assert np.std(z) < 1.2 and abs(np.mean(z)) < 4 * np.std(many) / math.sqrt(20 * 6) / 0.02


def test_laws_of_slices_are_columns():
    signals = noisy_layer(0, 50, 30, 5, 0.3)
    laws = np.stack([np.full(50, 0.02), np.r_[np.full(25, 0.04), np.zeros(25)]], axis=1)
    chosen = random_directions(5, 2, 3, seed=0)
    found = mean_sliced_information(signals[:, :4], 0.3, chosen, own=signals[:, 4:], weights=laws)
    assert found.upper.value.shape == found.bracket[0].shape == found.lower_form.shape == found.reached.shape == (2,)
    assert (found.bracket[0] < found.bracket[1]).all() and found.bracket[1][1] <= math.log(25)
    one = mean_sliced_information(signals[:, :4], 0.3, chosen)
    assert one.lower is None and one.lower_form is None and one.bracket[0] == 0
    assert one.draws == sum(each.draws for each in one.slices)


def test_random_directions_are_uniform_and_keyed_by_the_slice():
    found = random_directions(3, 2, 4000, seed=0)
    np.testing.assert_allclose(found @ found.swapaxes(1, 2), np.broadcast_to(np.eye(2), (4000, 2, 2)), atol=1e-12)
    assert (found[:5] == random_directions(3, 2, 5, seed=0)).all()
    first = found[:, 0]  # uniform on the sphere in R^3: each coordinate is uniform on [-1, 1] (Archimedes)
    assert np.abs(first.mean(0)).max() < 4 / math.sqrt(3 * 4000)
    assert np.abs(np.square(first).mean(0) - 1 / 3).max() < 4 * math.sqrt(4 / 45 / 4000)


SIGNALS = np.random.default_rng(0).normal(size=(6, 2, 4))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: principal_directions(SIGNALS, 5), "k must be a whole number from 1 to 4 for 12 signals of 4 units"),
        (lambda: principal_directions(SIGNALS[:1, :, :], 2), "k must be .* to 1 for 2 signals"),
        (lambda: principal_directions(SIGNALS, 0), "k must be .* got 0"),
        (lambda: principal_directions(SIGNALS, 1.5), "k must be .* got 1.5"),
        (lambda: principal_directions(np.full((3, 2), np.nan), 1), "signals must be finite"),
        (lambda: discriminant_directions(SIGNALS, np.arange(6) % 3, 5), "k must be .* to 4 for .* signals of 4 units"),
        (lambda: discriminant_directions(SIGNALS, np.arange(6) % 3, 0), "k must be .* from 1 to 4"),
        (
            lambda: discriminant_directions(SIGNALS, np.zeros(6), 1),
            r"labels must be of two classes at least, got \[0\]",
        ),
        (lambda: discriminant_directions(SIGNALS, np.zeros(5), 1), r"labels must have shape \(6,\)"),
        (lambda: random_directions(4, 5, 2, 0), "k must be .* to 4 for 4 units, got 5"),
        (lambda: random_directions(4, 2, 0, 0), "n must be a whole number from 1 on, got 0"),
        (lambda: sliced_information(SIGNALS, 1, np.ones((2, 4))), "orthonormal rows"),
        (lambda: sliced_information(SIGNALS, 1, (1 + 1e-4) * np.eye(4)), "orthonormal rows .*1e-05.* off by 0.0002"),
        (lambda: sliced_information(SIGNALS, 1, np.eye(3)), r"directions must be \(k, 4\)"),
        (lambda: sliced_information(SIGNALS, 1, np.eye(5)[:, :4]), r"directions must be \(k, 4\)"),
        (lambda: sliced_information(SIGNALS, 1, np.eye(4)[0]), r"directions must have shape \(k, d\)"),
        (lambda: sliced_information(SIGNALS[0], 1, np.eye(4)), "passes must have shape"),
        (lambda: sliced_information(SIGNALS, 1, np.eye(4), own=SIGNALS[:5]), "own must have shape"),
        (lambda: sliced_information(SIGNALS, 1, np.eye(4), fresh=SIGNALS[:, :, :3]), "fresh must have shape"),
        (lambda: sliced_information(SIGNALS * np.inf, 1, np.eye(4)), "passes must be finite"),
        (
            lambda: sliced_information(SIGNALS, 1, np.eye(4), own=OwnPasses(2, lambda a, b: SIGNALS[a:b, :, :3])),
            "own must give signals of shape",
        ),
        (lambda: sliced_information(SIGNALS, 1, np.eye(4), deterministic=True), "deterministic layer has one pass"),
        (lambda: mean_sliced_information(SIGNALS, 1, np.eye(4)[None]), "at least two slices"),
    ],
)
def test_what_is_refused_is_one_line(call, expected):
    with pytest.raises(ValueError, match=expected) as error:
        call()
    assert "\n" not in str(error.value)
