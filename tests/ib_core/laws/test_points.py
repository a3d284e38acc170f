"""Points are numbers with classes, as they come; a subset has the classes in the proportion of all."""

import math

import numpy as np
import pytest

from ib_core.laws.points import Points, stratified

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 1, 1, 2, 2])


def test_float32_is_kept_where_it_holds_the_numbers_exactly():
    for exact in (X, X.astype(np.uint8), X > 3, X / 4):
        assert Points(exact, Y).x.dtype == np.float32 and (Points(exact, Y).x == exact).all()
    for wide in (X / 3, X + 1e-9, np.where(X == 0, 1e300, X), (X + 2**25 + 1).astype(np.int64)):
        assert Points(wide, Y).x.dtype == np.float64 and (Points(wide, Y).x == wide).all()


def test_columns_of_one_number_are_what_they_hold():
    points = Points(X[:, 0], Y[:, None], weights=np.full((6, 1), 2.0), train=(Y > 0).astype(int))
    assert points.x.shape == (6, 1) and points.shape == (1,) and points.classes == 3
    assert points.weights.tolist() == [1 / 6] * 6 and points.train.tolist() == [False] * 2 + [True] * 4


def test_a_law_of_some_has_their_weights_and_the_shape_of_a_point():
    points = Points(np.arange(24.0).reshape(6, 2, 2), Y, weights=[1, 2, 3, 4, 0, 0])
    law = points.law(np.array([1, 3]))
    assert law.shape == (2, 2) and law.atoms.tolist() == [[4, 5, 6, 7], [12, 13, 14, 15]]
    assert law.weights == pytest.approx([1 / 3, 2 / 3]) and law.labels.tolist() == [0, 1]
    with pytest.raises(ValueError, match="must not all have weight zero"):
        points.law(np.array([4, 5]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[:5]}, "a row for each point, got 5 and 6"),
        ({"x": np.full((6, 2), np.nan)}, "12 of 12 are NaN and 0 are infinite"),
        ({"x": np.array([["a"]] * 6)}, "x must be numbers"),
        ({"x": np.array([[None]] * 6)}, "x must be numbers, got object"),
        ({"x": X + 1j}, "x must be numbers, got complex128"),
        ({"x": np.zeros((6, 0))}, r"no side empty, got shape \(6, 0\)"),
        ({"x": np.float64(3)}, "x must have a row for each point"),
        ({"y": Y - 1}, "classes 0..C-1, got -1"),
        ({"y": Y * 3}, "got 6 among 6 points"),
        ({"y": Y + 0.5}, "y"),
        ({"y": np.stack([Y, Y], axis=1)}, "y"),
        ({"weights": [1, 1, 1, 1, 1, -1]}, "not negative and not all zero, got 6 with sum 4 and least -1"),
        ({"weights": [0] * 6}, "not all zero"),
        ({"weights": [1] * 5}, "must be 6 numbers"),
        ({"weights": [math.inf] + [1] * 5}, "weights"),
        ({"train": [2] * 6}, "true or false for each of 6 points"),
        ({"train": [True] * 5}, "true or false for each of 6 points"),
    ],
    ids=str,
)
def test_what_are_no_points_is_one_line(change, message):
    with pytest.raises(ValueError, match=message) as error:
        Points(**({"x": X, "y": Y} | change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [1, 7, 50, 333, 1000])
def test_a_subset_has_the_classes_in_the_proportion_of_all(count):
    labels = np.random.default_rng(0).choice(4, 1000, p=[0.5, 0.3, 0.15, 0.05])
    rows = stratified(labels, count, seed=3)
    assert len(np.unique(rows)) == count and (np.diff(rows) > 0).all()
    shares, exact = np.bincount(labels[rows], minlength=4), count * np.bincount(labels) / 1000
    assert (np.abs(shares - exact) < 1).all()
    up, rest = shares > np.floor(exact), exact - np.floor(exact)
    assert not up.any() or up.all() or rest[up].min() >= rest[~up].max()  # the largest remainders are rounded up
    assert (stratified(labels, count, seed=3) == rows).all()
    assert count in (1, 1000) or (stratified(labels, count, seed=4) != rows).any()


def test_a_larger_subset_contains_a_smaller_one_where_no_share_is_rounded():
    labels = np.arange(1000) % 4
    small, large = (set(stratified(labels, count, seed=0)) for count in (40, 400))
    assert small < large
    # Elsewhere each class contains those of its own that a smaller share has.
    uneven = np.minimum(np.arange(1000) % 7, 2)
    subsets = [stratified(uneven, count, seed=0) for count in (50, 60)]
    for label in range(3):
        some, more = ({row for row in rows if uneven[row] == label} for rows in subsets)
        assert some <= more or more <= some


@pytest.mark.parametrize("count", [0, -1, 7])
def test_a_subset_is_of_the_points_there_are(count):
    with pytest.raises(ValueError, match=f"from 1 to the 6 points there are, got {count}"):
        stratified(Y, count, seed=0)


def test_points_that_are_the_same_to_a_network_make_no_law():
    points = Points(np.array([[1e8], [1e8 + 1]]), np.array([0, 1]))
    with pytest.raises(ValueError, match=r"x must differ in float32.*1 of 2 different points coincide"):
        points.law(np.arange(2))
    assert len(Points(np.array([[0.1], [0.2]]), np.array([0, 1])).law(np.arange(2)).atoms) == 2


def test_shuffled_labels_stay_as_many_of_each_and_say_nothing_of_the_points():
    given = Points(np.arange(4000.0)[:, None], np.arange(4000) % 4 // 3)
    shuffled = given.with_shuffled_labels(seed=1)
    assert (shuffled.x == given.x).all() and np.bincount(shuffled.y).tolist() == [3000, 1000]
    agree = (shuffled.y == given.y).mean()  # .625 by chance, with a standard deviation of .006
    assert abs(agree - 0.625) < 0.03
    assert (shuffled.y == given.with_shuffled_labels(seed=1).y).all()
    assert (shuffled.y != given.with_shuffled_labels(seed=2).y).any()
