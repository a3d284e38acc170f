"""A data set as it comes: points with labels, of which laws of the input are made."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ib_core.checks import array_of, finite_array, integer_array
from ib_core.laws.input_law import InputLaw, places
from ib_core.streams import stream


@dataclass(frozen=True)
class Points:
    """Points x_1..x_N with labels.

    Attributes:
        x: (N, ...) finite numbers, float32 where that holds them exactly, else float64. Images are (N, h, w) or
            (N, channels, h, w).
        y: (N,) int64, classes 0..C-1.
        weights: (N,) probabilities; None for equal ones.
        train: (N,) bool, which of them the authors meant to train on; None where they did not say.

    Raises:
        ValueError: a shape does not fit, or a value is NaN, infinite, negative where it must not be, or no class.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None
    train: np.ndarray | None = None

    def __post_init__(self) -> None:
        x = _compact(self.x)
        y = _classes(self.y)
        if len(x) != len(y):
            raise ValueError(f"x and y must have a row for each point, got {len(x)} and {len(y)}")
        if y.min() < 0:
            raise ValueError(f"y must be classes 0..C-1, got {y.min()}")
        if y.max() >= len(y):
            raise ValueError(f"y must be classes 0..C-1, got {y.max()} among {len(y)} points")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        if self.weights is not None:
            weights = finite_array(_column(self.weights), "weights", "(N)")
            if len(weights) != len(x) or (weights < 0).any() or not weights.sum() > 0:
                raise ValueError(
                    f"weights must be {len(x)} numbers that are not negative and not all zero, got {len(weights)} with "
                    f"sum {weights.sum():g} and least {weights.min():g}"
                )
            object.__setattr__(self, "weights", weights / weights.sum())
        if self.train is not None:
            train = np.asarray(_column(self.train))
            if train.shape != y.shape or not np.isin(train, (0, 1)).all():
                raise ValueError(f"train must be true or false for each of {len(y)} points, got {train.shape}")
            object.__setattr__(self, "train", train.astype(bool))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one point."""
        return self.x.shape[1:]

    @property
    def classes(self) -> int:
        return int(self.y.max()) + 1

    def with_shuffled_labels(self, seed: int) -> "Points":
        """The same points with their labels in random order, so that these say nothing of the points."""
        return replace(self, y=self.y[stream(seed, "labels").permutation(len(self.y))])

    def law(self, rows: np.ndarray) -> InputLaw:
        """The law of some of them (row numbers), with their weights made to sum to 1.

        Raises:
            ValueError: their weights are all zero, or some that differ are the same to a network.
        """
        weights = np.full(len(rows), 1 / len(rows)) if self.weights is None else self.weights[rows]
        if not weights.sum() > 0:
            raise ValueError(f"the {len(rows)} points that are measured must not all have weight zero")
        x = self.x[rows].reshape(len(rows), -1)
        if x.dtype == np.float64:
            (place,), (rounded,) = places(x), places(x.astype(np.float32).astype(np.float64))
            if rounded.max() < place.max():
                raise ValueError(
                    f"x must differ in float32, in which networks compute: {place.max() - rounded.max()} of "
                    f"{place.max() + 1} different points coincide there; centre or scale them"
                )
        return InputLaw(x, weights / weights.sum(), self.y[rows], self.shape)


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Row numbers (count,) of a random subset with the classes in the proportion of all (N,), sorted.

    Shares are rounded by largest remainders; a prefix of the same order for every count, so that a larger subset
    contains a smaller one but for that rounding.
    """
    n = len(labels)
    if not 1 <= count <= n:
        raise ValueError(f"count must be from 1 to the {n} points there are, got {count}")
    classes, sizes = np.unique(labels, return_counts=True)
    exact = count * sizes / n
    shares = np.floor(exact).astype(int)
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    order = stream(seed, "atoms").permutation(n)
    chosen = [order[labels[order] == label][:share] for label, share in zip(classes, shares, strict=True)]
    return np.sort(np.concatenate(chosen))


def _compact(x: Any) -> np.ndarray:
    """Numbers in float32 where these hold them exactly, which is half of what float64 takes; rows are points."""
    given = np.asarray(x)
    if given.dtype.kind not in "biuf":
        raise ValueError(f"x must be numbers, got {given.dtype}")
    if given.ndim == 1:
        given = given[:, None]
    if given.ndim == 0 or 0 in given.shape:
        raise ValueError(f"x must have a row for each point, no side empty, got shape {given.shape}")
    if not np.isfinite(given).all():
        nan, infinite = int(np.isnan(given).sum()), int(np.isinf(given).sum())
        raise ValueError(f"x must be finite: {nan} of {given.size} are NaN and {infinite} are infinite")
    if given.dtype == np.float32:
        return np.ascontiguousarray(given)
    with np.errstate(over="ignore"):
        single = given.astype(np.float32)
    if np.array_equal(single.astype(given.dtype), given):
        return single
    return finite_array(given, "x", None)


def _classes(y: Any) -> np.ndarray:
    """Labels as whole numbers (N,)."""
    wanted = "y must be classes 0..C-1, a whole number for each point"
    try:
        given = _column(array_of(y))
    except (TypeError, ValueError, RuntimeError):  # no array at all
        return integer_array(y, "y", "(N)")
    if given.dtype.kind not in "biuf" and given.size and isinstance(given.flat[0], str | bytes):
        first = given.flat[:1].tolist()[0]
        raise ValueError(f"{wanted}, got text, {first!r:.40}: np.unique(y, return_inverse=True)[1] numbers it")
    if given.ndim > 1:
        one_hot = given.ndim == 2 and np.isin(given, (0, 1)).all() and (given.sum(axis=1) == 1).all()
        found = f"one-hot rows {given.shape}: y.argmax(axis=1) has the classes" if one_hot else f"shape {given.shape}"
        raise ValueError(f"{wanted}, got {found}")
    return integer_array(given, "y", "(N)")


def _column(values: Any) -> Any:
    """A column (N, 1) as (N,)."""
    array = np.asarray(values)
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else values
