"""Figures of the measures that come with the house: clustering, binning, and what other estimators would claim."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, NullLocator

from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, DOTTED, FAINT, INK, KEY_SHADE, SHADE
from tasks.page.page import Picture, Rows
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged, Case, Sheet
from tasks.sweep.report.claims import CLAIMS, claims

MOST_LAYERS = 6  # side by side in one figure: the deepest
WITHIN, BETWEEN = "#3B4CC0", "#B40426"
PUBLISHED = 10  # bins of so many beta, as the measure has them
JOINED = 2
WIDTHS = ("H_bins_by_width_beta", "I_X_bins_by_width")
SHOWN = {
    "clusters": "the number of clusters",
    "distance_within_beta": "the mean distance within a class, in β,",
    "distance_between_beta": "that between classes",
}
# One look for each claim, told apart by dashes where two share a colour: the low and the high end of one bound.
CLAIM_LOOKS: dict[str, dict[str, Any]] = {
    label: {"color": ink, "ls": ls, "marker": marker, "ms": 3, "lw": 1.3}
    for label, (ink, ls, marker) in zip(
        CLAIMS.values(),
        (
            *(("#000000", "-", "s"), ("#882255", "-", "^"), ("#882255", DASHED, "v"), ("#332288", DOTTED, "")),
            *(("#332288", DASHED, ""), ("#999933", DOTTED, ""), ("#999933", DASHED, ""), ("#6699CC", "-", "o")),
        ),
        strict=True,
    )
}


def draw_measures(arranged: Arranged) -> Iterator[Picture]:
    """Every figure of measures that the tables have numbers for."""
    measures = _reference(arranged.tables.measures)
    clustering = measures[measures["measure"] == "clustering"]

    def rows(cases: Sequence[Case], *conditions: str, last: bool = False) -> Rows:
        return shown.rows(arranged, "measures", cases, "shift = reference", *conditions, last=last)

    for case in arranged.cases if len(arranged.information) else []:
        if len(here := case.of(clustering)):
            numbers = [
                rows([case], "measure = clustering"),
                shown.rows(arranged, "information", [case], "quantity = I_X_T", "shift = reference"),
                Rows("history.csv"),
            ]
            said = shown.measured(here, SHOWN)
            yield Picture(f"clustering_{case.slug}", clustering_by_epoch(arranged, case, here), said, numbers)
    for case in arranged.cases:
        if len(here := case.of(clustering)):
            numbers = [rows([case], "quantity = cosines_within or cosines_between")]
            yield Picture(f"cosines_{case.slug}", cosines(case, here), shown.mean_cosines(here), numbers)
    widths = measures[measures["quantity"].isin(WIDTHS)]
    for sheet in arranged.sheets if len(widths) and len(arranged.information) else []:
        numbers = [rows(sheet.cases, f"quantity = {' or '.join(WIDTHS)}", last=True)]
        said = shown.widths(sheet.cases, arranged.final(widths))
        yield Picture(f"bin_widths{sheet.slug}", bin_widths(arranged, sheet, widths), said, numbers)
    found = claims(arranged)
    for case in arranged.cases if (measures["measure"] == "claims").any() else []:
        if len(here := case.of(found)):
            numbers = [rows([case], "measure = claims or binning")]
            said = shown.furthest_claim(arranged, case, here)
            yield Picture(f"claims_{case.slug}", claims_by_epoch(arranged, case, here), said, numbers)


def clustering_by_epoch(arranged: Arranged, case: Case, measured: pd.DataFrame) -> Figure:
    """On one time axis, a column per layer: I(X;T_l) and H(bins of S_l), distances, clusters, and the loss."""
    layers = _deepest(measured)
    figure, panels = style.sheet(
        4, len(layers), 1.5, (0.2, 0.15), top=0.85, sharex=True, sharey="row", height_ratios=[1.5, 1.2, 1, 0.8]
    )
    information = _reference(case.of(arranged.information))
    history = case.of(arranged.tables.history)
    history = history[history["epoch"] >= measured["epoch"].min()]
    epochs = np.sort(measured["epoch"].unique())
    entropy = arranged.reference_of(case)["entropy"]
    for column, layer in enumerate(layers):
        nats, distance, clusters, loss = panels[:, column]
        here, ink = measured[measured["layer"] == layer], style.colour(layer)
        _bracket(nats, information[information["layer"] == layer], ink)
        _line(nats, here, "H_bins", color=INK, ls=DASHED, marker=".")
        nats.axhline(entropy, color=INK, lw=0.9, ls=DOTTED)
        nats.set(title=f"layer {layer}", ylim=(0, 1.06 * entropy))
        _line(distance, here, "distance_within_beta", color=WITHIN, marker=".")
        _line(distance, here, "distance_between_beta", color=BETWEEN, marker=".")
        distance.axhline(JOINED, color=INK, lw=0.9, ls=DOTTED)
        _line(clusters, here, "clusters", color=INK, marker=".")
        _line(clusters, here, "clusters_of_bins", color=INK, ls=DASHED, marker=".")
        for part, ls in (("train", "-"), ("test", DASHED)):
            loss.plot(history.groupby("epoch")[f"{part}_loss"].mean(), color=FAINT, lw=1.4, ls=ls)
        loss.set_xlabel("epoch")
    for axes in panels[1:3, 0]:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    panels[3, 0].set_ylim(bottom=0)
    width = panels[0, 0].get_position().width * style.PAGE
    style.epoch_axis(panels[3, 0], epochs, max(0.07, 0.35 / width))
    for axes, label in zip(panels[:, 0], ("nats", "distance / β", "clusters", "loss, nats"), strict=True):
        axes.set_ylabel(label)
    handles = [
        Line2D([], [], color=FAINT, lw=1.8, marker="o", ms=4, label="I(X; T), bracket"),
        Line2D([], [], color=INK, lw=1.4, ls=DASHED, marker=".", label=f"bins of {PUBLISHED} β: H, exp H"),
        Line2D([], [], color=WITHIN, lw=1.4, marker=".", label="within a class"),
        Line2D([], [], color=BETWEEN, lw=1.4, marker=".", label="between classes"),
        Line2D([], [], color=INK, lw=1.4, marker=".", label=f"clusters joined at {JOINED} β"),
        Line2D([], [], color=FAINT, lw=1.4, label="loss, train"),
        Line2D([], [], color=FAINT, lw=1.4, ls=DASHED, label="test"),
        Line2D([], [], color=INK, lw=0.9, ls=DOTTED, label=f"H(X), {JOINED} β"),
    ]
    style.legend(figure, handles, case.label)
    return figure


def cosines(case: Case, measured: pd.DataFrame) -> Figure:
    """Histograms of the cosines of pairs within a class and of two, a column per layer, at the first and last epoch."""
    layers = _deepest(measured)
    epochs = list(dict.fromkeys((int(measured["epoch"].min()), int(measured["epoch"].max()))))
    figure, panels = style.sheet(len(epochs), len(layers), 1.5, (0.2, 0.2), top=0.64, sharex=True, sharey=True)
    for row, epoch in enumerate(epochs):
        for column, layer in enumerate(layers):
            axes = panels[row, column]
            here = measured[(measured["layer"] == layer) & (measured["epoch"] == epoch)]
            for quantity, ink in (("cosines_within", WITHIN), ("cosines_between", BETWEEN)):
                shares = here[here["quantity"] == quantity].groupby("at")["value"].mean()
                if len(shares):
                    half = (shares.index[1] - shares.index[0]) / 2
                    axes.stairs(100 * shares, [*(shares.index - half), shares.index[-1] + half], color=ink, lw=1.4)
                    axes.stairs(100 * shares, [*(shares.index - half), shares.index[-1] + half], color=ink, fill=True,
                                alpha=0.15)  # fmt: skip
            axes.set(xlim=(-1, 1), xticks=(-0.5, 0, 0.5))
            if row == 0:
                axes.set_title(f"layer {layer}")
            if row == len(epochs) - 1:
                axes.set_xlabel("cosine")
        panels[row, 0].set_ylabel(f"epoch {epoch}\npairs, %")
    panels[0, 0].set_ylim(bottom=0)
    handles = [Line2D([], [], color=ink, lw=2, label=label)
               for ink, label in ((WITHIN, "pairs within a class"), (BETWEEN, "pairs of two classes"))]  # fmt: skip
    style.legend(figure, handles, case.label)
    return figure


def bin_widths(arranged: Arranged, sheet: Sheet, curves: pd.DataFrame) -> Figure:
    """Entropy of the binned twin against the width of the bins, and I(X;T_l) of the noisy layer at the right."""
    figure, panels = style.sheet(1, len(sheet.cases), 3.2, (0.2, 0), top=0.64 + style.LINE, sharey=True)
    curves = arranged.final(curves)
    information = _reference(arranged.final(arranged.information))
    levels = arranged.final(arranged.tables.layers).set_index(["network", "beta", "seed", "layer"])["noise"]
    for axes, case in zip(panels[0], sheet.cases, strict=True):
        here = case.of(curves).join(levels.rename("noise"), on=["network", "beta", "seed", "layer"])
        relative = here["quantity"] == "H_bins_by_width_beta"
        here = here.assign(width=here["at"] * here["noise"].where(relative, 1.0))
        entropy = arranged.reference_of(case)["entropy"]
        axes.axhline(entropy, color=INK, lw=0.9, ls=DOTTED)
        axes.set(title=case.label, xlabel="width of the bins", xscale="log", ylim=(0, 1.06 * entropy))
        if here.empty:
            continue
        first, edge, layers = here["width"].min(), float(here["width"].max()), here["layer"].unique()
        step = (edge / first) ** 0.04  # between the bars
        axes.set_xlim(first / step, edge * step ** (len(layers) + 2))
        decades = 10.0 ** np.arange(math.ceil(math.log10(first) - 1e-9), math.floor(math.log10(edge)) + 1)
        axes.set_xticks(decades)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        for k, (layer, line) in enumerate(here.groupby("layer")):
            ink = style.colour(layer)
            mean = line.groupby("width")["value"].mean()
            axes.plot(mean, color=ink, marker=style.marker(layer), ms=4, lw=1.6)
            bars = case.of(information)
            bars = bars[bars["layer"] == layer]
            x = edge * step ** (k + 1.5)
            axes.vlines(np.full(len(bars), x), bars["lower"], bars["upper"], color=ink, lw=5, alpha=0.6)
            axes.plot(x, bars["middle"].mean(), color=ink, marker=style.marker(layer), ms=5)
        axes.axvspan(edge * step**0.75, edge * step ** (len(layers) + 2), color=SHADE, lw=0, zorder=0)
        published = {PUBLISHED * noise for noise in here["noise"]}
        if len(published) == 1 and max(published) <= edge:
            axes.axvline(*published, color=INK, lw=0.9, ls=DASHED)
    panels[0, 0].set_ylabel("nats")
    handles = [
        *style.layer_handles([int(layer) for layer in np.sort(curves["layer"].unique())]),
        Patch(color=KEY_SHADE, label="at the right: bracket of I(X; T)"),
        Line2D([], [], color=INK, lw=0.9, ls=DASHED, label=f"{PUBLISHED} β"),
        Line2D([], [], color=INK, lw=0.9, ls=DOTTED, label="H(X)"),
    ]
    style.legend(figure, handles)
    return figure


def claims_by_epoch(arranged: Arranged, case: Case, found: pd.DataFrame) -> Figure:
    """The bracket of I(X;T_l) as a band and what other estimators would have claimed as lines, a column per layer."""
    layers = _deepest(found)
    figure, panels = style.sheet(1, len(layers), 2.8, (0.2, 0), top=0.64 + style.LINE, sharex=True, sharey=True)
    information, entropy = _reference(case.of(arranged.information)), arranged.reference_of(case)["entropy"]
    for axes, layer in zip(panels[0], layers, strict=True):
        _bracket(axes, information[information["layer"] == layer], style.colour(layer))
        for label, line in found[found["layer"] == layer].groupby("claim"):
            axes.plot(line.groupby("epoch")["value"].mean(), **CLAIM_LOOKS[str(label)])
        axes.axhline(entropy, color=INK, lw=0.9, ls=DOTTED)
        axes.set(title=f"layer {layer}", xlabel="epoch")
    width = panels[0, 0].get_position().width * style.PAGE
    style.epoch_axis(panels[0, 0], np.sort(found["epoch"].unique()), max(0.07, 0.35 / width))
    panels[0, 0].set(ylabel="nats", ylim=(min(0.0, float(found["value"].min())), None))
    drawn = [label for label in CLAIMS.values() if (found["claim"] == label).any()]
    handles = [
        Line2D([], [], color=FAINT, lw=1.8, marker="o", ms=4, label="I(X; T), bracket"),
        *(Line2D([], [], label=label, **CLAIM_LOOKS[label]) for label in drawn),
        Line2D([], [], color=INK, lw=0.9, ls=DOTTED, label="H(X)"),
    ]
    style.legend(figure, handles, case.label)
    return figure


def _reference(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["shift"] == "reference"]


def _deepest(frame: pd.DataFrame) -> list[int]:
    return [int(layer) for layer in np.sort(frame["layer"].unique())][-MOST_LAYERS:]


def _bracket(axes: Axes, rows: pd.DataFrame, ink: str) -> None:
    """The bracket by epoch, its ends and its middle in the mean over seeds."""
    line = rows.groupby("epoch", as_index=False)[["lower", "upper", "middle"]].mean()
    axes.fill_between(line["epoch"], line["lower"], line["upper"], color=ink, alpha=0.3, lw=0, zorder=1.5)
    axes.plot(line["epoch"], line["middle"], color=ink, marker="o", ms=3, lw=1.8, zorder=3)


def _line(axes: Axes, rows: pd.DataFrame, quantity: str, **look: Any) -> None:
    """A number by epoch: thin for each seed, where there are several, thick for their mean."""
    rows = rows[rows["quantity"] == quantity]
    for _, seed in rows.groupby("seed") if rows["seed"].nunique() > 1 else ():
        axes.plot(seed["epoch"], seed["value"], color=look["color"], lw=0.5, alpha=0.6)
    axes.plot(rows.groupby("epoch")["value"].mean(), **{"lw": 1.4, "ms": 4, **look})
