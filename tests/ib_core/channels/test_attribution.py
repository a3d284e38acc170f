"""Attribution: the parts add up exactly, and clean data predict the first order."""

import math

import numpy as np
import pytest

from ib_core import bounds
from ib_core.channels import attribution
from ib_core.channels.finite import information, pointwise


def instance(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 8, 2)
    channel = rng.gamma(rng.choice([0.1, 1.0]), size=(m, n)) + 1e-9
    p, q = rng.dirichlet(np.ones(n), 2) * 0.99 + 0.01 / n
    return channel / channel.sum(0), p, q


@pytest.mark.parametrize("seed", range(50))
def test_both_splits_are_identities(seed):
    channel, p, q = instance(seed)
    change = information(channel, q) - information(channel, p)
    exact = attribution.mass_mixing_exact(channel, p, q)
    assert exact.mass + exact.mixing == pytest.approx(change, abs=1e-12)
    golden = attribution.golden(channel, p, q)
    assert golden.first_order - golden.curvature == pytest.approx(change, abs=1e-12)
    assert -1e-12 <= golden.curvature <= float(q @ np.log(q / p)) + 1e-12
    epsilon, _, removed, added = attribution.parts(p, q)
    measured = attribution.mass_mixing(epsilon, *(information(channel, law) for law in (p, q, removed, added)))
    assert measured == pytest.approx(exact, abs=1e-12)
    assert abs(exact.mixing) <= float(bounds.binary_entropy(epsilon)) + 1e-12


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
    assert attribution.mass_mixing_exact(channel, p, p) == (0.0, 0.0)
    assert attribution.golden(channel, p, p) == (0.0, 0.0)


def test_mass_that_appears_where_the_channel_is_noiseless_is_all_mixing():
    channel, p, q = np.eye(2), np.array([1.0, 0.0]), np.array([0.7, 0.3])
    exact = attribution.mass_mixing_exact(channel, p, q)
    assert exact == pytest.approx((0.0, float(bounds.binary_entropy(0.3))))
    assert attribution.golden(channel, p, q).curvature == math.inf
    assert pointwise(channel, p).tolist() == [0, math.inf]


def test_atoms_whose_weight_stays_have_no_say_in_the_first_order():
    p, q = np.array([0.4, 0.6, 0.0]), np.array([0.5, 0.5, 0.0])
    assert attribution.first_order(np.array([0.1, 0.5, math.inf]), p, q) == pytest.approx(0.1 * 0.1 - 0.1 * 0.5)
