"""Wide layers: what an isometry hides is found, both ends are ends, and blocks of signals are the array."""

import math

import numpy as np
import pytest

from ib_core.channels.closed_forms import hypercube_information, noise_entropy
from ib_core.estimators import principal
from ib_core.estimators.cost import cost_of, layer_cost
from ib_core.estimators.principal import principal_directions
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.sliced import random_directions
from ib_core.estimators.wide import informative_directions, wide_information
from ib_core.laws.divergences import kl_divergence
from ib_core.laws.input_law import entropy
from ib_core.mixture.own_passes import OwnPasses
from ib_core.mixture.quadrature import quadrature_entropy
from ib_core.mixture.signal_blocks import SignalBlocks, signal_blocks

WIDE = 600
CUBE = np.array(np.meshgrid(*[[-1.0, 1.0]] * 4)).reshape(4, -1).T  # (16, 4)


def isometry(d, k):
    return random_directions(d, k, 1, seed=5)[0]


def by_block(array, size):
    return SignalBlocks(array.shape, lambda first, last: array[first:last], size)


def narrow_layer(family, n, count, beta=0.3):
    """(n, count, 8) of a layer behind a noisy one."""
    x, first, second = (np.random.default_rng(k).normal(size=shape) for k, shape in enumerate([(n, 3), (3, 6), (6, 8)]))
    noise = np.random.default_rng([7, family]).normal(size=(n, count, 6))
    return np.tanh((np.tanh(x @ first)[:, None] + beta * noise) @ second)


def test_the_lower_end_of_a_hypercube_in_many_dimensions_is_its_closed_form():
    signals = (CUBE @ isometry(WIDE, 4))[:, None]
    directions = informative_directions(signals, 1.0)
    found = wide_information(signals, 1.0, directions, deterministic=True, target_stderr=5e-3)
    truth = hypercube_information(4, 1.0)
    assert abs(found.lower.value - truth) < 4 * found.lower.stderr
    assert found.upper == (pytest.approx(math.log(16)), 0.0)
    assert found.conditional_entropy == (noise_entropy(WIDE, 1.0), 0.0)
    assert found.bracket[0] < truth < found.bracket[1]


def test_a_noisy_layer_turned_into_a_wide_one_keeps_its_lower_end():
    turn, n = isometry(WIDE, 8), 120
    other, stored, own = (narrow_layer(family, n, count) for family, count in enumerate([6, 8, 48]))
    laws = np.stack([np.full(n, 1 / n), np.random.default_rng(0).dirichlet(np.ones(n))], axis=1)
    narrow = layer_information(stored, 0.4, own=own, weights=laws, target_stderr=2e-2)
    directions = informative_directions(other @ turn, 0.4, weights=laws)
    wide = wide_information(stored @ turn, 0.4, directions, own=own @ turn, weights=laws, target_stderr=2e-2)
    error = np.hypot(wide.lower.stderr, narrow.upper.stderr)
    assert (wide.lower.value < narrow.upper.value + 4 * error).all()
    error = np.hypot(wide.lower.stderr, narrow.lower.stderr)
    assert (wide.lower.value > narrow.lower.value - 0.05 - 4 * error).all()
    np.testing.assert_allclose(wide.upper.value, [entropy(law) for law in laws.T])
    low, high = wide.change_bracket(1, 0)
    assert low <= narrow.change(1, 0)[0].value and narrow.change(1, 0)[1].value <= high


def test_separated_points_reach_the_entropy_of_their_law():
    rng = np.random.default_rng(0)
    points = np.where(rng.random((300, 500)) < 0.5, -1.0, 1.0)
    stored, own, other = (points[:, None] + 0.1 * rng.normal(size=(300, m, 500)) for m in (8, 24, 4))
    directions = informative_directions(other, 0.2)
    found = wide_information(stored, 0.2, directions, own=own, target_stderr=0.02)
    assert len(directions) <= 16
    assert math.log(300) - 0.01 < found.lower.value <= math.log(300) + 1e-9
    assert found.bracket[1] == found.upper.value == pytest.approx(math.log(300))
    assert found.saturation == 1.0 and found.reached


def test_what_is_said_from_above_is_said_of_all_inputs_kept_apart():
    rng = np.random.default_rng(1)
    signals, label = rng.normal(size=(30, 1, 50)), np.arange(30) % 3
    laws = np.stack([np.full(30, 1 / 30), rng.dirichlet(np.ones(30)), np.full(30, 1 / 30)], axis=1)
    found = wide_information(signals, 1.0, isometry(50, 3), deterministic=True, weights=laws, labels=label)
    upper = found.upper.value
    np.testing.assert_allclose((laws * found.pointwise).sum(0), upper)
    # The change is that of the pointwise part less the divergence.
    predicted = (laws[:, 1] - laws[:, 0]) @ found.pointwise[:, 0] - found.output_divergence.value[1]
    assert found.difference(1, 0).value == pytest.approx(predicted)
    assert found.output_divergence.value[1] == pytest.approx(kl_divergence(laws[:, 1], laws[:, 0]))
    np.testing.assert_allclose(found.label_upper.value, [entropy(np.bincount(label, law)) for law in laws.T])
    assert found.change(2, 0) == ((0.0, 0.0), (0.0, 0.0))
    low, high = found.change(1, 0)
    assert low.value == pytest.approx(found.lower.value[1] - upper[0])
    assert high.value == pytest.approx(upper[1] - found.lower.value[0])


@pytest.mark.parametrize("cap", [1.5, [1.5, 2.5]])
def test_a_cap_of_the_caller_is_the_upper_end(cap):
    laws = np.stack([np.full(16, 1 / 16), np.full(16, 1 / 16)], axis=1)
    signals = (CUBE @ isometry(40, 4))[:, None]
    found = wide_information(signals, 2.0, isometry(40, 4), deterministic=True, weights=laws, cap=cap)
    np.testing.assert_array_equal(found.upper.value, np.broadcast_to(cap, 2))
    np.testing.assert_allclose(found.saturation, np.broadcast_to(cap, 2) / math.log(16))
    for bad in (-1.0, np.nan, [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="cap must be"):
            wide_information(signals, 2.0, isometry(40, 4), deterministic=True, weights=laws, cap=bad)


def test_brackets_of_a_small_wide_layer_hold_the_truth():
    """Points on a line in 200 dimensions, with noise of their own along it: by quadrature, the true ends over seeds."""
    line, beta, n = isometry(200, 1), 0.3, 10
    places = np.linspace(-1, 1, n)
    spread = 0.2  # S = place + spread z: T is Gaussian about each place
    scale = math.hypot(spread, beta)
    truth = quadrature_entropy(places[:, None] / scale, np.full(n, 1 / n)) + math.log(scale) - noise_entropy(1, scale)
    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        other, stored, own = (places[:, None] + spread * rng.normal(size=(n, m)) for m in (4, 8, 64))
        directions = informative_directions(other[:, :, None] @ line, beta, seed=seed)
        found = wide_information(
            stored[:, :, None] @ line, beta, directions, own=own[:, :, None] @ line, target_stderr=0.05, seed=seed
        )
        assert truth < found.bracket[1] == pytest.approx(math.log(n))
        missed += found.bracket[0] > truth
    assert missed <= 1


def test_blocks_files_and_arrays_give_the_same_numbers(tmp_path):
    rng = np.random.default_rng(0)
    signals, own = rng.normal(size=(50, 3, 90)).astype(np.float32), rng.normal(size=(50, 12, 90)).astype(np.float32)
    np.save(tmp_path / "signals.npy", signals)
    mapped = np.load(tmp_path / "signals.npy", mmap_mode="r")
    directions = isometry(90, 5)
    found = [
        wide_information(given, 1.0, directions, own=further).lower
        for given in (signals, by_block(signals, 7), mapped)
        for further in (own, OwnPasses(12, lambda first, last: own[first:last]))
    ]
    assert len(set(found)) == 1
    np.testing.assert_array_equal(principal_directions(mapped, 4), principal_directions(signals, 4))


def test_a_map_of_a_file_is_opened_for_each_block(tmp_path):
    """Pages that were read would otherwise stay in memory."""
    np.save(tmp_path / "signals.npy", np.arange(24.0).reshape(2, 3, 4))
    mapped = np.load(tmp_path / "signals.npy", mmap_mode="r")
    block = signal_blocks(mapped, "signals", "(N, n_x, d)").of(1, 2)
    np.testing.assert_array_equal(block, mapped[1:2])
    assert not np.shares_memory(block, mapped)
    # A part of a map starts elsewhere in the file.
    np.testing.assert_array_equal(signal_blocks(mapped[1:], "signals", "(N, n_x, d)").of(0, 1), mapped[1:])


@pytest.mark.parametrize("find", ["_by_rows", "_by_krylov"])
def test_principal_directions_are_those_of_the_covariance(find):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 250)) * np.arange(1, 251) ** -0.8 @ isometry(250, 250) + 5.0
    blocks = by_block(rows.reshape(300, 3, 250), 70)
    wanted = np.linalg.svd(rows - rows.mean(0))[2][:12]
    for found in (getattr(principal, find)(blocks, 12), principal_directions(blocks, 12)):
        assert np.abs(np.abs((found * wanted).sum(1)) - 1).max() < 1e-10
        assert np.abs(found - principal._by_covariance(blocks, 12)).max() < 1e-5


@pytest.mark.parametrize("rank", [0, 3])
def test_directions_along_which_nothing_moves_are_orthonormal_too(rank):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, rank)) @ rng.normal(size=(rank, 120)) + 1.0
    found = principal._by_krylov(signal_blocks(rows, "signals", "(n, d)"), 8)
    assert np.abs(found @ found.T - np.eye(8)).max() < 1e-12
    np.testing.assert_allclose((rows - rows.mean(0)) @ found.T @ found, rows - rows.mean(0), atol=1e-8)


def test_directions_lead_where_inputs_differ_and_not_where_passes_do():
    rng = np.random.default_rng(0)
    passes = 0.01 * rng.normal(size=(200, 4, 30))
    passes[:, :, 0] += 5 * rng.normal(size=(200, 4))  # the largest spread, which says nothing
    passes[:, :, 1:3] += rng.normal(size=(200, 1, 2))
    found = informative_directions(passes, 0.05)
    assert np.abs(found[:2, 1:3] @ found[:2, 1:3].T - np.eye(2)).max() < 0.01


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        ("signals must have a shape", {"signals": SignalBlocks((4, 2), lambda *_: None, 8)}),
        ("signals must give signals of shape", {"signals": SignalBlocks((4, 2, 9), lambda *_: np.ones((1, 2, 9)), 8)}),
        ("signals must be finite", {"signals": np.full((4, 2, 9), np.nan)}),
        ("own must have shape", {"own": np.ones((4, 8, 5))}),
        ("directions must be", {"directions": np.eye(3)}),
        ("beta must be", {"beta": 0.0}),
        ("one row for each", {"weights": np.full(3, 1 / 3)}),
    ],
)
def test_what_does_not_fit_is_refused(problem, options):
    given = {"signals": np.ones((4, 2, 9)), "beta": 1.0, "directions": np.eye(3, 9), "own": np.ones((4, 8, 9))}
    with pytest.raises(ValueError, match=problem):
        wide_information(**(given | options))


def test_a_layer_costs_its_passes_too():
    plain = {"widths": [64, 32], "products": [1000, 3000], "n_passes": 8, "n_own": 32, "draws": 10_000, "wide": False}
    base = layer_cost(1000, **plain)
    assert layer_cost(1000, **plain | {"products": [10**6, 2 * 10**6]}).seconds > base.seconds + 1
    assert layer_cost(1000, **plain | {"widths": [10**4, 32]}).seconds > base.seconds + 1
    assert layer_cost(1000, **plain, n_laws=2).seconds > base.seconds  # passes of heavy atoms
    assert layer_cost(1000, **plain | {"n_own": 0}, n_laws=2) == layer_cost(1000, **plain | {"n_own": 0})
    assert base.bytes == cost_of(1000, 8, 32, 10_000, n_own=32).ordinary.bytes


def test_a_wide_layer_costs_what_its_projection_does():
    assert cost_of(10_000, 8, 12_544, 100_000).ordinary.bytes > 2**33
    assert cost_of(10_000, 8, 12_544, 100_000).wide.bytes < 2**31
    for name in ("n", "n_passes", "d", "draws"):
        more = {"n": 4096, "n_passes": 8, "d": 1024, "draws": 65536}
        small, large = cost_of(**more), cost_of(**(more | {name: 2 * more[name]}))
        for before, after in zip(small, large, strict=True):
            assert after.seconds >= before.seconds and after.bytes >= before.bytes
