"""The tables of a report: numbers as people read them, with their doubt."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Table:
    """A table of the page: a cell is text, or a pair of text and CSS class, or a triple with a small note."""

    head: list[str]
    rows: list[list[Any]]
    caption: str = ""


def violated(bounds: pd.DataFrame) -> pd.DataFrame:
    """The rows whose bound was held against a measurement and does not hold, as `ib_core.estimate.holds` has it."""
    return bounds[bounds["holds"].eq(False)]


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: a dash where there is none, a true minus sign, never "nan" or "-0.000"."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(value) < 0.5 * 10**-digits:
        return f"{'<' if value > 0 else '>−'}{10**-digits:.{digits}f}"
    if abs(value) >= 100:  # four figures are enough
        digits = max(0, 4 - len(f"{abs(value):.0f}"))
    return f"{value:.{digits}f}".replace("-", "−")


def series(values: Any) -> str:
    """The distinct values in order: "0, 1, 4"."""
    found = sorted(set(pd.Series(values).dropna()))
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in found) or "–"


def span(values: pd.Series, digits: int = 3) -> str:
    """ "0.410 to 0.433", or the one value."""
    low, high = number(values.min(), digits), number(values.max(), digits)
    return low if low == high else f"{low} to {high}"
