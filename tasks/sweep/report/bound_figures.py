"""The figures of the bounds: how far the information moves under each family, and how far the theorems let it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from ib_core.bounds.theorems import among, named
from ib_core.estimate import IN_WORDS, WIDTH
from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, FAINT, INK, VACUOUS, Label
from tasks.page.page import Picture
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged, Case, Group
from tasks.sweep.sizes import size_label, size_text, title

DEVIATION, NAMES = 1.45, 1.4  # inches, the height of a panel, and what the names of bounds take of its width
ROW = 0.3  # inches, of a layer where every family has one size
FLOOR, CEILING = 1e-3, 20.0  # nats, of the axis
SMALLEST = 3  # bounds in a panel, or in a row


def deviation_against_bounds(arranged: Arranged, case: Case, group: Group) -> Figure:
    """|I(X') - I(X)| and the smallest bounds on it, over sizes, or at the one size that every family has."""
    bounds = arranged.tables.bounds
    bounds = case.of(arranged.final(bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]))
    return (_at_one_size if at_one_size(arranged, group) else _over_sizes)(arranged, case, group, bounds)


def at_one_size(arranged: Arranged, group: Group) -> bool:
    """Whether no family of a group has several sizes, of which lines could be drawn."""
    return all((arranged.laws_of(family)["size"] > 0).sum() < 2 for family in group.families)


def _at_one_size(arranged: Arranged, case: Case, group: Group, bounds: pd.DataFrame) -> Figure:
    """A panel per family, a row per layer: brackets of the seeds, ticks at the smallest bounds, their letters."""
    layers = [layer for layer in arranged.layers if (bounds["layer"] == layer).any()]
    top, columns = 0.64 + 2 * style.LINE, len(group.families)
    figure, panels = style.sheet(1, columns, ROW * len(layers) + 0.1, (0.5, 0), bar=True, top=top, sharey=True)
    bounds = bounds[bounds["shift"].isin(list(group.families))]
    least = bounds.groupby(["shift", "layer", "theorem"], as_index=False)[["bound", "cap"]].min()
    least = least.sort_values("bound", kind="stable").groupby(["shift", "layer"]).head(SMALLEST)
    theorems = among(least["theorem"])
    letters = {theorem.name: chr(ord("a") + k) for k, theorem in enumerate(theorems)}
    for axes, (family, metric) in zip(panels[0], group.families.items(), strict=True):
        here = bounds[bounds["shift"] == family]
        for y, layer in enumerate(layers):
            mine, allowed = (table[table["layer"] == layer] for table in (here, least[least["shift"] == family]))
            if mine.empty:
                continue
            _one_row(axes, y, mine, allowed, letters, layer)
        sizes = here["size"].unique()
        axes.set(xscale="log", xlim=(FLOOR, CEILING), ylim=(len(layers) - 0.5, -0.5), xlabel="nats")
        axes.set_title("\n".join([title(family), *(size_text(family, size, metric) for size in sizes)]))
        axes.set_yticks(range(len(layers)), [f"L{layer}" for layer in layers])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
    bars = f"measured |ΔI| ± {IN_WORDS}{', each seed' if len(arranged.seeds) > 1 else ''}"
    handles = [
        Line2D([], [], color=INK, marker="o", ms=4, lw=0.9, label=bars),
        *(Line2D([], [], ls="", label=f"{letters[theorem.name]}  {theorem.label}") for theorem in theorems),
        Patch(**VACUOUS, label="vacuous"),
    ]
    style.legend(figure, handles, case.label)
    return figure


def _one_row(
    axes: Axes, y: float, mine: pd.DataFrame, allowed: pd.DataFrame, letters: dict[str, str], layer: int
) -> None:
    """The changes of a layer, seed by seed, and its smallest bounds."""
    ink, cap = style.colour(layer), float(mine["cap"].mean())
    axes.add_patch(Rectangle((cap, y - 0.5), CEILING - cap, 1, lw=0, zorder=0, **VACUOUS))
    measured = mine.drop_duplicates("seed")
    heights = y + 0.12 * (np.arange(len(measured)) - (len(measured) - 1) / 2)
    axes.errorbar(measured["measured"].clip(lower=FLOOR), heights, xerr=WIDTH * measured["measured_stderr"], ls="",
                  color=ink, marker=style.marker(layer), ms=4, elinewidth=0.9)  # fmt: skip
    inside = allowed.loc[allowed["bound"] < CEILING, "bound"].clip(lower=FLOOR)
    axes.plot(inside, [y] * len(inside), ls="", color=INK, marker="|", ms=9, mew=1.2)
    names = [letters[row.theorem] + "→" * (row.bound >= CEILING) for row in allowed.itertuples()]
    axes.annotate(" ".join(names), (1, y), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                  va="center", fontsize=7.5, color=INK, annotation_clip=False)  # fmt: skip


def _over_sizes(arranged: Arranged, case: Case, group: Group, bounds: pd.DataFrame) -> Figure:
    """Bounds are named at their ends: a row per layer, a column per family; logarithmic height."""
    looks = style.theorem_looks(among(bounds["theorem"]))
    layers = [layer for layer in arranged.layers if (bounds["layer"] == layer).any()]
    figure, panels = style.sheet(len(layers), len(group.families), DEVIATION, (0.2, 0.17), sharex="col", sharey="row")
    for row, layer in enumerate(layers):
        for column, (family, metric) in enumerate(group.families.items()):
            axes = panels[row, column]
            grid = [size for size in arranged.laws_of(family)["size"] if size > 0]
            here = bounds[(bounds["layer"] == layer) & (bounds["shift"] == family)]
            label = size_label(family, metric) if row == len(layers) - 1 else ""
            room = NAMES / (axes.get_position().width * style.PAGE - NAMES)
            style.size_axis(axes, grid or [0.0], label, room=room)
            axes.set(yscale="log", ylim=(FLOOR, CEILING))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter("{x:g}")
            _bound_lines(axes, here, grid, looks)
            ink = style.colour(layer)
            measured = here.drop_duplicates(["seed", "size"]).assign(middle=lambda rows: rows["measured"])
            for seed, rows in measured.groupby("seed"):  # side by side, so that none hides another's bar
                x = style.place(rows["size"], grid) + 0.012 * np.ptp(axes.get_xlim()) * arranged.seeds.index(seed)
                axes.errorbar(x, rows["measured"].clip(lower=FLOOR), WIDTH * rows["measured_stderr"], ls="", color=ink,
                              marker="o", ms=2.6, mfc="none", mew=0.7, elinewidth=0.7)  # fmt: skip
            mean = measured.groupby("size")["measured"].mean().clip(lower=FLOOR)
            axes.plot(style.place(mean.index, grid), mean, color=ink, lw=1.8, marker=style.marker(layer), ms=4)
            if row == 0:
                axes.set_title(title(family))
        panels[row, 0].set_ylabel(f"layer {layer}\nnats")
    handles = [Line2D([], [], color=INK, marker="o", ms=4, lw=1.8, label=f"measured |ΔI|{_mean_words(arranged)}")]
    if len(arranged.seeds) > 1:
        label = f"each seed ± {IN_WORDS}"
        handles.append(Line2D([], [], color=INK, lw=0.7, marker="o", ms=3.5, mfc="none", label=label))
    handles.append(Line2D([], [], color=FAINT, lw=1.4, ls=DASHED, marker=".", label=f"the {SMALLEST} smallest bounds"))
    style.legend(figure, [*handles, Patch(**VACUOUS, label="vacuous")], case.label)
    return figure


def _mean_words(arranged: Arranged) -> str:
    return ", mean over seeds" if len(arranged.seeds) > 1 else ""


def _bound_lines(axes: Axes, here: pd.DataFrame, grid: list[float], looks: dict[str, dict[str, Any]]) -> None:
    """The bounds that are smallest over the sizes of a panel, the least of all seeds, each named where it ends."""
    if here.empty:
        return
    style.shade_vacuous(axes, y0=float(here["cap"].mean()))
    table = here.pivot_table(index="size", columns="theorem", values="bound", aggfunc="min")
    order = np.log(table.clip(lower=FLOOR)).mean().sort_values().index[:SMALLEST]
    labels = []
    for name in order:
        curve = table[name].dropna()
        axes.plot(style.place(curve.index, grid), curve, marker=".", ms=4, **looks[str(name)])
        end = float(np.log10(np.clip(curve.iloc[-1], FLOOR, 0.8 * CEILING)))
        text = named(str(name)).label + (" ↑" if curve.iloc[-1] > CEILING else "")
        labels.append(Label(end, text, looks[str(name)]["color"]))
    style.end_labels(axes, float(style.place(grid, grid).max()), labels, DEVIATION, logarithmic=True, fontsize=7)


def draw_bounds(arranged: Arranged) -> Iterator[Picture]:
    """The changes of every case against their bounds, with the name of each figure."""
    for case in arranged.cases:
        for group in arranged.groups if len(case.of(arranged.audit)) else []:
            yield Picture(
                f"deviation_{case.slug}{group.slug}",
                deviation_against_bounds(arranged, case, group),
                shown.tightest(arranged, case),
                (shown.rows(arranged, "bounds", [case], shown.DEVIATION, shown.shifts(group.families), last=True),),
            )
