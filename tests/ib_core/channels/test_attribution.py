"""Attribution: the parts add up exactly, and clean data predict the first order."""

import math

import numpy as np
import pytest
from scipy.special import rel_entr

from ib_core import bounds
from ib_core.channels import attribution
from ib_core.channels.finite import information, pointwise


def instance(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 8, 2)
    channel = rng.gamma(rng.choice([0.1, 1.0]), size=(m, n)) + 1e-9
    p, q = rng.dirichlet(np.ones(n), 2) * 0.99 + 0.01 / n
    return channel / channel.sum(0), p, q


def divergence(channel, p, q):
    """D(Q_T || P_T) of the output laws."""
    return float(rel_entr(channel @ q, channel @ p).sum())


@pytest.mark.parametrize("seed", range(50))
def test_both_splits_are_identities(seed):
    channel, p, q = instance(seed)
    change = information(channel, q) - information(channel, p)
    curvature = divergence(channel, p, q)
    assert attribution.first_order(pointwise(channel, p), p, q) - curvature == pytest.approx(change, abs=1e-12)
    assert -1e-12 <= curvature <= float(q @ np.log(q / p)) + 1e-12
    epsilon, common, *moved = attribution.parts(p, q)
    mass = epsilon * np.diff([information(channel, part) for part in moved])[0]
    shares = np.array([1 - epsilon, epsilon])
    told = [information(np.stack([channel @ common, channel @ part], axis=1), shares) for part in moved]
    assert mass + np.diff(told)[0] == pytest.approx(change, abs=1e-12)
    assert max(told) <= float(bounds.binary_entropy(epsilon)) + 1e-12


def test_parts_rebuild_both_laws_from_disjoint_sets():
    _, p, q = instance(3)
    epsilon, common, removed, added = attribution.parts(p, q)
    assert (1 - epsilon) * common + epsilon * removed == pytest.approx(p, abs=1e-15)
    assert (1 - epsilon) * common + epsilon * added == pytest.approx(q, abs=1e-15)
    assert (removed * added == 0).all() and epsilon == pytest.approx(0.5 * np.abs(p - q).sum())


def test_the_prediction_is_exact_to_first_order():
    channel, p, q = instance(1)
    for step in (1e-2, 1e-3):
        near = (1 - step) * p + step * q
        change = information(channel, near) - information(channel, p)
        assert 0 <= attribution.first_order(pointwise(channel, p), p, near) - change < 10 * step**2


def test_a_law_against_itself_moves_nothing():
    channel, p, _ = instance(2)
    assert attribution.parts(p, p).epsilon == 0 and attribution.first_order(pointwise(channel, p), p, p) == 0


def test_atoms_whose_weight_stays_have_no_say_in_the_first_order():
    p, q = np.array([0.4, 0.6, 0.0]), np.array([0.5, 0.5, 0.0])
    assert attribution.first_order(np.array([0.1, 0.5, math.inf]), p, q) == pytest.approx(0.1 * 0.1 - 0.1 * 0.5)
