"""What claims are read off: brackets of a sweep by epoch, and how intervals are compared and said."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ib_core.estimate import mean_of_few
from tasks.page.tables import number
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.tables import load_tables


class Span(NamedTuple):
    """An interval that a number is known to lie in.

    Example:
        >>> Span(0.5, 0.6).holds(0.562), Span(0.5, 0.6) - Span(0.1, 0.2), str(Span(0.5, 0.6))
        (True, Span(low=0.3, high=0.5), '[0.500, 0.600]')
    """

    low: float
    high: float

    def __sub__(self, other: "Span") -> "Span":  # type: ignore[override]
        """What a difference can be."""
        return Span(self.low - other.high, self.high - other.low)

    def __str__(self) -> str:
        if self.low == -np.inf and self.high == np.inf:
            return "unknown"
        return f"[{number(self.low)}, {number(self.high)}]"

    @property
    def size(self) -> "Span":
        """What its absolute value can be."""
        return Span(max(self.low, -self.high, 0.0), max(-self.low, self.high))

    @property
    def width(self) -> float:
        return self.high - self.low

    def holds(self, value: float, slack: float = 0.0) -> bool:
        """Whether the value lies in it, or within `slack` of it."""
        return self.low - slack <= value <= self.high + slack

    def near(self, value: float, most: float) -> bool | None:
        """Whether the number is at most `most` from `value`; None where the interval does not say."""
        if self.low >= value - most and self.high <= value + most:
            return True
        return False if self.high < value - most or self.low > value + most else None

    def above(self, value: float) -> bool | None:
        """Whether the number is larger than `value`; None where the interval does not say."""
        return True if self.low > value else False if self.high < value else None

    def below(self, value: float) -> bool | None:
        """Whether the number is smaller than `value`; None where the interval does not say."""
        return True if self.high < value else False if self.low > value else None


UNKNOWN = Span(-np.inf, np.inf)


def every(verdicts: list[bool | None]) -> bool | None:
    """Whether all hold: one that does not decides, one that is open leaves it open, and so does having none."""
    if any(each is False for each in verdicts):
        return False
    return None if not verdicts or any(each is None for each in verdicts) else True


def sweep(folder: Path) -> Arranged:
    """The tables of a sweep."""
    return Arranged(load_tables(folder))


def brackets(found: Arranged, layer: int, quantity: str = "I_X_T", **place: object) -> pd.DataFrame:
    """Brackets `lower` to `upper` of a layer of one case under the reference law, by seed and epoch.

    Args:
        place: of the case, as network="tanh"; of several the first.
    """
    table = of_first(found, found.brackets(quantity), **place)
    here = (table["layer"] == layer) & (table["shift"] == "reference")
    return table[here].sort_values(["seed", "epoch"], ignore_index=True)


def of_first(found: Arranged, table: pd.DataFrame, **place: object) -> pd.DataFrame:
    """The rows of the first network, noise level and part of the data, of those at a place: seeds alone are left."""
    cases = [case for case in found.cases if all(getattr(case, name) == value for name, value in place.items())]
    return cases[0].of(table) if cases else table[:0]


def input_entropy(found: Arranged) -> float:
    """H(X) of the clean inputs in nats, on the first part of the data."""
    return float(found.tables.laws.loc[found.tables.laws["shift"] == "reference", "entropy"].iloc[0])


def at(rows: pd.DataFrame, epoch: int | None = None) -> Span:
    """The bracket at one epoch, the last one by default, over all seeds."""
    if rows.empty:
        return UNKNOWN
    rows = rows[rows["epoch"] == (rows["epoch"].max() if epoch is None else epoch)]
    return Span(float(rows["lower"].min()), float(rows["upper"].max())) if len(rows) else UNKNOWN


def mean(values: pd.Series, confidence: float = 0.95) -> Span:
    """The mean over seeds with its interval by Student's t; of one seed the whole line."""
    values = values.dropna()
    if values.empty:
        return UNKNOWN
    middle, half = mean_of_few(values.to_numpy(), confidence)
    return Span(middle - half, middle + half)


def over_seeds(spans: list[Span]) -> Span:
    """All that any of them allows."""
    return Span(min(each.low for each in spans), max(each.high for each in spans)) if spans else UNKNOWN


def risen(rows: pd.DataFrame) -> Span:
    """What a layer gained from its first epoch to its highest one: for each seed by itself, over all of them."""
    return over_seeds([_highest(path) - _bracket(path.iloc[0]) for _, path in rows.groupby("seed")])


def lost(rows: pd.DataFrame) -> Span:
    """The same of what it lost from its highest epoch to its last one."""
    return over_seeds([_highest(path) - _bracket(path.iloc[-1]) for _, path in rows.groupby("seed")])


def _highest(path: pd.DataFrame) -> Span:
    """The bracket of one seed at the epoch whose lower end is highest."""
    return _bracket(path.loc[path["lower"].idxmax()])


def _bracket(row: pd.Series) -> Span:
    return Span(float(row["lower"]), float(row["upper"]))


def peak(rows: pd.DataFrame) -> Span:
    """The bracket at the epoch whose lower end is highest, over all seeds.

    Its epoch is chosen by what is measured, which favours no side by more than the bracket.
    """
    return over_seeds([_highest(path) for _, path in rows.groupby("seed")])
