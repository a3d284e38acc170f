"""What several seeds say together: their mean, and where the mean over more of them would lie."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from scipy.stats import t

from tasks.page.figure_style import INK

LEAST = 3  # seeds that have an interval: of two, Student's t would reach 9 standard deviations to either side
CONFIDENCE = 0.95


def spread(rows: pd.DataFrame, by: str, column: str = "middle") -> pd.DataFrame:
    """Of the seeds at each value of `by`: mean, and the ends low and high of Student's interval of the mean; NaN where
    there are fewer than `LEAST`."""
    table = rows.groupby(by)[column].agg(["mean", "std", "count"])
    known = table["count"].where(table["count"] >= LEAST)
    half = t.ppf(0.5 + CONFIDENCE / 2, known - 1) * table["std"] / np.sqrt(known)
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def draw_spread(axes: Axes, x: np.ndarray, table: pd.DataFrame, ink: str) -> None:
    """The interval of the mean, with caps, beside which the bracket is a band."""
    known = np.isfinite(table["low"].to_numpy())
    half = (table["high"] - table["mean"]).to_numpy()[known]
    axes.errorbar(x[known], table["mean"][known], half, ls="", color=ink, elinewidth=1.0, capsize=2.6, capthick=1.0,
                  zorder=2.5)  # fmt: skip


def draw_seeds(axes: Axes, x: np.ndarray, y: pd.Series, ink: str) -> None:
    """A small open dot for each seed."""
    axes.plot(x, y, ls="", marker="o", ms=2.6, mfc="none", mec=ink, mew=0.7, alpha=0.9, zorder=2.4)


def seed_keys(seeds: Sequence[int]) -> list[Line2D]:
    """Keys of the dots and the interval, as far as there are any."""
    keys = []
    if len(seeds) > 1:
        keys.append(Line2D([], [], ls="", marker="o", ms=3.5, mfc="none", mec=INK, label="each seed"))
    if len(seeds) >= LEAST:
        label = f"{100 * CONFIDENCE:.0f} % interval of the mean over {len(seeds)} seeds"
        keys.append(Line2D([], [], ls="", marker="|", ms=9, mew=1.0, color=INK, label=label))
    return keys


def seeds_in_words(seeds: Sequence[int]) -> str:
    """How figures show them: for captions."""
    if len(seeds) < 2:
        return "one seed"
    interval = f", bars with caps the {100 * CONFIDENCE:.0f} % interval of that mean (Student's t)"
    return f"mean over {len(seeds)} seeds, small dots are the seeds{interval if len(seeds) >= LEAST else ''}"
