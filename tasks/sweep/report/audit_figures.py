"""The figures of the audit: how tight the bounds are, how far the worst law goes, where each change comes from."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import NullLocator

from ib_core.bounds.theorems import among, named, of_balls
from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, DOTTED, FAINT, INK, VACUOUS
from tasks.page.page import Picture
from tasks.sweep.report.arranged import Arranged, Case
from tasks.sweep.schema import OVER_SEEDS, form_column
from tasks.sweep.sizes import LABELS, METRICS, size_label, size_text, title

ACROSS = 3  # panels side by side
LINEAR = 0.01  # nats; below, the axis of a change is linear


def tightness(arranged: Arranged, case: Case) -> Figure:
    """Measured deviation in percent of its smallest valid bound: layer by size, a panel per family."""
    families = list(arranged.families)
    rows = -(-len(families) // ACROSS)
    height = 0.3 * max(len(arranged.layers), 2)
    here = case.of(arranged.audit)
    top = 0.64 + style.LINE
    figure, panels = style.sheet(rows, min(ACROSS, len(families)), height, (0.35, 0.75), bar=True, top=top)
    letters = {theorem.name: chr(ord("a") + k) for k, theorem in enumerate(among(here["theorem"]))}
    scale = LogNorm(1e-3, 1)
    for k, axes in enumerate(panels.ravel()):
        if k < len(families):
            _tightness_panel(axes, arranged, here[here["shift"] == families[k]], families[k], letters, scale)
        else:
            axes.set_axis_off()
    handles = [Line2D([], [], ls="", label=f"{letter}  {named(name).label}") for name, letter in letters.items()]
    style.legend(figure, [*handles, Patch(**VACUOUS, label="every bound vacuous")], case.label)
    style.colour_bar(figure, panels, ScalarMappable(scale, "YlGnBu"), "tightness")
    return figure


def _tightness_panel(
    axes: Axes, arranged: Arranged, here: pd.DataFrame, family: str, letters: dict[str, str], scale: LogNorm
) -> None:
    """One cell per layer and size: the mean over seeds, and the letter of the bound that is smallest in most."""
    sizes = [size for size in arranged.laws_of(family)["size"] if size > 0] or [0.0]
    cells = here.groupby(["layer", "size"])
    ratio = cells["tightness"].mean().where(~cells["vacuous"].all())
    table = ratio.unstack("size").reindex(arranged.layers, columns=sizes)
    axes.imshow(table.to_numpy(dtype=float), cmap="YlGnBu", norm=scale, aspect="auto")
    axes.patch.set(**VACUOUS)
    axes.grid(False)
    missing = table.isna() & ~cells.size().unstack("size").reindex(arranged.layers, columns=sizes).notna()
    for row, column in zip(*np.nonzero(missing), strict=True):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, lw=0, facecolor="white"))
    clear, theorem = cells["clear"].all(), cells["theorem"].agg(lambda names: names.mode().max())
    for (layer, size), value in ratio.dropna().items():
        text = "○" if not clear[layer, size] else f"{100 * value:.0f}" if value >= 0.005 else "<1"
        if len(sizes) <= 9:
            text += f" {letters[theorem[layer, size]]}"
        axes.text(sizes.index(size), arranged.layers.index(layer), text, ha="center", va="center", fontsize=7.5,
                  color="white" if value > 0.15 else INK)  # fmt: skip
    for layer, size in cells["unresolved"].all()[lambda all_wide: all_wide].index:
        at = sizes.index(size), arranged.layers.index(layer)
        if not cells["vacuous"].all()[layer, size]:
            axes.add_patch(Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, lw=0, facecolor="white"))
            axes.text(*at, f"? {letters[theorem[layer, size]]}", ha="center", va="center", fontsize=7.5, color=INK)
    axes.set_title(title(family))
    every = max(1, -(-len(sizes) * 4 // 36))
    axes.set_xticks(range(0, len(sizes), every), [f"{size:g}" for size in sizes[::every]])
    axes.set_yticks(range(len(arranged.layers)), [f"L{layer}" for layer in arranged.layers])
    axes.set_xlabel(size_label(family, arranged.families[family]))


def worst_case(arranged: Arranged, case: Case) -> Figure:
    """The change of I(X;T_l) over balls of laws: what was found, what is certain, and the families that were swept."""
    found = case.of(arranged.final(arranged.tables.worst_case))
    metrics = [metric for metric in METRICS if (found["metric"] == metric).any()]
    layers = [layer for layer in arranged.layers if (found["layer"] == layer).any()]
    figure, panels = style.sheet(
        len(layers), len(metrics), 1.55, (0.5, 0.17), top=0.64 + style.LINE, sharex="col", sharey="row"
    )
    marks = {family: style.marker(k) for k, family in enumerate(arranged.families, start=1)}
    for row, layer in enumerate(layers):
        for column, metric in enumerate(metrics):
            axes = panels[row, column]
            ball = found[(found["layer"] == layer) & (found["metric"] == metric)]
            _worst_panel(axes, ball.groupby("size").mean(numeric_only=True), style.colour(layer))
            grid = np.sort(found.loc[found["metric"] == metric, "size"].unique())
            label = f"radius in {LABELS[metric]}" if row == len(layers) - 1 else ""
            style.size_axis(axes, np.concatenate([[0.0], grid]), label, room=0.06)
            change = case.of(arranged.final(arranged.deviation))
            change = change[(change["layer"] == layer) & (change["size"] > 0)]
            for family in (name for name, other in arranged.families.items() if other == metric):
                mine = change[change["shift"] == family].groupby("size")["middle"].mean()
                x = style.place(mine.index, grid)
                axes.plot(x, mine, ls="", marker=marks[family], ms=4.5, color=INK, mfc="none", mew=0.9)
        panels[row, 0].set_ylabel(f"layer {layer}: ΔI, nats")
    swept = [
        Line2D([], [], ls="", marker=marks[family], ms=5, color=INK, mfc="none", label=title(family))
        for family, metric in arranged.families.items()
        if metric in metrics
    ]
    plain = f"± {' or '.join(_plain_forms())} form, the smaller"
    lines = [
        Line2D([], [], color=INK, lw=1.8, marker=".", label="largest and smallest found"),
        Line2D([], [], color=INK, lw=1, ls=DASHED, marker="_", ms=9, label="certified for every law of the ball"),
        Line2D([], [], color=INK, lw=1, ls=DOTTED, marker="_", ms=17, label=plain),
    ]
    style.legend(figure, [*lines, *swept], case.label)
    return figure


def _plain_forms() -> list[str]:
    """The forms of bound on a ball that need no data."""
    return list(dict.fromkeys(theorem.form for theorem in of_balls() if not theorem.uses_data))


def _change_axis(axes: Axes, axis: str) -> None:
    """Nats on both sides of 0: linear up to `LINEAR`, logarithmic beyond."""
    getattr(axes, f"set_{axis}scale")("symlog", linthresh=LINEAR, linscale=0.6)
    getattr(axes, f"{axis}axis").set_minor_locator(NullLocator())
    getattr(axes, f"{axis}axis").set_major_formatter("{x:g}")


def _worst_panel(axes: Axes, ball: pd.DataFrame, ink: str) -> None:
    """What was found and what is proven, joined from radius to radius; cut at information 0 and at the cap."""
    _change_axis(axes, "y")
    axes.axhline(0, color=FAINT, lw=0.8)
    if ball.empty:
        return
    x = style.place(ball.index, ball.index)
    floor, ceiling = -ball["reference"], np.maximum(ball["cap"] - ball["reference"], 0.0)
    forms = ball[[form_column(form) for form in _plain_forms()]].min(axis=1)
    axes.vlines(x, -ball["fall"], ball["rise"], color=ink, alpha=0.25, lw=5)
    for found, proven, sign in ((ball["rise"], ball["upper"], 1), (-ball["fall"], ball["lower"], -1)):
        axes.plot(x, found, color=ink, lw=1.8, marker=".", ms=7)
        for bound, dashes, width in ((proven - ball["reference"], DASHED, 9), (sign * forms, DOTTED, 17)):
            axes.plot(x, bound.clip(floor, ceiling), color=ink, lw=1, ls=dashes, marker="_", ms=width)


def attribution(arranged: Arranged, case: Case) -> Figure:
    """Left: the change that clean data predict against the measured one. Right: its mass and its mixing part."""
    table = case.of(arranged.final(arranged.tables.attribution))
    table = table[table["size"] > 0].assign(clear=(table["change_low"] > 0) | (table["change_high"] < 0))
    figure, panels = style.sheet(1, 2, 3.6, (0.75, 0), gridspec={"width_ratios": [1, 1.75]})
    left, right = panels[0]
    left.axline((0, 0), (1, 1), color=INK, lw=0.9, ls=DOTTED)
    for (layer, clear), points in table.groupby(["layer", "clear"]):
        look = {"color": style.colour(layer), "marker": style.marker(layer), "alpha": 0.9 if clear else 0.25}
        left.plot(points["predicted"], points["change"], ls="", ms=4, mfc="none", mew=0.9, **look)
    for axes, axis in ((left, "x"), (left, "y"), (right, "y")):
        _change_axis(axes, axis)
    left.set(xlabel="predicted from clean data, nats", ylabel="measured change of I(X; T), nats")
    largest = table[table["size"] == table.groupby("shift")["size"].transform("max")]
    largest = largest.groupby([key for key in OVER_SEEDS if key != "epoch"], as_index=False).mean(numeric_only=True)
    families = [family for family in arranged.families if (largest["shift"] == family).any()]
    width = 0.8 / max(len(arranged.layers), 1)
    for k, family in enumerate(families):
        for bar in largest[largest["shift"] == family].itertuples():
            x = k + (arranged.layers.index(bar.layer) - (len(arranged.layers) - 1) / 2) * width
            ink = style.colour(bar.layer)
            right.bar(x - width / 4, bar.mass, width / 2, color=ink)
            right.bar(x + width / 4, bar.mixing, width / 2, color="white", edgecolor=ink, hatch="//////", lw=0.8)
            right.plot([x - width / 2, x + width / 2], [bar.change] * 2, color=INK, lw=1.4)
    right.axhline(0, color=FAINT, lw=0.8)
    tops = largest.groupby("shift")["size"].max()
    names = [
        title(name).replace(" ", "\n") + "\n" + size_text(name, tops[name], arranged.families[name])
        for name in families
    ]
    right.set_xticks(range(len(families)), names)
    right.set_xlim(-0.5, len(families) - 0.5)
    right.tick_params("x", length=0)
    right.set_ylabel("part of the change, nats")
    handles = [
        *style.layer_handles(arranged.layers),
        Patch(fc=FAINT, label="mass"),
        Patch(fc="white", ec=FAINT, hatch="//////", label="mixing"),
        Line2D([], [], color=INK, lw=1.4, label="both: measured"),
    ]
    style.legend(figure, handles, case.label)
    return figure


def draw_audit(arranged: Arranged) -> Iterator[Picture]:
    """Every figure of the audit that the tables have numbers for, with its name."""
    worst, parts = arranged.final(arranged.tables.worst_case), arranged.final(arranged.tables.attribution)
    for case in arranged.cases:
        if len(case.of(arranged.audit)):
            yield Picture(f"tightness_{case.slug}", tightness(arranged, case))
    for case in arranged.cases:
        if len(case.of(worst)):
            yield Picture(f"worst_case_{case.slug}", worst_case(arranged, case))
    for case in arranged.cases:
        if len(case.of(parts[parts["size"] > 0])):
            yield Picture(f"attribution_{case.slug}", attribution(arranged, case))
