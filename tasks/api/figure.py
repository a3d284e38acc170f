"""The figure of a measurement."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasks.api.laws import REFERENCE
from tasks.page.figure_style import FAINT, LAYER_COLOURS, LAYER_MARKERS, house_style, png

if TYPE_CHECKING:
    from tasks.api.measurement import Measurement

PANEL, LAYER = 3.2, 1.1  # inches: the height of a panel, and what a layer takes of its width


class Brackets(Figure):
    """A figure that notebooks show as it is."""

    def _repr_png_(self) -> bytes:
        return png(self)


def brackets(found: "Measurement") -> Brackets:
    """Brackets of I(X; T_l) by layer and law and, where labels are known, of I(T_l; Y)."""
    panels = [("low", "high", "I(X;T), nats", "How much layers know of the input")]
    if found.labelled:
        panels.append(("label_low", "label_high", "I(T;Y), nats", "How much layers know of the label"))
    names, laws = list(dict.fromkeys(found.table.layer)), list(found.laws)
    width = max(4.2, 1.2 + LAYER * len(names))
    size, highest = len(found.laws[REFERENCE].atoms), found.laws[REFERENCE].entropy
    with house_style():
        figure = Brackets(figsize=(width * len(panels), PANEL + 0.4), dpi=110, layout="constrained")
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        grid[0].axhline(highest, color=FAINT, lw=0.8, ls=(0, (4, 2)))
        where = (-0.55, highest)
        grid[0].annotate(f"H(X) under {REFERENCE}", where, (0, 2), textcoords="offset points", fontsize=8, color=FAINT)
        for axes, (low, high, label, title) in zip(grid, panels, strict=True):
            _draw(axes, found, names, low, high)
            axes.set(ylabel=label, xlim=(-0.6, len(names) - 0.4))
            axes.set_ylim(bottom=0)
            axes.set_title(f"{title}\nfrom lower to upper end, {size} inputs")
            axes.set_xticks(range(len(names)), names)
            axes.grid(axis="x", visible=False)
        looks: list[dict[str, Any]] = [
            {"color": _colour(k), "marker": _marker(k), "ms": 4, "lw": 2} for k in range(len(laws))
        ]
        keys = [Line2D([], [], label=law, **look) for law, look in zip(laws, looks, strict=True)]
        figure.legend(handles=keys, loc="outside lower center", ncols=min(len(laws), 6))
    return figure


def _draw(axes: Axes, found: "Measurement", names: list[str], low: str, high: str) -> None:
    """A bar from the lower to the upper end of each layer and law, those of a layer side by side."""
    offsets = np.linspace(-0.3, 0.3, len(found.laws)) if len(found.laws) > 1 else [0.0]
    for k, (law, offset) in enumerate(zip(found.laws, offsets, strict=True)):
        rows = found.table[found.table.law == law].set_index("layer").loc[names]
        x = np.arange(len(names)) + offset
        axes.vlines(x, rows[low], rows[high], color=_colour(k), lw=2)
        axes.plot(x, (rows[low] + rows[high]) / 2, ls="", marker=_marker(k), ms=4, color=_colour(k))


def _colour(k: int) -> str:
    return LAYER_COLOURS[k % len(LAYER_COLOURS)]


def _marker(k: int) -> str:
    return LAYER_MARKERS[k % len(LAYER_MARKERS)]
