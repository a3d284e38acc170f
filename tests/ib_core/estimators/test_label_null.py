"""The permutation test of I(T; Y) against brute force, laws without meaning, and laws with one."""

import numpy as np
import pytest

from ib_core.estimators.label_null import label_null


def brute(passes, beta, labels, points, atom):
    """The mean of ln p(t | y) / p(t) by all kernel values, uniform atoms."""
    kernel = np.exp(-((points[:, None, None] - passes[None]) ** 2).sum(-1) / (2 * beta**2)).mean(2)  # (m, N)
    own = labels == labels[atom][:, None]  # (m, N)
    return float(np.log((kernel * own).sum(1) / own.sum(1) / kernel.mean(1)).mean())


def test_every_order_is_what_brute_force_says_and_the_test_sees_a_meaning():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    passes = rng.normal(size=(40, 3, 2)) + 1.5 * labels[:, None, None]
    found = label_null(passes, 0.5, labels, permutations=39, seed=3)
    points = passes[np.arange(40).repeat(300), rng.integers(3, size=12000)] + 0.5 * rng.normal(size=(12000, 2))
    atom = np.arange(40).repeat(300)
    assert found.observed == pytest.approx(brute(passes, 0.5, labels, points, atom), abs=0.03)
    shuffled = [brute(passes, 0.5, rng.permutation(labels), points, atom) for _ in range(20)]
    assert found.null.mean() == pytest.approx(np.mean(shuffled), abs=0.04)
    assert found.p_value == 1 / 40 and found.observed > found.null.max()


def test_atoms_that_are_told_apart_have_all_of_the_labels_in_every_order():
    labels = np.repeat([0, 1, 2], 10)
    found = label_null(100.0 * np.arange(30)[:, None, None], 0.1, labels, permutations=9)
    assert found.observed == pytest.approx(np.log(3)) and np.allclose(found.null, np.log(3)) and found.p_value == 1.0


def test_under_labels_without_meaning_the_p_value_is_uniform():
    rng = np.random.default_rng(1)
    values = []
    for k in range(60):
        passes = rng.normal(size=(24, 1, 1))
        values.append(label_null(passes, 0.5, rng.integers(2, size=24), permutations=19, seed=k).p_value)
    # 60 draws from the uniform law on .05, ..., 1: each count within three standard deviations
    for level in (0.1, 0.25, 0.5):
        assert abs(np.mean(np.array(values) <= level) - level) < 3 * np.sqrt(level * (1 - level) / 60)


def test_weights_stay_with_their_atoms():
    passes = np.array([0.0, 0.1, 5.0, 5.1])[:, None, None]
    weights = np.array([0.4, 0.1, 0.25, 0.25])
    found = label_null(passes, 0.01, [0, 0, 1, 1], weights=weights, permutations=199)
    halves = {0.5, 0.65, 0.35}  # mass of the two atoms that share a label with the first, in any order
    entropies = [-(m * np.log(m) + (1 - m) * np.log(1 - m)) for m in halves]
    assert all(min(abs(value - entropy) for entropy in entropies) < 1e-6 for value in found.null)


def test_atoms_without_weight_are_not_there():
    passes, weights = np.random.default_rng(0).normal(size=(6, 2, 1)), np.array([0.2, 0.3, 0.0, 0.1, 0.4, 0.0])
    labels, some = np.array([0, 1, 2, 1, 0, 0]), weights > 0  # a class that the law has not
    found = label_null(passes, 0.5, labels, weights=weights, permutations=19)
    only = label_null(passes[some], 0.5, labels[some], weights=weights[some], permutations=19)
    assert (found.observed, found.p_value) == (only.observed, only.p_value) and 0 < found.p_value <= 1
    np.testing.assert_array_equal(found.null, only.null)
