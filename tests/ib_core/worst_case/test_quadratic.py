"""The quadratic programme of a Newton step."""

import numpy as np
import pytest

from ib_core.worst_case.quadratic import best_move


@pytest.mark.parametrize("seed", range(20))
def test_the_best_move_meets_the_conditions_of_optimality(seed):
    rng = np.random.default_rng(seed)
    n = 12
    root = rng.standard_normal((n, n))
    curvature, gradient = root.T @ root + 1e-3 * np.eye(n), rng.standard_normal(n)
    cap = np.where(rng.random(n) < 0.4, np.inf, 0.1 + rng.random(n))
    x, group = np.minimum(rng.random(n), cap) * (rng.random(n) < 0.7), np.arange(n) % 2
    x[:2] = 0.05
    found = best_move(gradient, curvature, x, cap, group, 1e-12)
    assert (found >= 0).all() and (found <= cap).all()
    slope = gradient - curvature @ (found - x)
    for side in (0, 1):
        mine = group == side
        assert found[mine].sum() == pytest.approx(x[mine].sum(), abs=1e-12)
        # No mass is left to move from a smaller slope to a larger one.
        giving, taking = mine & (found > 1e-5), mine & (found < cap - 1e-5)
        assert slope[giving].min() >= slope[taking].max() - 1e-5


def test_what_no_move_can_meet_moves_nothing():
    x, cap = np.array([0.7, 0.7, 0.2, 0.3]), np.array([0.5, 0.5, 1.0, 1.0])  # the first group's sum is above its caps
    found = best_move(np.arange(4.0), np.eye(4), x, cap, np.array([0, 0, 1, 1]), 1e-12)
    assert (found == x).all()
