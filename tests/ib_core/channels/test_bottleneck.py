"""The information-bottleneck curve: closed cases, its shape, and its certificate."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import logsumexp

from ib_core.bounds import binary_entropy
from ib_core.channels import bottleneck as ib_curve
from ib_core.channels.bottleneck import bottleneck_curve
from ib_core.sources import szt


def information(joint):
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    inside = joint > 0
    return float((joint[inside] * np.log(joint[inside] / product[inside])).sum())


@pytest.mark.parametrize("flip", [0.02, 0.1, 0.3])
def test_a_fair_bit_through_a_binary_symmetric_channel(flip):
    # Mrs Gerber: the best T is X through another symmetric channel.
    joint = np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2
    start = 1 / (1 - 2 * flip) ** 2  # below this price the origin is optimal
    for point in bottleneck_curve(joint, start * np.array([0.9, 1.1, 1.5, 3, 20])):
        rate = min(max(point.compression, 0), math.log(2) - float(binary_entropy(1e-12)))
        a = brentq(lambda a, rate=rate: math.log(2) - binary_entropy(a) - rate, 1e-12, 0.5)
        best = math.log(2) - float(binary_entropy(a * (1 - flip) + (1 - a) * flip))
        assert point.relevance == pytest.approx(best, abs=1e-7)
        assert point.gap < 1e-6
        assert (point.compression < 1e-9) == (point.multiplier < start)


def test_a_deterministic_label_is_one_line_of_slope_one():
    joint = np.array([[0.2, 0], [0.3, 0], [0, 0.5]])
    for point in bottleneck_curve(joint, np.array([0.5, 1.5, 10])):
        assert point.relevance == pytest.approx(point.compression, abs=1e-9)
    assert point.relevance == pytest.approx(math.log(2), abs=1e-9)


@pytest.mark.parametrize(("n", "labels"), [(6, 2), (6, 3)])
def test_the_curve_is_monotone_concave_and_ends_at_the_whole_information(n, labels):
    joint = np.random.default_rng(n + labels).dirichlet(np.full(labels, 0.5), n) / n
    prices = np.geomspace(1.1, 300, 16)
    points = bottleneck_curve(joint, prices, tolerance=1e-6)
    rate, relevance = (np.array([getattr(p, name) for p in points]) for name in ("compression", "relevance"))
    assert max(p.gap for p in points) < 1e-6
    assert (np.diff(rate) > -1e-5).all() and (np.diff(relevance) > -1e-5).all()
    # The tangent of slope 1 / multiplier at each point lies above all others, within the gap.
    for p in points:
        assert (relevance <= p.relevance + (rate - p.compression + p.gap + 1e-7) / p.multiplier + 1e-9).all()
    assert relevance[-1] == pytest.approx(information(joint), abs=2e-2)
    assert (relevance <= rate + 1e-9).all() and (relevance <= information(joint) + 1e-9).all()


def test_no_random_encoder_lies_above_the_curve():
    rng = np.random.default_rng(0)
    joint = rng.dirichlet(np.ones(2), 5) / 5
    for point in bottleneck_curve(joint, np.array([2.0, 8.0, 30.0])):
        for _ in range(300):
            encoder = rng.dirichlet(np.full(3, rng.choice([0.1, 1.0])), 5) + 1e-12
            encoder /= encoder.sum(1, keepdims=True)
            value = information(encoder / 5) - point.multiplier * information(encoder.T @ joint)
            assert value >= point.compression - point.multiplier * point.relevance - point.gap - 1e-9


def test_the_soft_rule_carries_99_hundredths_of_a_bit_and_its_curve_ends_there():
    joint = szt.soft_joint()
    whole = information(joint)
    assert whole / math.log(2) == pytest.approx(0.99, abs=1e-4)
    low, high = bottleneck_curve(joint, np.array([1.2, 1e4]))
    assert max(low.gap, high.gap) < 1e-6 and high.relevance == pytest.approx(whole, abs=1e-4)
    assert low.relevance < high.relevance


@pytest.mark.parametrize(
    ("joint", "multipliers"), [(np.ones((2, 2)), [1.0]), (np.full((2, 2), 0.25), [0.0]), (np.ones(2) / 2, [1.0])]
)
def test_what_is_no_joint_law_or_no_price_is_refused(joint, multipliers):
    with pytest.raises(ValueError):
        bottleneck_curve(joint, np.array(multipliers))


def partitions(n):
    """All deterministic encoders (n, n) of n inputs, as label strings that grow by one at most."""
    strings = [[0]]
    for _ in range(n - 1):
        strings = [[*string, k] for string in strings for k in range(max(string) + 2)]
    return [np.eye(n)[string] for string in strings]


def least_lagrangian(joint, multiplier, rng):
    """By descents of p(t|x) from every partition of the inputs and from random encoders."""
    p_x, n = joint.sum(1), len(joint)
    rows = joint / p_x[:, None]
    starts = [0.9 * encoder + 0.1 / n for encoder in partitions(n)] + [rng.dirichlet(np.ones(n), n) for _ in range(10)]
    values = [0.0, *(information(p_x[:, None] * e) - multiplier * information(e.T @ joint) for e in partitions(n))]
    for encoder in starts:
        for _ in range(150):
            p_t = p_x @ encoder
            codes = np.maximum((p_x[:, None] * encoder).T @ rows, 1e-300) / np.maximum(p_t, 1e-300)[:, None]
            exponent = np.log(np.maximum(p_t, 1e-300)) + multiplier * rows @ np.log(codes).T
            encoder = np.exp(exponent - exponent.max(1, keepdims=True))
            encoder /= encoder.sum(1, keepdims=True)
        values.append(information(p_x[:, None] * encoder) - multiplier * information(encoder.T @ joint))
    return min(values)


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_the_gap_is_a_proof_and_closes(labels):
    rng = np.random.default_rng(labels)
    for k in range(4):
        n = int(rng.integers(2, 5))
        joint = rng.dirichlet(np.full(labels, rng.choice([0.3, 1.0])), n) * rng.dirichlet(np.ones(n))[:, None]
        if k % 2:
            joint[joint < 0.03] = 0
            joint = joint[joint.sum(1) > 0] / joint.sum()
        for multiplier in (0.5, 1.0, 1.3, 3.0, 30.0):
            (point,) = bottleneck_curve(joint, [multiplier])
            value = point.compression - multiplier * point.relevance
            least = least_lagrangian(joint, multiplier, rng)
            assert point.gap < 1e-5 and value - point.gap - 1e-9 <= least and value <= least + point.gap + 1e-9


ALL = (0.1, 0.5, 1.0, 1.001, 2.0, 500.0)


@pytest.mark.parametrize(
    ("joint", "multipliers"),
    [(np.eye(3) / 3, ALL), (np.diag([1 - 1e-12, 1e-12]), ALL), (np.kron(np.eye(3), np.ones((2, 1))) / 6, (0.5, 2.0))],
)
def test_a_function_of_x_has_two_points(joint, multipliers):
    entropy = -sum(p * math.log(p) for p in joint.sum(0))
    for multiplier in multipliers:
        (point,) = bottleneck_curve(joint, [multiplier])
        expected = entropy if multiplier > 1 else 0.0
        assert point.compression == pytest.approx(expected, rel=1e-4, abs=1e-15) and point.gap < 1e-9
        assert point.relevance == pytest.approx(expected, rel=1e-4, abs=1e-15)


@pytest.mark.parametrize("labels", [2, 3, 4])
def test_no_law_of_a_box_exceeds_its_bound(labels):
    rng = np.random.default_rng(labels)
    compared = 0
    for _ in range(60):
        n, multiplier = int(rng.integers(1, 6)), float(rng.choice([1.2, 3.0, 20.0, 100.0]))
        rows = rng.dirichlet(np.full(labels, 0.5), n)
        rows[rows < 0.02] = 0
        rows /= rows.sum(1, keepdims=True)
        log_share = rng.normal(size=n)
        width = rng.choice([1e-3, 0.03, 0.5, 3.0], size=labels)
        high = np.minimum(np.log(rng.dirichlet(np.ones(labels))) + width * rng.random(labels), 0)
        low = np.where(rng.random(labels) < 0.1, -np.inf, high - width)
        laws = np.exp(np.maximum(low, high - 5) + (high - np.maximum(low, high - 5)) * rng.random((20000, labels)))
        laws = np.log(laws / laws.sum(1, keepdims=True))
        laws = laws[((laws >= low) & (laws <= high)).all(1)]
        if len(laws):
            largest = logsumexp(log_share + multiplier * laws @ rows.T, axis=1).max()
            cut = ib_curve._contracted(low[None], high[None])
            (bound,), _ = ib_curve._box_bounds(log_share, multiplier * rows, multiplier, *cut)
            assert bound >= largest - 1e-12
            compared += 1
    assert compared > 20


def test_where_the_cells_run_out_the_gap_says_so(monkeypatch):
    joint = np.random.default_rng(0).dirichlet(np.full(4, 0.5), 6) / 6
    (sharp,) = bottleneck_curve(joint, [3.0])
    monkeypatch.setattr(ib_curve, "MOST_WORK", 1000)
    monkeypatch.setattr(ib_curve, "ROUNDS", 2)
    (blunt,) = bottleneck_curve(joint, [3.0])
    assert sharp.gap < 2e-7 < blunt.gap < math.inf
    assert blunt.compression - 3 * blunt.relevance - blunt.gap <= sharp.compression - 3 * sharp.relevance + 1e-9


@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_numbers_that_are_no_law_or_price_are_refused(bad):
    joint = np.full((2, 2), 0.25)
    joint[0, 0] = bad
    with pytest.raises(ValueError, match="joint must"):
        bottleneck_curve(joint, [2.0])
    with pytest.raises(ValueError, match="multipliers must"):
        bottleneck_curve(np.full((2, 2), 0.25), [2.0, bad])
