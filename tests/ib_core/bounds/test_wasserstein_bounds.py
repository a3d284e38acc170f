"""Wasserstein bounds against quadrature in one and two dimensions, and against each other."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from ib_core import bounds
from ib_core.channels.closed_forms import finite_input_information
from ib_core.laws import coupling
from ib_core.laws.wasserstein import _transport


def entropy_1d(points, weights, beta):
    """h(S + Z) up to a constant that cancels in differences."""
    return finite_input_information(points, beta, weights)


def entropy_2d(points, weights, beta):
    """h(S + Z) on a grid of spacing beta / 4, without the constant h(Z)."""
    lo, hi, step = points.min(0) - 7 * beta, points.max(0) + 7 * beta, beta / 4
    x, y = (np.arange(a, b, step) for a, b in zip(lo, hi, strict=True))
    kernels = [np.exp(-((t[:, None] - points[:, j]) ** 2) / (2 * beta**2)) for j, t in enumerate((x, y))]
    p = np.einsum("in,jn,n->ij", *kernels, weights) / (2 * math.pi * beta**2)
    return float(-(p * np.log(np.maximum(p, 1e-300))).sum()) * step**2


def random_pair(rng, d):
    n = int(rng.integers(1, 5))
    s, s2 = rng.uniform(-1, 1, (2, n, d))
    near = rng.choice([1.0, 0.1, 0.01])
    return s, s + near * (s2 - s), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n)) if near == 1 else None


@pytest.mark.parametrize(("d", "count"), [(1, 300), (2, 120)])
def test_no_violation_of_the_entropy_bounds_against_quadrature(d, count):
    rng = np.random.default_rng(d)
    entropy = entropy_1d if d == 1 else entropy_2d
    tightest = 0.0
    for _ in range(count):
        s, s2, w, w2 = random_pair(rng, d)
        w2 = w if w2 is None else w2
        beta = float(rng.choice([0.1, 0.3, 1.0, 3.0]))
        cost = cdist(s, s2)
        d1 = _transport(w, w2, cost).upper
        d2 = math.sqrt(_transport(w, w2, cost**2).upper)
        both = np.vstack([s, s2])
        diameter = float(cdist(both, both).max())
        if d == 1:
            moved = abs(entropy(s[:, 0], w, beta) - entropy(s2[:, 0], w2, beta))
        else:
            moved = abs(entropy(s, w, beta) - entropy(s2, w2, beta))
        forms = (bounds.entropy_w2(d2, d, beta), bounds.entropy_w1(d1, diameter, beta))
        assert moved <= min(forms) + 1e-6
        assert forms[0] <= bounds.polyanskiy_wu(d2, d, beta)
        tightest = max(tightest, moved / max(min(forms), 1e-12))
    assert tightest > 0.1  # the bounds are within a factor of ten somewhere


def test_the_w2_form_holds_for_scaled_gaussians():
    for d, a, beta in [(1, 1.0, 0.01), (3, 1.0, 1.0), (2, 0.3, 2.0)]:
        b = a + 0.001
        moved = d / 2 * (math.log(b**2 + beta**2) - math.log(a**2 + beta**2))
        assert moved <= bounds.entropy_w2(math.sqrt(d) * (b - a), d, beta)


def test_the_coupled_form_needs_root_mean_squares():
    moved = np.array([[0.0, 0.2], [0.1, 0.1]])[:, :, None]
    steps = coupling.steps(np.zeros_like(moved), moved, np.array([0.5, 0.5]))
    root = math.sqrt(0.5 * 0.02 + 0.5 * 0.01)
    assert bounds.wasserstein_coupled(steps, 4, 0.5, 1, None) == pytest.approx(2 / 0.5 * root)
    deep = root + 0.5 * (math.sqrt(0.02) + 0.1)
    assert bounds.wasserstein_coupled(steps, 4, 0.5, 2, None) == pytest.approx(2 / 0.5 * deep)
    assert bounds.wasserstein_coupled(steps, 4, 5.0, 1, 1.0) == pytest.approx(4 / 25 * 0.1)


def test_the_coupled_form_at_the_first_layer_is_never_above_the_lipschitz_form():
    rng = np.random.default_rng(0)
    weights = np.full(20, 0.05)
    for _ in range(50):
        x, dx = rng.standard_normal((2, 20, 3))
        matrix = rng.standard_normal((2, 3))
        signals, moved = (np.tanh(each @ matrix.T)[:, None] for each in (x, x + 0.1 * dx))
        coupled = bounds.wasserstein_coupled(coupling.steps(signals, moved, weights), 2, 0.3, 1, 1.0)
        sizes = 0.1 * np.linalg.norm(dx, axis=1)
        lipschitz = float(np.linalg.norm(matrix, 2))
        w1, w2 = float(sizes.mean()), math.sqrt((sizes**2).mean())
        assert coupled <= bounds.wasserstein(w1, w2, 2, 0.3, lipschitz, 1, 1.0) + 1e-12


@pytest.mark.parametrize(
    "call",
    [
        lambda: bounds.entropy_w2(-1.0, 1, 1.0),
        lambda: bounds.entropy_w1(1.0, 1.0, 0.0),
        lambda: bounds.wasserstein(math.nan, 1.0, 1, 1.0, 1.0, 1, None),
        lambda: coupling.steps(np.zeros((3, 1, 2)), np.zeros((3, 2, 2)), np.ones(3) / 3),
        lambda: bounds.polyanskiy_wu(1.0, 0, 1.0),
    ],
)
def test_hypotheses_are_checked(call):
    with pytest.raises(ValueError):
        call()
