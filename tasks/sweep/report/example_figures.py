"""What the shifts of images look like: the same few atoms under every law of a family, or which classes gain."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from tasks.page import figure_style as style
from tasks.page.figure_style import PAGE
from tasks.page.page import Picture, Rows
from tasks.page.tables import number
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.sizes import size_text, title

LEFT, RIGHT = 1.75, 2.0  # inches of words on either side of the pictures
LARGEST = 1.3  # inches, a picture
GAP, ABOVE = 0.06, 0.62  # inches
LINES = 4  # accuracies that stand beside a law, else their range


def examples(arranged: Arranged, family: str) -> Figure:
    """A row for the reference law and each size of the family, a column per class.

    Where atoms move, the pictures that they become; where they are weighed anew, the probability of the class.
    """
    part = shown_part(arranged)
    table = arranged.tables.examples
    table = table[table["split"] == part]
    original = table[table["shift"] == "reference"].set_index("label")
    laws = arranged.tables.laws
    laws = laws[(laws["split"] == part) & (laws["shift"] == family) & (laws["size"] > 0)].sort_values("size")
    cell = min((PAGE - LEFT - RIGHT - GAP * len(original)) / len(original), LARGEST)
    height = ABOVE + (1 + len(laws)) * (cell + GAP) + 0.1
    figure = Figure(figsize=(PAGE, height), dpi=style.DPI)
    figure.text(0.012, 1 - 0.2 / height, title(family), fontweight="bold", fontsize=10, va="center")
    limits = _range(original["pixels"])
    for row, law in enumerate([None, *laws.itertuples()]):
        middle = 1 - (ABOVE + (row + 0.5) * (cell + GAP)) / height
        name, facts = ("original", "reference law") if law is None else _named(law)
        figure.text(0.012, middle + 0.02 / height, name, va="bottom", fontweight="bold", fontsize=9)
        figure.text(0.012, middle - 0.02 / height, facts, va="top", fontsize=8)
        edge = (LEFT + len(original) * (cell + GAP) + 0.1) / PAGE
        size = 0.0 if law is None else law.size
        figure.text(edge, middle, _accuracies(arranged, part, family, size), va="center", fontsize=8)
        here = original if law is None else _of(table, family, law.size)
        for column, label in enumerate(original.index):
            left = (LEFT + column * (cell + GAP)) / PAGE
            axes = figure.add_axes((left, middle - cell / 2 / height, cell / PAGE, cell / height))
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            if row == 0:
                axes.set_title(f"label {label}", fontsize=8)
            example = here.loc[label]
            if example["pixels"] is not None:
                axes.imshow(_image(example, *limits), cmap="gray", vmin=0, vmax=1)
            else:
                _share_cell(axes, example["share"], original.loc[label, "share"])
    return figure


def shown_part(arranged: Arranged) -> str:
    """The part of the data whose atoms are shown: what no network was trained on, where there is such a part."""
    return "test" if "test" in arranged.parts else arranged.parts[0]


def _named(law: Any) -> tuple[str, str]:
    """A law's size, and below it its distances from the reference."""
    where = [f"W₁ {number(law.w1, 2)}, W₂ {number(law.w2, 2)}"]
    if law.kind == "reweighted":
        where.append(f"TV {number(law.tv)}, KL {number(law.kl)}")
    return size_text(law.shift, law.size, law.metric), "\n".join(where)


def _accuracies(arranged: Arranged, part: str, family: str, size: float) -> str:
    """The accuracy of every network under a law, or their range where they are many."""
    cases = [case for case in arranged.cases if case.split == part]
    values = [arranged.accuracy_at(case, family, size).mean() for case in cases]
    if len(cases) > LINES:
        return f"{number(min(values), 1)} to {number(max(values), 1)} % correct"
    return "\n".join(
        f"{number(value, 1)} % correct, {case.network_label}" for case, value in zip(cases, values, strict=True)
    )


def _of(table: pd.DataFrame, family: str, size: float) -> pd.DataFrame:
    """The examples of one law, by class."""
    return table[(table["shift"] == family) & (table["size"] == size)].set_index("label")


def _range(pictures: pd.Series) -> tuple[float, float]:
    every = np.concatenate([np.asarray(pixels) for pixels in pictures])
    return float(every.min()), float(max(every.max(), every.min() + 1e-9))


def _image(example: pd.Series, low: float, high: float) -> np.ndarray:
    """Its pixels (h, w) or (h, w, 3), 0 and 1 at the least and the largest value of the originals."""
    pixels = np.asarray(example["pixels"], dtype=float).reshape(tuple(int(n) for n in example["shape"]))
    pixels = np.clip((pixels - low) / (high - low), 0, 1)
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1)


def _share_cell(axes: Axes, share: float, before: float) -> None:
    """The probability of a class: orange where it gains, violet where it loses, up to a factor of two."""
    gain = np.log2(share / before) if share > 0 and before > 0 else -1.0
    cell = colormaps["PuOr_r"](Normalize(-1.5, 1.5)(gain))
    axes.set_facecolor(cell)
    axes.text(
        0.5, 0.5, f"{100 * share:.1f} %", transform=axes.transAxes, ha="center", va="center", fontsize=8,
        color=style.on(cell),
    )  # fmt: skip


def pictured_families(arranged: Arranged) -> list[str]:
    """The families that have a figure: all that shift images."""
    if arranged.tables.examples["pixels"].isna().all():
        return []
    return [family for family in arranged.families if (arranged.laws_of(family)["size"] > 0).any()]


def draw_examples(arranged: Arranged) -> Iterator[Picture]:
    """A figure for each family, where atoms are images."""
    for family in pictured_families(arranged):
        part = shown_part(arranged)
        said, laws = shown.pictured(arranged, family, part), f"shift = {family} or reference"
        numbers = (
            Rows("laws.csv", laws),
            shown.rows(arranged, "information", arranged.cases, "quantity = accuracy", laws, last=True),
        )
        yield Picture(f"examples_{slug(family)}", examples(arranged, family), said, numbers)


def slug(family: str) -> str:
    """A family's name in the name of a file."""
    return "".join(c if c.isalnum() or c in "_." else "-" for c in family)
