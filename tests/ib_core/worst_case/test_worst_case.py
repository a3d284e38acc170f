"""The worst case over a ball: equal to brute force, certified, and never above a theorem."""

import math
from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import rel_entr

from ib_core import bounds
from ib_core.channels.closed_forms import finite_input_information
from ib_core.channels.finite import from_kernel, information, pointwise
from ib_core.estimators.layer_channel import layer_channel
from ib_core.laws.tilt import divergence
from ib_core.mixture.atoms import Atoms
from ib_core.worst_case import search as worst_case
from ib_core.worst_case.search import largest_information, smallest_information

METRICS = ["tv", "kl"]


def instance(seed, n=3, m=4):
    rng = np.random.default_rng(seed)
    channel = rng.gamma(rng.choice([0.3, 1.0, 5.0]), size=(m, n)) + 1e-3
    return channel / channel.sum(0), rng.dirichlet(np.ones(n)) * 0.97 + 0.03 / n, float(rng.choice([0.01, 0.1, 0.3]))


def grid_laws(p, size, metric, k=250):
    a, b = np.meshgrid(np.linspace(0, 1, k + 1), np.linspace(0, 1, k + 1))
    laws = np.stack([a, b, 1 - a - b], axis=-1)[a + b <= 1 + 1e-12]
    laws = np.vstack([np.maximum(laws, 0), p])
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(laws > 0, laws * np.log(laws / p), 0)
    distance = 0.5 * np.abs(laws - p).sum(1) if metric == "tv" else terms.sum(1)
    return laws[distance <= size]


def grid_information(channel, laws):
    out = laws @ channel.T
    entropy = -np.where(out > 0, out * np.log(np.where(out > 0, out, 1)), 0).sum(1)
    return entropy + laws @ (channel * np.log(channel)).sum(0)


@pytest.mark.parametrize("metric", METRICS)
def test_both_ends_agree_with_brute_force(metric):
    for seed in range(10):
        channel, p, size = instance(seed)
        values = grid_information(channel, grid_laws(p, size, metric))
        most = largest_information(channel, p, size, metric)
        least = smallest_information(channel, p, size, metric)
        assert values.max() - 1e-6 <= most.upper and most.value <= values.max() + 5e-3
        assert least.lower - 1e-9 <= values.min() and least.value <= information(channel, p) + 1e-12
        for law in (most.weights, least.weights):
            assert (0.5 * np.abs(law - p).sum() if metric == "tv" else divergence(law, p)) <= size * (1 + 1e-9)
        assert information(channel, most.weights) == pytest.approx(most.value, abs=1e-12)
        assert information(channel, least.weights) == pytest.approx(least.value, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "m"), [(2, 2), (4, 8), (8, 8), (20, 30)])
def test_the_gap_closes_and_no_theorem_is_exceeded(metric, n, m):
    for seed in range(12):
        channel, p, size = instance(seed, n, m)
        found = largest_information(channel, p, size, metric)
        assert 0 <= found.upper - found.value < 1e-6
        assert found.weights.sum() == pytest.approx(1, abs=1e-12)
        moved = found.value - information(channel, p)
        i = pointwise(channel, p)
        if metric == "tv":
            distance = 0.5 * np.abs(found.weights - p).sum()
            limits = [bounds.tv_seed(min(size, 1 - 1 / n), n), bounds.tv_capacity(size, math.log(m))]
            interval = bounds.tv_interval(size, i, p)
        else:
            distance = float(found.weights @ np.log(found.weights / p))
            limits = [bounds.kl_seed(size, n), bounds.kl_capacity(size, math.log(m)), bounds.kl_pointwise(size, i, p)]
            interval = bounds.golden_interval(size, i, p)
        assert distance <= size * (1 + 1e-9)
        assert -1e-12 <= moved <= min(limits) + 1e-9 and found.value <= interval[1] + 1e-9


def test_a_whole_ball_gives_the_capacity_of_the_binary_symmetric_channel():
    flip = 0.11
    channel = np.array([[1 - flip, flip], [flip, 1 - flip]])
    found = largest_information(channel, np.array([0.9, 0.1]), 1.0, "tv")
    assert found.value == pytest.approx(math.log(2) - float(bounds.binary_entropy(flip)), abs=1e-6)


def test_an_atom_without_weight_may_gain_mass_in_tv_and_never_in_kl():
    channel, p = np.eye(3), np.array([0.5, 0.5, 0.0])
    assert largest_information(channel, p, 0.2, "tv").weights[2] == pytest.approx(0.2, abs=1e-2)
    found = largest_information(channel, p, 0.2, "kl")
    assert found.weights[2] == 0 and found.value == pytest.approx(math.log(2))


def test_a_layer_becomes_a_finite_channel_whose_information_converges():
    rng = np.random.default_rng(0)
    signals, beta = np.tanh(rng.standard_normal((64, 2))), 0.3
    owner = np.repeat(np.arange(64), 40)
    t = signals[owner] + beta * rng.standard_normal((len(owner), 2))
    log_kernel = -((t[:, None] - signals) ** 2).sum(-1) / (2 * beta**2)
    uniform = np.full(64, 1 / 64)
    channel = from_kernel(np.exp(log_kernel), uniform)
    own = log_kernel[np.arange(len(t)), owner]
    direct = (own - np.log(np.exp(log_kernel).mean(1))).mean()
    assert information(channel, uniform) == pytest.approx(direct, abs=0.03)
    found = largest_information(channel, uniform, 0.1, "kl")
    assert found.upper - found.value < 1e-6 and found.value > information(channel, uniform)


def test_draws_in_the_proportions_of_their_proposal_give_the_channel_itself():
    # Of 16 draws from u = (1/4, 3/4) the first output comes 5 times.
    channel, u = np.array([[0.5, 0.25], [0.5, 0.75]]), np.array([0.25, 0.75])
    found = from_kernel(7.0 * channel[np.repeat([0, 1], [5, 11])], u)
    for p in (u, np.array([0.9, 0.1])):
        assert pointwise(found, p) == pytest.approx(pointwise(channel, p), rel=1e-12)


def test_a_layer_keeps_its_information_as_a_finite_channel():
    rng = np.random.default_rng(0)
    passes = np.tanh(rng.standard_normal((300, 1, 1)) + 0.3 * rng.standard_normal((300, 8, 1)))
    channel, uniform = layer_channel(passes, 0.3, seed=1), np.full(300, 1 / 300)
    given_input = np.mean([finite_input_information(own[:, 0], 0.3) for own in passes])
    truth = finite_input_information(passes.reshape(-1), 0.3) - given_input
    assert information(channel, uniform) == pytest.approx(truth, abs=0.05)
    passes[[7, 150, 299]] += 50.0 * np.arange(1, 4)[:, None, None]  # three that know themselves, at their places
    i = pointwise(layer_channel(passes, 0.3, seed=1), uniform)
    assert np.flatnonzero(np.isclose(i, math.log(300))).tolist() == [7, 150, 299]
    points = rng.standard_normal((64, 1))
    kernels = [Atoms(passes, 0.3, backend=name).matrix(points, np.zeros(64)) for name in ("numba", "torch")]
    np.testing.assert_allclose(*kernels, rtol=1e-5, atol=1e-20)


def test_the_gap_closes_on_a_layer_of_many_atoms():
    rng = np.random.default_rng(2)
    passes = np.tanh(2 * rng.standard_normal((700, 1, 3)) + 0.3 * rng.standard_normal((700, 5, 3)))
    uniform = np.full(700, 1 / 700)
    for beta in (0.05, 0.5):
        channel = layer_channel(passes, beta)
        for size in (0.05, 0.4):
            found = largest_information(channel, uniform, size, "tv")
            assert found.upper - found.value < 1e-6
            assert 0.5 * np.abs(found.weights - uniform).sum() <= size + 1e-12 and found.weights.min() >= 0


def clusters(n, groups, seed):
    """n atoms in uneven groups: each keeps to the outputs of its group, but for a share that leaks into another."""
    rng = np.random.default_rng(seed)
    own = np.concatenate([np.arange(groups), rng.choice(groups, n - groups, p=rng.dirichlet(np.full(groups, 0.3)))])
    same = (own[:, None] == own) * 1.0
    stray = (own[:, None] == rng.integers(groups, size=n)) * 1.0
    channel = same * rng.gamma(3.0, size=(n, n)) + 1e-9
    channel, leak = channel / channel.sum(0), 0.5 * rng.random(n) ** 2
    return (1 - leak) * channel + leak * stray / stray.sum(0)


@pytest.mark.parametrize(("groups", "seed"), [(30, 0), (300, 1)])
def test_the_gap_closes_where_the_ball_contains_the_capacity(groups, seed):
    channel, uniform = clusters(600, groups, seed), np.full(600, 1 / 600)
    capacity = [largest_information(channel, uniform, size, metric) for metric, size in (("kl", 6.0), ("tv", 0.99))]
    assert max(found.value for found in capacity) <= min(found.upper for found in capacity)
    reached = float(capacity[0].weights @ np.log(np.maximum(capacity[0].weights, 1e-300) * 600))
    for size in (0.01, 0.1, 0.9 * reached, 0.99 * reached, 1.01 * reached, 2 * reached):
        found = largest_information(channel, uniform, size, "kl")
        assert found.upper - found.value < 1e-6
        assert found.weights @ np.log(np.maximum(found.weights, 1e-300) * 600) <= size * (1 + 1e-9)
        assert found.value <= capacity[0].upper and (size < reached or found.upper >= capacity[0].value)


def test_the_gap_closes_where_the_ball_just_misses_the_capacity():
    # Capacity at TV 0.4527; here some 1000 atoms hang together.
    found = largest_information(clusters(1600, 800, 0), np.full(1600, 1 / 1600), 0.448, "tv")
    assert found.upper - found.value < 1e-6
    assert 0.5 * np.abs(found.weights - 1 / 1600).sum() <= 0.448 + 1e-12 and found.weights.min() >= 0


DISJOINT = {
    "identity": np.eye(5),
    "blocks": np.kron(np.eye(2), np.full((3, 3), 1 / 3)),
    "doubled columns": np.hstack([np.eye(3), np.eye(3)]),
    "a row that never is": np.vstack([np.eye(4), np.zeros(4)]),
    "one row": np.ones((1, 4)),
    "one atom": np.array([[0.3], [0.7]]),
    "nearly the identity": np.eye(4) * (1 - 4e-14) + 1e-14,
}


@pytest.mark.parametrize("name", DISJOINT)
@pytest.mark.parametrize("metric", METRICS)
def test_channels_whose_pointwise_information_is_constant_have_worst_cases_of_every_size(name, metric):
    channel = DISJOINT[name]
    n = channel.shape[1]
    skewed = np.arange(1.0, n + 1)
    laws = [np.full(n, 1 / n), skewed / skewed.sum(), np.eye(n)[-1]]
    for p in [*laws, *([np.append(0.0, np.full(n - 1, 1 / (n - 1)))] if n > 1 else [])]:
        for size in [0, 1e-300, 1e-17, 1e-12, 0.1, 1.0, *([1e10, math.inf] if metric == "kl" else [])]:
            most, least = (f(channel, p, size, metric) for f in (largest_information, smallest_information))
            assert 0 <= most.upper - most.value < 1e-6 and 0 <= least.lower <= least.value
            for found in (most, least):
                assert information(channel, found.weights) == pytest.approx(found.value, abs=1e-12)
                assert found.weights.min() >= 0 and found.weights.sum() == pytest.approx(1, abs=1e-12)
                distance = 0.5 * np.abs(found.weights - p).sum() if metric == "tv" else divergence(found.weights, p)
                assert distance <= size * (1 + 1e-9) + 1e-15
            assert least.value <= information(channel, p) + 1e-12 <= most.value + 2e-12


def test_the_least_entropy_of_a_ball_is_that_of_the_most_uneven_law():
    # Without noise I = H: all of eps goes from light atoms to the heaviest; a KL ball around a fair bit is an interval.
    found = smallest_information(np.eye(40), np.full(40, 1 / 40), 0.1, "tv")
    assert found.value == pytest.approx(-0.125 * math.log(0.125) - 35 * math.log(1 / 40) / 40, abs=1e-9)
    q = brentq(lambda q: math.log(2) + q * math.log(q) + (1 - q) * math.log(1 - q) - 0.1, 0.5, 1 - 1e-9, xtol=1e-15)
    found = smallest_information(np.eye(2), np.full(2, 0.5), 0.1, "kl")
    assert found.value == pytest.approx(float(bounds.binary_entropy(q)), abs=1e-9)
    found = smallest_information(np.eye(4), np.full(4, 0.25), 0.75, "tv")
    assert found.value == 0


def random_case(rng, n):
    channel = rng.gamma(rng.choice([0.1, 0.3, 1.0]), size=(rng.integers(2, 7), n)) + 1e-9
    law = rng.dirichlet(np.full(n, rng.choice([0.5, 20.0]))) if rng.random() < 0.7 else np.full(n, 1 / n)
    return channel / channel.sum(0), np.maximum(law, 1e-4) / np.maximum(law, 1e-4).sum(), float(rng.choice([0.05, 0.3]))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_smallest_information_of_a_tv_ball_is_at_an_extreme_point(n):
    rng = np.random.default_rng(n)
    for _ in range(15):
        channel, p, size = random_case(rng, n)
        # Extreme points: P - u + eps delta, u taking some order of atoms one after the other.
        laws = []
        for order in permutations(range(n)):
            before = np.concatenate([[0], np.cumsum(p[list(order)])[:-1]])
            kept = p.copy()
            kept[list(order)] -= np.clip(size - before, 0, p[list(order)])
            laws += [kept + size * onto for onto in np.eye(n)]
        least = smallest_information(channel, p, size, "tv")
        truth = min(information(channel, law) for law in laws)
        assert least.value == pytest.approx(truth, abs=1e-9) and least.lower <= truth + 1e-12


def test_descents_alone_come_near_the_smallest_information_of_a_tv_ball(monkeypatch):
    rng = np.random.default_rng(0)
    cases = [random_case(rng, 7) for _ in range(20)]
    exact = [smallest_information(*case, "tv").value for case in cases]
    monkeypatch.setattr(worst_case, "FEW_ATOMS", 1)
    missed = np.array([smallest_information(*case, "tv").value for case in cases]) - exact
    assert missed.min() > -1e-12 and missed.max() < 0.01 and (missed < 1e-9).mean() > 0.9


@pytest.mark.parametrize("n", [2, 3])
def test_the_smallest_information_of_a_kl_ball_is_at_its_boundary(n):
    rng = np.random.default_rng(n)
    for _ in range(6):
        channel, p, kappa = random_case(rng, n)
        # Every law of the ball lies between P and a law of the sphere, seen from P in some direction.
        angles = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
        basis = np.array([[1, -1]]) if n == 2 else np.array([[1, -1, 0], [1, 1, -2]])
        directions = np.array([[1.0], [-1.0]]) if n == 2 else np.stack([np.cos(angles), np.sin(angles)], axis=1)
        steps = directions @ basis
        with np.errstate(divide="ignore"):
            high = np.where(steps < 0, -p / steps, np.inf).min(1)
        low = np.zeros(len(steps))
        for _ in range(60):
            middle = (low + high) / 2
            inside = rel_entr(np.maximum(p + middle[:, None] * steps, 0), p).sum(1) <= kappa
            low, high = np.where(inside, middle, low), np.where(inside, high, middle)
        laws = np.maximum(p + low[:, None] * steps, 0)
        least = smallest_information(channel, p, kappa, "kl")
        truth = min(information(channel, law) for law in laws)
        assert truth - 1e-4 < least.value < truth + 1e-9 and least.lower <= truth + 1e-12


@pytest.mark.parametrize("beta", [1e-6, 1e-3, 5e-3])
@pytest.mark.parametrize("metric", METRICS)
def test_layers_that_keep_nearly_everything_have_worst_cases(beta, metric):
    rng = np.random.default_rng(0)
    signals = np.tanh(3 * rng.standard_normal((200, 1, 2)) + 1e-3 * rng.standard_normal((200, 4, 2)))
    signals[50:60] = signals[:10]  # equal atoms
    channel, uniform = layer_channel(signals, beta), np.full(200, 1 / 200)
    for size in (0.01, 0.3):
        most, least = (f(channel, uniform, size, metric) for f in (largest_information, smallest_information))
        assert 0 <= most.upper - most.value < 1e-6 and 0 <= least.lower <= least.value
        assert least.value < information(channel, uniform) < most.upper <= math.log(200)


@pytest.mark.parametrize(
    ("channel", "weights", "metric"),
    [(np.eye(2), np.array([1.0]), "tv"), (2 * np.eye(2), np.full(2, 0.5), "tv"), (np.eye(2), np.full(2, 0.5), "w2")],
)
def test_what_is_no_channel_or_no_ball_is_refused(channel, weights, metric):
    with pytest.raises(ValueError):
        largest_information(channel, weights, 0.1, metric)
