"""Distances, cosines and clusters are those of all pairs, and those of configurations that can be counted."""

import itertools
import math

import numpy as np
import pytest

from ib_core.estimators import clustering as module
from ib_core.estimators.binning import activation_range, binned_information, binned_twin
from ib_core.estimators.clustering import clustering, cosine_places


def counted(signals, labels, scale, weights):
    """The same, pair by pair."""
    totals, cosines = {True: [], False: []}, {True: [], False: []}
    joined = {k: {k} for k in range(len(signals))}
    for i, j in itertools.combinations(range(len(signals)), 2):
        mass, same = weights[i] * weights[j], labels[i] == labels[j]
        distance = np.linalg.norm(signals[i] - signals[j])
        totals[same].append((mass, distance))
        lengths = np.linalg.norm(signals[i]) * np.linalg.norm(signals[j])
        if lengths > 0:
            cosines[same].append((mass, signals[i] @ signals[j] / lengths))
        if distance <= scale:
            whole = joined[i] | joined[j]
            joined |= dict.fromkeys(whole, whole)
    parts = [np.array(kind[same]).T for kind in (totals, cosines) for same in (True, False)]
    means = [np.average(values, weights=masses) for masses, values in parts]
    return means, cosines, len({min(group) for group in joined.values()})


@pytest.mark.parametrize("tile", [7, 512])
@pytest.mark.parametrize("relu", [False, True])
def test_all_pairs_are_weighed_once(monkeypatch, tile, relu):
    monkeypatch.setattr(module, "TILE", tile)
    rng = np.random.default_rng(0)
    signals, labels, weights = rng.normal(size=(40, 3)), rng.integers(3, size=40), rng.dirichlet(np.ones(40))
    signals[:5] = np.maximum(-np.abs(signals[:5]), 0) if relu else signals[:5]  # zero vectors have no direction
    means, cosines, clusters = counted(signals, labels, 0.6, weights)
    found = clustering(signals, labels, 0.6, weights=weights)
    np.testing.assert_allclose(
        [found.distance_within, found.distance_between, found.cosine_within, found.cosine_between], means, rtol=1e-12
    )
    assert found.clusters == clusters and 1 < clusters < 40
    for same, shares in ((True, found.cosines_within), (False, found.cosines_between)):
        mass, cosine = np.array(cosines[same]).T
        expected, _ = np.histogram(cosine, np.linspace(-1, 1, 21), weights=mass)
        np.testing.assert_allclose(shares, expected / expected.sum(), atol=1e-12)


def test_classes_far_apart_are_two_clusters_at_their_distance():
    labels = np.arange(100) % 2
    signals = np.column_stack([30.0 * labels, 0.01 * np.random.default_rng(1).normal(size=100)])
    found = clustering(signals, labels, scale=0.1)
    assert found.clusters == 2 and found.distance_within < 0.05
    assert found.distance_between == pytest.approx(30, abs=1e-3)


def test_a_chain_is_one_cluster_until_its_steps_are_longer_than_the_scale():
    chain = np.random.default_rng(2).permutation(1300)[:, None] * 1.0  # several tiles
    assert clustering(chain, np.zeros(1300), 1.0).clusters == 1
    assert clustering(chain, np.zeros(1300), 0.999).clusters == 1300


def test_equal_signals_and_a_single_class_are_one_cluster_and_have_no_pair_of_two_classes():
    found = clustering(np.full((9, 4), 0.3), np.zeros(9), 0.01)
    assert found.clusters == 1 and found.distance_within == pytest.approx(0, abs=1e-7)
    assert found.cosine_within == pytest.approx(1) and found.cosines_within[-1] == pytest.approx(1)
    assert math.isnan(found.distance_between) and math.isnan(found.cosine_between)
    assert np.isnan(found.cosines_between).all()
    dead = clustering(np.zeros((5, 3)), np.arange(5) % 2, 0.01)
    assert dead.distance_between == 0 and math.isnan(dead.cosine_within)


def test_atoms_without_probability_are_not_there():
    rng = np.random.default_rng(3)
    signals, labels = rng.normal(size=(30, 2)), np.arange(30) % 2
    weights = np.where(np.arange(30) < 20, 0.05, 0.0)
    some, whole = clustering(signals[:20], labels[:20], 0.3), clustering(signals, labels, 0.3, weights=weights)
    assert some.clusters == whole.clusters
    np.testing.assert_allclose(some.cosines_between, whole.cosines_between)
    assert some.distance_within == pytest.approx(whole.distance_within)


def test_places_are_the_middles_of_the_bins():
    np.testing.assert_allclose(cosine_places()[[0, 9, 10, 19]], [-0.95, -0.05, 0.05, 0.95])


@pytest.mark.parametrize("d", [3, 130])
def test_bins_of_a_width_are_the_bins_between_their_edges(d):
    rng = np.random.default_rng(4)
    centres = rng.uniform(-1, 1, (6, d))
    signals = np.tanh(np.repeat(centres, 20, axis=0) + 0.01 * rng.normal(size=(120, d)))
    weights, labels = rng.dirichlet(np.ones(120)), np.arange(120) % 3
    found = binned_twin(signals, 0.5, (-1, 1), weights=weights, labels=labels)
    edges = np.linspace(-1, 1, 5)
    expected = binned_information(signals[:, None], edges, weights=weights, labels=labels)
    assert found.occupied == expected.occupied and found.occupied < 120
    assert found.information == pytest.approx(expected.information, rel=1e-12)
    assert found.label_information == pytest.approx(expected.label_information, rel=1e-9)


def test_the_end_of_the_range_is_within_the_last_bin():
    assert binned_twin([[1.0], [0.9]], 0.5, (-1, 1)).occupied == 1
    assert binned_twin([[1.0], [0.9]], 0.3, (-1, 1)).occupied == 1  # which is a narrower one
    assert binned_twin([[7.0], [0.9]], 0.5, (-1, 1)).occupied == 1  # so is what lies outside


def test_wider_bins_of_one_grid_hold_less_and_fine_ones_everything():
    signals = np.tanh(np.random.default_rng(5).normal(size=(200, 2)))
    entropies = [binned_twin(signals, width, (-1, 1)).information for width in (1e-7, 0.125, 0.25, 0.5, 1.0, 2.0)]
    assert entropies[0] == pytest.approx(math.log(200)) and abs(entropies[-1]) < 1e-12
    assert (np.diff(entropies) < 0).all()


@pytest.mark.parametrize(
    ("signals", "half_width", "expected"),
    [
        ([0.2, 0.9], 1.0, (-1, 1)),  # a tanh that is positive
        ([0.2, 0.9], 0.5, (0, 1)),  # a sigmoid
        ([0.0, 4.0], 3.0, (0, 6)),  # a ReLU that is cut at 6
        ([-2.0, 1.0], 2.0, (-2, 2)),
        ([-1.0, 5.0], 3.0, (-1, 5)),  # an interval of 6 that lies elsewhere
        ([0.5, 7.0], None, (0, 7)),  # a ReLU
        ([-0.1, 7.0], None, (-0.1, 7)),  # a leaky one
    ],
)
def test_the_range_fits_the_activation(signals, half_width, expected):
    assert activation_range(signals, half_width) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: clustering([[0.0], [math.nan]], [0, 1], 1.0), "signals must be finite"),
        (lambda: clustering([[0.0], [1.0]], [0], 1.0), r"labels must have shape \(2,\)"),
        (lambda: clustering([[0.0], [1.0]], [0, 1], 0.0), "scale must be positive"),
        (lambda: binned_twin([[0.0]], -1.0, (0, 1)), "width must be positive"),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
