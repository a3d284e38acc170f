"""The information-bottleneck curve: closed cases, its shape, and its certificate."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from ib_core import szt
from ib_core.bounds import binary_entropy
from ib_core.ib_curve import bottleneck_curve


def information(joint):
    p_x, p_y = joint.sum(1, keepdims=True), joint.sum(0)
    inside = joint > 0
    return float((joint[inside] * np.log((joint / (p_x * p_y))[inside])).sum())


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
