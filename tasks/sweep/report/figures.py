"""The figures of a sweep, drawn from its tables: each function returns one matplotlib figure."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP, MarkerStyle
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ib_core.estimate import IN_WORDS
from tasks.page import figure_style as style
from tasks.page.figure_style import DASH_DOT, DASHED, DOTTED, FAINT, INK, VACUOUS, Label
from tasks.page.page import Picture, Rows
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged, Case, Group, Sheet, over_seeds
from tasks.sweep.report.audit_figures import draw_audit
from tasks.sweep.report.bound_figures import draw_bounds
from tasks.sweep.report.example_figures import draw_examples
from tasks.sweep.report.measure_figures import draw_measures
from tasks.sweep.report.seeds import draw_seeds, draw_spread, seed_keys, spread
from tasks.sweep.report.signal_figures import signal_scatter
from tasks.sweep.schema import CELL
from tasks.sweep.sizes import size_label, title

EPOCHS = ListedColormap(colormaps["Greys"](np.linspace(0.06, 0.92, 200)))  # none as light or dark as a page
# Markers whose tip is at the point.
TIPS = {"^": MarkerStyle(CARETUP), "v": MarkerStyle(CARETDOWN)}
CURVES: list[dict[str, Any]] = [{"color": INK, "lw": 1.6}, {"color": FAINT, "lw": 1.4, "ls": DASHED}]
PARTS_LOOK: dict[str, Any] = {"train": "-", "test": DASHED}
RESPONSE = 3.2  # inches, the height of a panel of the central figure
STRIP, BETWEEN = 0.7, 0.12  # inches, of the accuracy below it, and of the gap to it


def shift_response(arranged: Arranged, sheet: Sheet, group: Group) -> Figure:
    """I(X;T_l) and below it the accuracy against the size of the shift: a column per family, a row per case."""
    top, below = 0.64 + style.LINE, STRIP + BETWEEN
    figure, panels = style.sheet(
        len(sheet.cases), len(group.families), RESPONSE, (0.2, 0.65 + below), top=top, bottom=0.5 + below, sharey="row"
    )
    for row, case in enumerate(sheet.cases):
        for column, family in enumerate(group.families):
            response_panel(panels[row, column], arranged, case, family)
            accuracy_strip(panels[row, column], arranged, case, family, first=column == 0)
            if row == 0:
                panels[row, column].set_title(title(family))
        panels[row, 0].set_ylabel(f"{case.label}\nI(X; T) in nats", linespacing=1.5)
    handles = [
        *style.layer_handles(arranged.layers),
        *seed_keys(arranged.seeds),
        Line2D([], [], color=INK, lw=0.9, ls=DASHED, label="I(reference) ± smallest bound"),
        Line2D([], [], color=INK, lw=0.9, ls=DOTTED, label="H(X′)"),
        Patch(**VACUOUS, label="every bound vacuous"),
    ]
    if len(arranged.projected):
        label = "I(X; UT), projected (lower bound of I(X; T))"
        handles.append(Line2D([], [], color=INK, lw=1.0, ls=DASH_DOT, label=label))
    style.legend(figure, handles)
    return figure


def accuracy_strip(axes: Axes, arranged: Arranged, case: Case, family: str, first: bool) -> None:
    """The accuracy of the noisy read-out under the same laws, below a panel and on its axis of sizes."""
    grid = _grid(arranged, case, family)
    strip = axes.inset_axes((0, -(STRIP + BETWEEN) / RESPONSE, 1, STRIP / RESPONSE))
    style.size_axis(strip, grid, size_label(family, arranged.families[family]))
    axes.tick_params("x", labelbottom=False, length=0)
    axes.set_xlabel("")
    every = arranged.final(case.of(arranged.accuracy))
    seeds = [arranged.accuracy_at(case, family, size) for size in grid]
    x = style.place(grid, grid)
    strip.plot(x, [seed.mean() for seed in seeds], color=INK, marker=".", ms=6, lw=1.4)
    strip.fill_between(x, [seed.min() for seed in seeds], [seed.max() for seed in seeds], color=INK, alpha=0.12, lw=0)
    floor = float(np.nan_to_num(every["value"].min()))
    strip.set_ylim(min(10 * math.floor(floor / 10), 90) - 2, 103)
    strip.yaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
    strip.tick_params("y", labelleft=first)
    if first:
        strip.set_ylabel("correct, %")
        strip.yaxis.set_label_coords(-0.5 / (axes.get_position().width * style.PAGE), 0.5)


def _seeds(axes: Axes, rows: pd.DataFrame, by: str, at: Callable[[Any], Any], ink: str) -> None:
    """Each seed as a dot, and the interval of their mean, at the places `at` of the values of a column."""
    if rows["seed"].nunique() > 1:
        draw_seeds(axes, at(rows[by]), rows["middle"], ink)
        table = spread(rows, by)
        draw_spread(axes, np.asarray(at(table.index), dtype=float), table, ink)


def _grid(arranged: Arranged, case: Case, family: str) -> np.ndarray:
    """The sizes of a family, with that of the reference."""
    return np.unique([0.0, *arranged.laws_of(family, case)["size"]])


def response_panel(axes: Axes, arranged: Arranged, case: Case, family: str) -> None:
    """The layers' lines from the reference on, brackets, projections, the entropy of the law and the vacuous sizes."""
    information = arranged.final(case.of(arranged.information))
    reference, shifted = (information[information["shift"] == name] for name in ("reference", family))
    every = pd.concat([reference.assign(shift=family), shifted[shifted["size"] > 0]])
    lines = over_seeds(every)
    limits = arranged.final(case.of(arranged.smallest))
    limits = over_seeds(limits[(limits["shift"] == family) & (limits["size"] > 0)])
    laws = arranged.laws_of(family, case)
    if 0 not in laws["size"].values:
        laws = pd.concat([arranged.laws_of("reference", case), laws])
    grid = _grid(arranged, case, family)
    style.size_axis(axes, grid, "")
    entropy = arranged.reference_of(case)["entropy"]
    most = 1.4 * float(np.nan_to_num(reference["middle"].max()))
    axes.set_ylim(0, min(1.06 * entropy, most) if most > 0 else 1.06 * entropy)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))  # whose numbers are short
    axes.plot(style.place(grid, grid), laws["entropy"], color=INK, lw=0.9, ls=DOTTED)
    vacuous = limits.groupby("size")["vacuous"].min() >= 1
    vacuous = vacuous[vacuous[::-1].cummin()[::-1]]  # from the first of these sizes on, for every layer
    if len(vacuous):
        style.shade_vacuous(axes, x0=float(style.place([vacuous.index[0]], grid)[0]))
    labels = []
    for layer, line in lines.groupby("layer"):
        ink, x = style.colour(layer), style.place(line["size"], grid)
        style.band(axes, x, line, ink)
        axes.plot(x, line["middle"], color=ink, marker=style.marker(layer), ms=4, lw=1.8)
        _seeds(axes, every[every["layer"] == layer], "size", lambda sizes: style.place(sizes, grid), ink)
        labels.append(Label(line["middle"].iloc[-1], f"L{layer}", ink))
        start = line.loc[line["size"] == 0, "middle"].mean()
        envelope = limits[(limits["layer"] == layer) & (limits["vacuous"] < 1)]
        for sign in (1, -1):
            edge = np.clip(start + sign * envelope["bound"], 0, envelope["cap"])
            ended = ((edge <= 0) | (edge >= envelope["cap"])).cummax().shift(fill_value=False)
            at = style.place([0, *envelope["size"]], grid)
            axes.plot(at, [start, *edge.where(~ended)], color=ink, lw=0.8, ls=DASHED, alpha=0.55)
    style.end_labels(axes, float(style.place(grid, grid).max()), labels, RESPONSE)
    projected = arranged.final(case.of(arranged.projected))
    reference, shifted = (projected[projected["shift"] == name] for name in ("reference", family))
    projected = pd.concat([reference, shifted[shifted["size"] > 0]])
    for layer, line in over_seeds(projected.assign(shift=family)).groupby("layer"):
        ink, x = style.colour(layer), style.place(line["size"], grid)
        axes.fill_between(x, line["lower"], line["upper"], color=ink, alpha=0.08, lw=0)
        axes.plot(x, line["middle"], color=ink, lw=1.0, ls=DASH_DOT)


def information_plane(arranged: Arranged, sheet: Sheet) -> Figure:
    """(I(X;T_l), I(T_l;Y)) over training under the reference law; the filling of the points is the epoch."""
    top = 0.64 + style.LINE
    figure, panels = style.sheet(1, len(sheet.cases), 3.6, (0.5, 0), bar=True, top=top)
    clean = [table[table["shift"] == "reference"] for table in (arranged.information, arranged.label_information)]
    both = clean[0].merge(clean[1], on=CELL, suffixes=("", "_y"))
    epochs = both["epoch"] if len(both) else arranged.tables.history["epoch"]  # every reference cell may have failed
    norm = LogNorm(max(epochs.min(), 1), max(epochs.max(), 2))
    curves = {rule: curve for rule, curve in arranged.tables.bottleneck.groupby("rule", sort=False)}
    for axes, case in zip(panels[0], sheet.cases, strict=True):
        highest, labels = (arranged.reference_of(case)[name] for name in ("entropy", "label_entropy"))
        for curve, look in zip(curves.values() if case.split == arranged.parts[0] else (), CURVES, strict=False):
            end = [highest], [curve["relevance"].max()]  # more I(X;T) than it needs is never less
            points = ([0.0, *curve[name], *last] for name, last in zip(("compression", "relevance"), end, strict=True))
            axes.plot(*points, **look)
        for layer, paths in case.of(both).groupby("layer"):
            for _, path in paths.groupby("seed"):
                axes.plot(path["middle"], path["middle_y"], color=style.colour(layer), lw=0.7, alpha=0.7)
            path = paths.groupby("epoch").mean(numeric_only=True)
            _crosses(axes, path, style.colour(layer))
            axes.plot(path["middle"], path["middle_y"], color=style.colour(layer), lw=1.8)
            axes.scatter(path["middle"], path["middle_y"], c=np.maximum(path.index, 1), norm=norm, cmap=EPOCHS,
                         edgecolors=style.colour(layer), marker=style.marker(layer), s=36, zorder=3)  # fmt: skip
        here = case.of(both)
        axes.set(title=case.label, xlabel="I(X; T) in nats", xlim=(0, _reach(here["upper"], highest)))
        axes.set_ylim(min(0.0, 1.04 * float(here["middle_y"].min())), _reach(here["upper_y"], labels))
        style.limit(axes, highest, f"H(X) = {highest:.2f}", vertical=True)
        style.limit(axes, labels, f"H(Y) = {labels:.2f}")
    panels[0, 0].set_ylabel("I(T; Y) in nats")
    if arranged.followed(sheet.cases):
        style.colour_bar(figure, panels, ScalarMappable(norm, EPOCHS), "epoch")
    bottlenecks = [
        Line2D([], [], label=f"bottleneck, {rule}", **look) for rule, look in zip(curves, CURVES, strict=False)
    ]
    thin = [Line2D([], [], color=INK, lw=0.7, label="each seed")] if len(arranged.seeds) > 1 else []
    style.legend(figure, [*style.layer_handles(arranged.layers), *thin, *bottlenecks])
    return figure


def _reach(upper: pd.Series, cap: float) -> float:
    """Where an axis ends: at the cap where what is drawn comes near it, else a little above that."""
    largest = float(np.nan_to_num(upper.max()))
    return 1.06 * cap if not 0 < largest < cap / 1.5 else 1.15 * largest


def _crosses(axes: Axes, path: pd.DataFrame, ink: str) -> None:
    """The brackets of both coordinates, as bars at every point."""
    look: dict[str, Any] = {"color": ink, "lw": 0.8, "alpha": 0.55, "zorder": 2}
    axes.hlines(path["middle_y"], path["lower"], path["upper"], **look)
    axes.vlines(path["middle"], path["lower_y"], path["upper_y"], **look)


def information_by_epoch(arranged: Arranged, sheet: Sheet) -> Figure:
    """I(X;T_l) by epoch under the reference law, below it loss and accuracy: a column per case."""
    shared: dict[str, Any] = {"sharex": True, "height_ratios": [2.2, 1, 1]}
    figure, panels = style.sheet(3, len(sheet.cases), 2.2, (0.42, 0.15), top=0.64 + style.LINE, **shared)
    clean = arranged.information[arranged.information["shift"] == "reference"]
    for column, case in enumerate(sheet.cases):
        top, middle, bottom = panels[:, column]
        lines = case.of(clean)
        for layer, line in over_seeds(lines).groupby("layer"):
            ink = style.colour(layer)
            style.band(top, line["epoch"], line, ink)
            top.plot(line["epoch"], line["middle"], color=ink, marker=style.marker(layer), ms=4, lw=1.8)
            draw_spread(top, line["epoch"].to_numpy(), spread(lines[lines["layer"] == layer], "epoch"), ink)
        for (layer, _), line in lines.groupby(["layer", "seed"]):
            top.plot(line["epoch"], line["middle"], color=style.colour(layer), lw=0.7, alpha=0.7)
        entropy = arranged.reference_of(case)["entropy"]
        top.set(title=case.label, ylim=(0, _reach(lines["upper"], entropy)))
        style.limit(top, entropy, f"H(X) = {entropy:.2f}")
        history = case.of(arranged.tables.history)
        history = history[history["epoch"] >= lines["epoch"].min()]
        for part, ls in PARTS_LOOK.items():
            _history_line(middle, history, f"{part}_loss", INK, ls)
            for what, ink in (("clean_accuracy", FAINT), ("accuracy", INK)):
                _history_line(bottom, history, f"{part}_{what}", ink, ls, 100.0)
        bottom.set_xlabel("epoch")
        style.epoch_axis(bottom, np.sort(arranged.tables.history["epoch"].unique()))
    panels[0, 0].set_ylabel("I(X; T) in nats")
    losses = arranged.tables.history[[f"{part}_loss" for part in PARTS_LOOK]]
    for axes in panels[1]:
        axes.set_ylim(0, 1.08 * float(losses.max(axis=None)))
    lowest = min(axes.get_ylim()[0] for axes in panels[2])
    for axes in panels[2]:
        axes.set_ylim(lowest, 102)
    panels[1, 0].set_ylabel("loss in nats")
    panels[2, 0].set_ylabel("correct, %")
    kinds = [Line2D([], [], color=INK, lw=1.6, ls=ls, label=part) for part, ls in PARTS_LOOK.items()]
    kinds.append(Line2D([], [], color=FAINT, lw=1.6, label="correct without noise"))
    if len(arranged.seeds) > 1:
        kinds.append(Line2D([], [], color=INK, lw=0.7, label="each seed"))
    style.legend(figure, [*style.layer_handles(arranged.layers), *kinds, *seed_keys(arranged.seeds)[1:]])
    return figure


def _history_line(axes: Axes, history: pd.DataFrame, name: str, ink: str, ls: Any, times: float = 1.0) -> None:
    """A column of the history by epoch: thin for each seed, thick for their mean; a dot where there is one epoch."""
    for _, seed in history.groupby("seed"):
        axes.plot(seed["epoch"], times * seed[name], color=ink, lw=0.6, ls=ls, alpha=0.6)
    mean = times * history.groupby("epoch")[name].mean()
    marker = "" if len(mean) > 1 else "o" if ls == "-" else "x"
    axes.plot(mean, color=ink, lw=1.6, ls=ls, marker=marker, ms=5)


def relative_deviation(arranged: Arranged, sheet: Sheet, group: Group) -> Figure:
    """(I(X') - I(X)) / I(X) in percent: layer by size, a column per family, a row per case, each of its own scale."""
    height = 0.34 * max(len(arranged.layers), 2)
    figure, panels = style.sheet(
        len(sheet.cases), len(group.families), height, (0.2, 0.4), bar=True, top=0.35, sharey=True
    )
    for row, case in enumerate(sheet.cases):
        change = case.of(arranged.relative)
        reach = float(np.fmax(change["percent"].abs().max(), 1.0))  # NaN where no deviation is known
        scale = ScalarMappable(Normalize(-reach, reach), "PuOr_r")
        for column, family in enumerate(group.families):
            axes = panels[row, column]
            here = change[change["shift"] == family]
            sizes = [size for size in arranged.laws_of(family)["size"] if size > 0] or [0.0]
            table = here.pivot(index="layer", columns="size", values="percent").reindex(arranged.layers, columns=sizes)
            style.cells(axes, table.to_numpy(dtype=float), scale)
            axes.set_xticks(range(len(sizes)), [f"{size:g}" for size in sizes])
            axes.set_yticks(range(len(arranged.layers)), [f"L{layer}" for layer in arranged.layers])
            for _, cell in here.iterrows():
                at = sizes.index(cell["size"]), arranged.layers.index(cell["layer"])
                known = np.isfinite(cell["percent"])
                text = f"{cell['percent']:+.1f}".replace("-", "−").replace("−0.0", "+0.0") if known else "–"
                ink = style.on(scale.to_rgba(cell["percent"])) if known else INK
                axes.text(*at, text + ("" if cell["clear"] else " ○"), ha="center", va="center", fontsize=8, color=ink)
            if row == 0:
                axes.set_title(title(family))
            if row == len(sheet.cases) - 1:
                axes.set_xlabel(size_label(family, arranged.families[family]))
        panels[row, 0].set_ylabel(case.label)
        style.colour_bar(figure, panels[[row]], scale, "change, %")
    return figure


def reference_brackets(arranged: Arranged, sheet: Sheet) -> Figure:
    """The bracket of I(X;T_l) under the reference law by layer and seed, with the caps: a panel per case, each on its
    own axis."""
    figure, panels = style.sheet(1, len(sheet.cases), 3.4, (0.42, 0), top=0.64 + style.LINE, bottom=0.62)
    final = arranged.final(arranged.information)
    final = final[final["shift"] == "reference"]
    caps = arranged.final(arranged.tables.bounds)
    caps = (
        caps[caps["concerns"] == "deviation"]
        .groupby(["network", "beta", "split", "layer"], as_index=False)["cap"]
        .min()
    )
    before = arranged.final(arranged.processing)
    before = before[before["shift"] == "reference"]
    units = arranged.tables.layers.groupby(["network", "layer"])["d"].first()
    spots = dict(zip(arranged.seeds, np.linspace(-0.34, 0.34, len(arranged.seeds) + 2)[1:-1], strict=True))
    for axes, case in zip(panels[0], sheet.cases, strict=True):
        here = case.of(final)
        for seed, bars in here.groupby("seed"):
            x, inks = bars["layer"] + spots[seed], [style.colour(layer) for layer in bars["layer"]]
            axes.vlines(x, bars["lower"], bars["upper"], color=inks, lw=1)
            for end, mark in (("low", "^"), ("high", "v")):  # the tips touch what they mark
                axes.scatter(x, bars[end], marker=TIPS[mark], s=34, color=inks, lw=0, zorder=3)
            ceiling = case.of(before[before["seed"] == seed])
            limit = ceiling["margin"] + ceiling["lower"]
            axes.plot(ceiling["layer"] + spots[seed], limit, ls="", marker="_", ms=10, color=INK, mew=0.9)
        entropy = arranged.reference_of(case)["entropy"]
        top = _reach(here["upper"], entropy)
        axes.set(title=case.label, xlabel="layer, and its units", ylim=(0, top))
        cap = case.of(caps)
        cap = cap[cap["cap"] <= top]
        limits = case.of(before).assign(limit=lambda rows: rows["margin"] + rows["lower"]).groupby("layer")["limit"]
        for layer, bars in here.groupby("layer"):
            ends, high = f"{bars['high'].mean():.2f}\n{bars['low'].mean():.2f}", bars["upper"].max()
            # No number stands on a dash of the same layer.
            for marked in sorted([limits.max().get(layer, high), *cap.loc[cap["layer"] == layer, "cap"]]):
                high = marked if high < marked < high + 0.1 * top else high
            above = high < 0.86 * top
            y = high if above else bars["lower"].min()
            axes.annotate(ends, (layer, y), (0, 9 if above else -9), textcoords="offset points", ha="center",
                          va="bottom" if above else "top", fontsize=7.5, color=style.colour(layer),
                          fontweight="bold")  # fmt: skip
        axes.hlines(cap["cap"], cap["layer"] - 0.4, cap["layer"] + 0.4, color=INK, lw=1.2, ls=DASHED)
        style.limit(axes, entropy, f"H(X) = {entropy:.2f}")
        axes.set_xlim(min(arranged.layers) - 0.6, max(arranged.layers) + 0.6)
        axes.set_xticks(
            arranged.layers, [f"{layer}\n{_short(units.get((case.network, layer)))}" for layer in arranged.layers]
        )
    panels[0, 0].set_ylabel("I(X; T) in nats")
    beside = f", {len(arranged.seeds)} seeds side by side" if len(arranged.seeds) > 1 else ""
    handles = [
        Line2D([], [], color=INK, lw=0, marker=TIPS["v"], ms=6, label=f"upper end{beside}"),
        Line2D([], [], color=INK, lw=0, marker=TIPS["^"], ms=6, label="lower end; numbers: both, mean over seeds"),
        Line2D([], [], color=INK, lw=1, label=f"± {IN_WORDS}"),
        Line2D([], [], color=INK, ls="", marker="_", ms=10, label="least upper end of the layers before"),
        Line2D([], [], color=INK, lw=1.2, ls=DASHED, label="cap: min(ln N, capacity)"),
    ]
    style.legend(figure, handles)
    return figure


def _short(units: int | None) -> str:
    """ "128", "12.5k"; nothing where a network has no such layer."""
    if units is None:
        return ""
    return f"{units}" if units < 10_000 else f"{units / 1000:.1f}k"


def draw(arranged: Arranged) -> Iterator[Picture]:
    """Every figure that the tables have numbers for, with what it shows and where its numbers stand."""
    clean = "shift = reference"
    if len(arranged.information):
        for sheet in arranged.sheets if arranged.families else []:
            for group in arranged.groups:
                laws = shown.shifts(["reference", *group.families])
                yield Picture(
                    f"shift_response{sheet.slug}{group.slug}",
                    shift_response(arranged, sheet, group),
                    shown.response(arranged, sheet.cases, group),
                    (
                        shown.rows(
                            arranged,
                            "information",
                            sheet.cases,
                            "quantity = I_X_T or I_X_UT or accuracy",
                            laws,
                            last=True,
                        ),
                        shown.rows(arranged, "bounds", sheet.cases, shown.DEVIATION, "tightest = True", last=True),
                    ),
                )
        for sheet in arranged.sheets if len(arranged.label_information) else []:
            yield Picture(
                f"information_plane{sheet.slug}",
                information_plane(arranged, sheet),
                shown.plane(arranged, sheet.cases),
                (
                    shown.rows(arranged, "information", sheet.cases, "quantity = I_X_T or I_T_Y", clean),
                    Rows("bottleneck.csv"),
                ),
            )
        for sheet in filter(lambda each: arranged.followed(each.cases), arranged.sheets):
            yield Picture(
                f"information_by_epoch{sheet.slug}",
                information_by_epoch(arranged, sheet),
                shown.over_epochs(arranged, sheet.cases),
                (
                    shown.rows(arranged, "information", sheet.cases, "quantity = I_X_T", clean),
                    Rows("history.csv"),
                ),
            )
    for sheet in arranged.sheets if len(arranged.tables.signals) else []:
        yield Picture(
            f"signals{sheet.slug}",
            signal_scatter(arranged, sheet),
            shown.nearest_classes(arranged, sheet.cases),
            (Rows("signals.parquet", "the smallest seed"),),
        )
    yield from draw_measures(arranged)
    for sheet in arranged.sheets if len(arranged.relative) else []:
        for group in arranged.groups:
            condition = ("quantity = dI_X_T or I_X_T", shown.shifts(["reference", *group.families]))
            yield Picture(
                f"relative_deviation{sheet.slug}{group.slug}",
                relative_deviation(arranged, sheet, group),
                shown.response(arranged, sheet.cases, group),
                (shown.rows(arranged, "information", sheet.cases, *condition, last=True),),
            )
    for sheet in arranged.sheets if len(arranged.information) else []:
        yield Picture(
            f"reference_brackets{sheet.slug}",
            reference_brackets(arranged, sheet),
            shown.brackets(arranged, sheet.cases),
            (shown.rows(arranged, "information", sheet.cases, "quantity = I_X_T", clean, last=True),),
        )
    yield from draw_audit(arranged)
    yield from draw_examples(arranged)
    yield from draw_bounds(arranged)
