"""The severity of a distance is the first one that has it."""

import math

import pytest

from ib_core.laws.severity import HALVINGS, farthest, severity_at


def turn(degrees):
    """A distance that rises to 1 at a right angle and falls again."""
    return math.sin(math.radians(degrees))


def test_the_first_severity_that_has_a_distance_is_found():
    for size in (1e-9, 1e-3, 0.5, 0.99):
        expected = math.degrees(math.asin(size))
        assert severity_at(size, turn, 180.0) == pytest.approx(expected, rel=2e-9)
    assert severity_at(1.0, turn, 180.0) == pytest.approx(90.0)
    assert severity_at(1.01, turn, 180.0) is None


def test_the_search_starts_where_it_is_told_and_never_looks_below():
    asked = []

    def distance(severity):
        asked.append(severity)
        return severity**2

    assert severity_at(9.0, distance, 8.0, least=2.5) == pytest.approx(3.0)
    assert min(asked) >= 2.5 and severity_at(65.0, distance, 8.0, least=2.5) is None


def test_the_farthest_is_that_of_all_severities_that_are_looked_at():
    asked = []

    def distance(severity):
        asked.append(severity)
        return turn(severity)

    assert farthest(math.inf, distance, 180.0) == pytest.approx(1.0) and len(asked) == HALVINGS + 1
    asked.clear()
    assert farthest(0.9, distance, 180.0) == pytest.approx(1.0) and asked == [180.0, 90.0]
