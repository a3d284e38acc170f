"""Exponential tilts: their divergence and their mean against many digits, at every size."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

from ib_core.laws.tilt import divergence, reach, tilt


def exact_divergence(p, q):
    """D(P || Q) of the laws proportional to these numbers, with 60 digits."""
    with localcontext(prec=60):
        p, q = ([Decimal(float(x)) for x in law] for law in (p, q))
        a, b = sum(p), sum(q)
        return float(sum(x / a * ((x / a) / (y / b)).ln() for x, y in zip(p, q, strict=True) if x))


@pytest.mark.parametrize("kappa", [1e-12, 1e-9, 1e-5, 0.01, 0.3, 2.0])
def test_a_tilt_has_the_divergence_and_the_largest_mean_that_was_asked_for(kappa):
    rng = np.random.default_rng(0)
    for n in (2, 5, 400):
        p, f = rng.dirichlet(np.ones(n)), rng.choice([1e-8, 1.0, 1e8]) * rng.standard_normal(n)
        if kappa >= reach(f, p):
            continue
        found = tilt(f, p, kappa)
        assert exact_divergence(found.law, p) == pytest.approx(kappa, rel=1e-8, abs=0)
        assert divergence(found.law, p) == pytest.approx(kappa, rel=1e-8, abs=0)
        assert found.largest_mean == pytest.approx(found.law @ f, rel=1e-9)
        # No other law of that divergence has a larger mean.
        for _ in range(50):
            other = tilt(f + np.ptp(f) * rng.standard_normal(n), p, kappa).law
            assert other @ f <= found.largest_mean + 1e-12 * np.abs(f).max()


def test_the_limits_of_a_tilt():
    p, f = np.array([0.1, 0.3, 0.6]), np.array([2.0, 2.0, 1.0])
    limit = reach(f, p)
    assert limit == pytest.approx(-math.log(0.4))
    for kappa in (limit, 5.0, math.inf):
        found = tilt(f, p, kappa)
        np.testing.assert_allclose(found.law, [0.25, 0.75, 0])
        assert found.largest_mean == 2 and found.parameter == math.inf
    for kappa in (0, 1e-320, 1e-250):
        found = tilt(f, p, kappa)
        assert (found.law == p).all() and found.largest_mean == pytest.approx(1.4)
    for kappa in (0, 1e-300, 1.0, math.inf):
        assert (tilt(np.full(3, 7.0), p, kappa).law == p).all() and tilt(np.full(3, 7.0), p, kappa).largest_mean == 7
    # A second value next to the largest is left only in the limit.
    near = tilt(np.array([1.0, 1 - 1e-15, 0.0]), p, -math.log(0.1))
    assert near.law[0] == pytest.approx(1) and near.largest_mean == 1


def test_divergences_of_near_laws_keep_their_digits():
    p = np.array([0.2, 0.3, 0.5])
    for delta in (1e-3, 1e-6, 1e-9, 1e-12):
        q = p + delta * np.array([1, -2, 1])
        rel = 1e-3 if delta == 1e-12 else 1e-5
        assert divergence(q, p) == pytest.approx(exact_divergence(q, p), rel=rel, abs=0)
    assert divergence(p, p) == 0 and divergence(p, np.array([0.5, 0.5, 0])) == math.inf
    assert divergence(np.array([1.0, 0]), np.array([1e-320, 1])) == pytest.approx(-math.log(1e-320), rel=1e-6)
