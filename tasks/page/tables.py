"""The tables of a report: numbers as people read them, with their doubt."""

import math
from collections.abc import Callable
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
        digits = min(digits, max(0, 4 - len(f"{abs(value):.0f}")))
    return f"{value:.{digits}f}".replace("-", "−")


def down(value: float, figures: int = 3) -> str:
    """A number of at least 0 that is certain from below, to so many figures: never above it.

    Example:
        >>> down(0.0587, 2), up(0.0587, 2), down(14.0, 2), up(8.3178)
        ('0.058', '0.059', '14', '8.32')
    """
    return _figures(value, figures, math.floor)


def up(value: float, figures: int = 3) -> str:
    """The same from above: never below it."""
    return _figures(value, figures, math.ceil)


def _figures(value: float, figures: int, whole: Callable[[float], int]) -> str:
    if value <= 0 or not math.isfinite(value):
        return number(value)
    digits = max(0, figures - 1 - math.floor(math.log10(value)))
    scaled = value * 10**digits
    exact = math.isclose(scaled, round(scaled), rel_tol=1e-12)
    return f"{(round(scaled) if exact else whole(scaled)) / 10**digits:.{digits}f}"


def series(values: Any) -> str:
    """The distinct values in order: "0, 1, 4"."""
    found = sorted(set(pd.Series(values).dropna()))
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in found) or "–"


def span(values: pd.Series, digits: int = 3) -> str:
    """ "0.410 to 0.433", or the one value."""
    low, high = number(values.min(), digits), number(values.max(), digits)
    return low if low == high else f"{low} to {high}"
