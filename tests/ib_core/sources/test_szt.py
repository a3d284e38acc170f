"""The SZT data set: labels as published, all atoms enumerated."""

import math
from pathlib import Path

import numpy as np
import pytest

from ib_core.laws.input_law import entropy
from ib_core.laws.source import SOURCES
from ib_core.sources import szt

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "szt" / "szt_var_u.npz"


def test_patterns_are_all_of_them_in_binary_order():
    x = szt.patterns()
    assert x.shape == (4096, 12)
    assert (x @ 2.0 ** np.arange(12)[::-1] == np.arange(4096)).all()


def test_labels_count_as_published_by_hamming_weight():
    x, y = szt.patterns(), szt.labels(szt.patterns())
    by_weight = [int(y[x.sum(axis=1) == k].sum()) for k in range(13)]
    assert by_weight == [0, 0, 0, 0, 0, 60, 532, 732, 495, 220, 66, 12, 1]
    assert y.sum() == 2118


def test_entropies_of_input_and_label():
    law = szt.law()
    p = law.weights @ law.labels
    assert law.entropy == pytest.approx(math.log(4096), abs=1e-12)
    assert -(p * math.log(p) + (1 - p) * math.log(1 - p)) == pytest.approx(0.69256, abs=5e-6)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published arrays are not part of the project")
def test_labels_equal_the_published_ones_on_every_pattern():
    published = np.load(PUBLISHED)
    x, y = np.asarray(published["X"], float), np.asarray(published["y"]).reshape(-1)
    assert len(x) == 4096
    assert (szt.labels(x) == y).all()


def test_the_soft_rule_tends_to_the_label_and_carries_99_hundredths_of_a_bit():
    x = szt.patterns()
    assert (szt.label_probabilities(x, 1e4).round() == szt.labels(x)).all()
    joint = szt.soft_joint()
    bits = entropy(joint.sum(axis=0)) + math.log(4096) - entropy(joint.ravel())
    assert bits / math.log(2) == pytest.approx(0.99, abs=1e-4)
    assert joint.sum() == pytest.approx(1, abs=1e-12) and (joint.argmax(axis=1) == szt.labels(x)).all()


@pytest.mark.parametrize("name", SOURCES.names)
def test_what_a_source_says_of_itself_is_so(name):
    found = SOURCES.find(name)
    points, again = found.points(), found.points()
    assert found.description and np.unique(points.y).tolist() == list(range(points.classes))
    assert (points.x == again.x).all() and (points.y == again.y).all()
    law = points.law(np.arange(len(points.y)))
    assert law.atoms.shape == (len(points.y), np.prod(points.shape)) and (law.labels == points.y).all()
    if found.soft_joint is not None:
        np.testing.assert_allclose(found.soft_joint().sum(axis=1), law.weights, atol=1e-15)
