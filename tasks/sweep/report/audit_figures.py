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
from tasks.page.figure_style import DOTTED, FAINT, INK, VACUOUS, WHITE
from tasks.page.page import Picture
from tasks.page.tables import series
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import ROUNDING, Arranged, Case
from tasks.sweep.schema import OVER_SEEDS, form_column
from tasks.sweep.sizes import LABELS, METRICS, size_label, size_text, title

ACROSS, FEW, LETTERED = 3, 6, 9  # panels side by side, one more of few sizes; sizes that leave room for a letter
LEAST = 0.01  # percent, of which the scale has a colour
ROW = 0.2  # inches, of a ball
LINEAR = 0.01  # nats; below, the axis of a change is linear


def tightness(arranged: Arranged, case: Case) -> Figure:
    """Measured deviation in percent of its smallest valid bound: layer by size, a panel per family."""
    families = list(arranged.families)
    most = max(len(arranged.laws_of(family)) for family in families)
    across = min(ACROSS + (most <= FEW), len(families))
    rows = -(-len(families) // across)
    height = 0.3 * max(len(arranged.layers), 2)
    here = case.of(arranged.audit)
    top = 0.64 + style.LINE
    figure, panels = style.sheet(rows, across, height, (0.35, 0.75), bar=True, top=top)
    letters = {theorem.name: chr(ord("a") + k) for k, theorem in enumerate(among(here["theorem"]))}
    scale = ScalarMappable(LogNorm(1, 100), "YlGnBu")
    for k, axes in enumerate(panels.ravel()):
        if k < len(families):
            _tightness_panel(axes, arranged, here[here["shift"] == families[k]], families[k], letters, scale)
        else:
            axes.set_axis_off()
    handles = [Line2D([], [], ls="", label=f"{letter}  {named(name).label}") for name, letter in letters.items()]
    style.legend(figure, [*handles, Patch(**VACUOUS, label="every bound vacuous")], case.label)
    style.colour_bar(figure, panels, scale, "tightness, %")
    return figure


def _tightness_panel(
    axes: Axes, arranged: Arranged, here: pd.DataFrame, family: str, letters: dict[str, str], scale: ScalarMappable
) -> None:
    """One cell per layer and size: the mean over seeds, and the letter of the bound that is smallest in most."""
    sizes = [size for size in arranged.laws_of(family)["size"] if size > 0] or [0.0]
    cells = here.groupby(["layer", "size"])
    percent = 100 * cells["tightness"].mean().where(~cells["vacuous"].all())
    table = percent.unstack("size").reindex(arranged.layers, columns=sizes)
    style.cells(axes, table.clip(lower=LEAST).to_numpy(dtype=float), scale)
    axes.patch.set(**VACUOUS)
    missing = table.isna() & ~cells.size().unstack("size").reindex(arranged.layers, columns=sizes).notna()
    for row, column in zip(*np.nonzero(missing), strict=True):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, lw=0, facecolor=WHITE))
    clear, theorem = cells["clear"].all(), cells["theorem"].agg(lambda names: names.mode().max())
    for (layer, size), value in percent.dropna().items():
        text = "○" if not clear[layer, size] else f"{value:.0f}" if value >= 0.5 else "<1"
        if len(sizes) <= LETTERED:
            text += f" {letters[theorem[layer, size]]}"
        axes.text(sizes.index(size), arranged.layers.index(layer), text, ha="center", va="center", fontsize=7.5,
                  color=style.on(scale.to_rgba(np.fmax(value, LEAST))))  # fmt: skip
    none = cells["tightness"].count().eq(0) & ~cells["vacuous"].all()  # the brackets are too wide, or the bound is 0
    for layer, size in none[none].index:
        at = sizes.index(size), arranged.layers.index(layer)
        text = "?" if cells["unresolved"].any()[layer, size] else "–"
        axes.add_patch(Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, lw=0, facecolor=WHITE))
        axes.text(*at, f"{text} {letters[theorem[layer, size]]}", ha="center", va="center", fontsize=7.5, color=INK)
    axes.set_title(title(family))
    every = max(1, -(-len(sizes) * 4 // 36))
    axes.set_xticks(range(0, len(sizes), every), [f"{size:g}" for size in sizes[::every]])
    axes.set_yticks(range(len(arranged.layers)), [f"L{layer}" for layer in arranged.layers])
    axes.set_xlabel(size_label(family, arranged.families[family]))


def worst_case(arranged: Arranged, case: Case) -> Figure:
    """The change of I(X;T_l) over balls of laws, a row for each layer and radius: what was found, what is certain, and
    the families that were swept at this size."""
    found = case.of(arranged.final(arranged.tables.worst_case))
    metrics = [metric for metric in METRICS if (found["metric"] == metric).any()]
    balls = found.groupby(["metric", "layer", "size"]).mean(numeric_only=True)
    most = max(len(balls.loc[metric]) for metric in metrics)
    top = 0.64 + style.LINE
    figure, panels = style.sheet(1, len(metrics), ROW * most + 0.2, (0.75, 0), top=top)
    marks = {family: style.marker(k) for k, family in enumerate(arranged.families, start=1)}
    change = case.of(arranged.final(arranged.deviation))
    for axes, metric in zip(panels[0], metrics, strict=True):
        mine = balls.loc[metric]
        families = [family for family, other in arranged.families.items() if other == metric]
        swept = change[change["shift"].isin(families)].groupby(["layer", "size", "shift"])["middle"].mean()
        for y, ((layer, size), ball) in enumerate(mine.iterrows()):
            _worst_row(axes, y, ball, style.colour(layer))
            for family in families:
                if (layer, size, family) in swept.index:
                    axes.plot(swept[layer, size, family], y, ls="", marker=marks[family], ms=5, color=INK, mfc="none",
                              mew=0.9, zorder=4)  # fmt: skip
        for y in np.flatnonzero(np.diff(mine.index.get_level_values("layer"))) + 0.5:
            axes.axhline(y, color=FAINT, lw=0.4)
        radii = mine.index.get_level_values("size")
        names = [f"L{layer}  {size:g}" if radii.nunique() > 1 else f"L{layer}" for layer, size in mine.index]
        axes.set_yticks(range(len(mine)), names)
        axes.set(ylim=(len(mine) - 0.5, -0.5), title=f"radius {series(radii)} in {LABELS[metric]}", xlabel="ΔI, nats")
        axes.grid(axis="y", visible=False)
        axes.axvline(0, color=FAINT, lw=0.8)
        _change_axis(axes, "x")
    drawn = [family for family, metric in arranged.families.items() if metric in metrics]
    plain = f"± {' or '.join(_plain_forms())} form, the smaller"
    lines = [
        Line2D([], [], color=INK, lw=1.8, marker=".", ms=8, label="smallest and largest found"),
        Line2D([], [], color=INK, lw=0, marker="|", ms=7, mew=1.4, label="certified for every law of the ball"),
        Line2D([], [], color=FAINT, lw=0, marker="|", ms=12, label=plain),
    ]
    keys = [Line2D([], [], ls="", marker=marks[f], ms=5, color=INK, mfc="none", label=title(f)) for f in drawn]
    style.legend(figure, [*lines, *keys], case.label)
    return figure


def _worst_row(axes: Axes, y: float, ball: pd.Series, ink: str) -> None:
    """What was found and what is proven of one ball; cut at information 0 and at the cap."""
    floor, ceiling = -ball["reference"], max(ball["cap"] - ball["reference"], 0.0)
    form = ball[[form_column(form) for form in _plain_forms()]].min()
    ends = [-ball["fall"], ball["rise"]]
    axes.plot(ends, [y, y], color=ink, lw=2.2, marker=".", ms=9, solid_capstyle="butt", zorder=3)
    certified = np.clip([ball["lower"] - ball["reference"], ball["upper"] - ball["reference"]], floor, ceiling)
    axes.plot(certified, [y, y], ls="", color=ink, marker="|", ms=7, mew=1.6)
    axes.plot(np.clip([-form, form], floor, ceiling), [y, y], ls="", color=FAINT, marker="|", ms=12, mew=1.0)


def _plain_forms() -> list[str]:
    """The forms of bound on a ball that need no data."""
    return list(dict.fromkeys(theorem.form for theorem in of_balls() if not theorem.uses_data))


def _change_axis(axes: Axes, axis: str) -> None:
    """Nats on both sides of 0: linear up to `LINEAR`, logarithmic beyond."""
    getattr(axes, f"set_{axis}scale")("symlog", linthresh=LINEAR, linscale=0.6)
    getattr(axes, f"{axis}axis").set_minor_locator(NullLocator())
    getattr(axes, f"{axis}axis").set_major_formatter("{x:g}")


def attribution(arranged: Arranged, case: Case) -> Figure:
    """Left: the change that clean data predict against the measured one. Right: its mass and its mixing part."""
    table = case.of(arranged.final(arranged.tables.attribution))
    table = table[table["size"] > 0].assign(clear=(table["change_low"] > ROUNDING) | (table["change_high"] < -ROUNDING))
    figure, panels = style.sheet(1, 2, 3.6, (0.75, 0), gridspec={"width_ratios": [1, 1.75]})
    left, right = panels[0]
    left.axline((0, 0), (1, 1), color=INK, lw=0.9, ls=DOTTED)
    for (layer, clear), points in table.groupby(["layer", "clear"]):
        look = {"color": style.colour(layer), "marker": style.marker(layer), "alpha": 0.9 if clear else 0.25}
        left.plot(points["predicted"], points["change"], ls="", ms=4, mfc="none", mew=0.9, **look)
    for axes, axis in ((left, "x"), (left, "y"), (right, "y")):
        _change_axis(axes, axis)
    both = table[["predicted", "change"]]
    reach = 1.5 * min(float(both.min().min()), -LINEAR), 1.5 * max(float(both.max().max()), LINEAR)
    left.set(xlim=reach, ylim=reach)
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
            right.bar(x + width / 4, bar.mixing, width / 2, color=WHITE, edgecolor=ink, hatch="//////", lw=0.8)
            right.plot([x - width / 2, x + width / 2], [bar.change] * 2, color=INK, lw=1.4)
    right.axhline(0, color=FAINT, lw=0.8)
    right.set_ylim(min(right.get_ylim()[0], -LINEAR), max(right.get_ylim()[1], LINEAR))
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
        Patch(fc=WHITE, ec=FAINT, hatch="//////", label="mixing"),
        Line2D([], [], color=INK, lw=1.4, label="both: measured"),
    ]
    style.legend(figure, handles, case.label)
    return figure


def draw_audit(arranged: Arranged) -> Iterator[Picture]:
    """Every figure of the audit that the tables have numbers for, with its name."""
    worst, parts = arranged.final(arranged.tables.worst_case), arranged.final(arranged.tables.attribution)
    for case in arranged.cases:
        if len(case.of(arranged.audit)):
            numbers = (shown.rows(arranged, "bounds", [case], shown.DEVIATION, "tightest = True", last=True),)
            said = shown.tightest(arranged, case)
            yield Picture(f"tightness_{case.slug}", tightness(arranged, case), said, numbers)
    for case in arranged.cases:
        if len(case.of(worst)):
            numbers = (shown.rows(arranged, "worst_case", [case], last=True),)
            yield Picture(f"worst_case_{case.slug}", worst_case(arranged, case), shown.worst(arranged, case), numbers)
    for case in arranged.cases:
        if len(case.of(parts[parts["size"] > 0])):
            numbers = (shown.rows(arranged, "attribution", [case], "size above 0", last=True),)
            said = shown.attributed(arranged, case)
            yield Picture(f"attribution_{case.slug}", attribution(arranged, case), said, numbers)
