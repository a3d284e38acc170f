"""The figure of the verdict: what each layer holds, how it reacts to each family, and how near its bounds that is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tasks.page.figure_style import DOTTED, FAINT, INK, VACUOUS, WHITE
from tasks.page.page import Picture, Rows
from tasks.page.page import figure_style as style
from tasks.sweep.report.arranged import Case, Sheet
from tasks.sweep.report.verdict import SATURATED, Verdict
from tasks.sweep.sizes import size_text, title

PITCH, ROOM = 0.085, 0.14  # inches, between the layers of a family, and between families
LAYER = 0.2  # inches, between layers
NAMES = 1.7  # inches, for the names of families
EPOCHS = (
    Line2D([], [], color=FAINT, marker="o", mfc=WHITE, ls="", ms=5, label="first epoch"),
    Line2D([], [], color=FAINT, marker="|", ls="", ms=8, label="highest epoch"),
)
LINE = "#e9e9e9"  # between families
FAR = 1e6  # percent, in place of an end that is not known
MOST = 1.5  # times the largest middle: from there on brackets are cut


def draw_verdict(verdict: Verdict) -> Iterator[Picture]:
    """A figure for each sheet of cases, where anything was measured under the reference law."""
    numbers = (Rows("information.csv"), Rows("bounds.csv"))
    for sheet in verdict.arranged.sheets if len(verdict.clean) else []:
        yield Picture(f"verdict{sheet.slug}", verdict_figure(verdict, sheet), verdict.headline, numbers)


def verdict_figure(verdict: Verdict, sheet: Sheet) -> Figure:
    """A row per case: information by layer, and beside it, where there are shifts, change and share of the bound."""
    arranged = verdict.arranged
    shifted = any(verdict.reactions[case.slug] for case in sheet.cases)
    heights = [_height(verdict, case) for case in sheet.cases]
    options: dict[str, Any] = {"height_ratios": heights}
    if shifted:
        options["width_ratios"] = [1, 1.5, 1]
    panel = float(np.mean(heights))
    figure, panels = style.sheet(
        len(sheet.cases), 3 if shifted else 1, panel, (0.3, 0.35), top=0.5, bottom=0.55, gridspec=options
    )
    for row, case in enumerate(sheet.cases):
        _held_panel(panels[row, 0], verdict, case, last=row == len(sheet.cases) - 1)
        if shifted:
            _change_panel(panels[row, 1], verdict, case)
            _bound_panel(panels[row, 2], verdict, case)
    if shifted:
        for axes, label in zip(panels[-1, 1:], ("change of I(X; T), %", "of the smallest bound, %"), strict=True):
            axes.set_xlabel(label)
        _make_room(figure, panels)
    handles = [
        *style.layer_handles(arranged.layers),
        *(EPOCHS if verdict.followed else ()),
        Patch(**VACUOUS, label=f"saturated: above {100 * SATURATED:g} % of H(X)"),
    ]
    style.legend(figure, handles)
    return figure


def _height(verdict: Verdict, case: Case) -> float:
    """Inches of a row: room for its layers, and for those that are judged under each family."""
    families = len(verdict.reactions[case.slug])
    judged = len(verdict.judged(case))
    return max(0.65, LAYER * len(verdict.arranged.layers_of(case)), families * (judged * PITCH + ROOM) * bool(judged))


def _make_room(figure: Figure, panels: np.ndarray) -> None:
    """Move the two right columns so that the names of families stand before them."""
    for row in panels:
        _, second, third = (axes.get_position() for axes in row)
        right, shift = third.x1, NAMES / style.PAGE
        start = second.x0 + shift - 0.3 / style.PAGE
        gap = 0.3 / style.PAGE
        width = (right - start - gap) / 2.4
        row[1].set_position((start, second.y0, 1.4 * width, second.height))
        row[2].set_position((start + 1.4 * width + gap, third.y0, width, third.height))


def _held_panel(axes: Axes, verdict: Verdict, case: Case, last: bool) -> None:
    """Brackets under the reference law at the end; the first epoch, and the one with the highest information."""
    arranged, layers = verdict.arranged, verdict.arranged.layers_of(case)
    entropy = arranged.reference_of(case)["entropy"]
    axes.axvspan(SATURATED * entropy, entropy, lw=0, zorder=0, **VACUOUS)
    axes.axvline(entropy, color=INK, lw=0.9, ls=DOTTED)
    every = case.of(arranged.information)
    every = every[every["shift"] == "reference"].groupby(["layer", "epoch"])[["lower", "upper", "middle"]].mean()
    for y, layer in enumerate(layers):
        if layer not in every.index.get_level_values("layer"):
            continue
        path, ink = every.loc[layer], style.colour(layer)
        end = path.iloc[-1]
        if len(path) > 1:
            axes.plot([path["middle"].min(), path["middle"].max()], [y, y], color=ink, lw=0.8, alpha=0.6)
            axes.plot(path["middle"].iloc[0], y, color=ink, marker="o", mfc=WHITE, ms=5, zorder=3)
            axes.plot(path["middle"].max(), y, color=ink, marker="|", ms=9, zorder=3)
        axes.plot([end["lower"], end["upper"]], [y, y], color=ink, lw=4, alpha=0.5, solid_capstyle="butt")
        axes.plot(end["middle"], y, color=ink, marker=style.marker(layer), ms=5, zorder=4)
    axes.set(xlim=(0, 1.04 * entropy), ylim=(len(layers) - 0.5, -0.5))
    axes.set_yticks(range(len(layers)), [f"L{layer}" for layer in layers])
    axes.set_ylabel(case.label.replace(", ", ",\n"))
    axes.set_xlabel("I(X; T) in nats, and H(X)" if last else "")


def _rows(verdict: Verdict, case: Case) -> Iterator[tuple[str, int, float]]:
    """Family, layer and height of every line."""
    judged = verdict.judged(case)
    step = 1 / (len(judged) + ROOM / PITCH)
    for k, reaction in enumerate(verdict.reactions[case.slug]):
        for position, layer in enumerate(judged):
            yield reaction.family, layer, k + (position - (len(judged) - 1) / 2) * step


def _family_axis(axes: Axes, labels: list[str]) -> None:
    axes.set_ylim(max(len(labels), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)) if any(labels) else [], labels if any(labels) else [])
    axes.tick_params("y", length=0)
    axes.grid(False, axis="y")
    axes.locator_params("x", nbins=5)
    axes.hlines(
        np.arange(0.5, len(labels) - 1), 0, 1, transform=axes.get_yaxis_transform(), color=LINE, lw=0.7, zorder=0
    )


def _change_panel(axes: Axes, verdict: Verdict, case: Case) -> None:
    """ΔI / I under the largest size of each family: the bracket of the mean over seeds."""
    means = case.of(verdict.shares).groupby(["shift", "layer"])[["fall", "rise"]].mean()
    found = [(100 * means["fall"][name, layer], 100 * means["rise"][name, layer], y, layer)
             for name, layer, y in _rows(verdict, case) if (name, layer) in means.index]  # fmt: skip
    if not found:
        _say(axes, "every layer is saturated" if verdict.all_saturated(case) else "no change can be judged")
        return
    axes.axvline(0, color=FAINT, lw=0.9)
    _intervals(axes, found)
    middles = np.array([(low + high) / 2 for low, high, *_ in found])
    reach = max(1.0, MOST * float(np.abs(middles[np.isfinite(middles)]).max(initial=0.0)))
    axes.set_xlim(-reach, reach)
    _family_axis(axes, [f"{title(each.family)}\n{size_text(*each[:3])}" for each in verdict.reactions[case.slug]])


def _bound_panel(axes: Axes, verdict: Verdict, case: Case) -> None:
    """|ΔI| over its smallest bound under the same laws, where that is not vacuous."""
    sizes = {each.family: each.size for each in verdict.reactions[case.slug]}
    table = case.of(verdict.held)
    table = table[table["size"] == table["shift"].map(sizes)]
    groups = table.groupby(["shift", "layer"])
    ends, vacuous = groups[["low", "high"]].mean(), groups["vacuous"].any()
    rows = list(_rows(verdict, case))
    if not rows:
        _say(axes, "")
        return
    known = [row for row in rows if row[:2] in ends.index]
    _intervals(axes, [(100 * ends["low"][name, layer], 100 * ends["high"][name, layer], y, layer)
                      for name, layer, y in known if not vacuous[name, layer]])  # fmt: skip
    for name, layer, y in known:
        if vacuous[name, layer]:
            axes.text(1, y, "vacuous", color=style.colour(layer), va="center", fontsize=6.5)
    axes.set_xlim(0, 100)
    _family_axis(axes, [""] * len(sizes))


def _intervals(axes: Axes, rows: list[tuple[float, float, float, int]]) -> None:
    """From low to high at the height y, in the look of the layer, with a mark in the middle."""
    for layer in dict.fromkeys(row[3] for row in rows):
        low, high, y = (
            np.array(values) for values in list(zip(*(row for row in rows if row[3] == layer), strict=True))[:3]
        )
        ink = style.colour(layer)
        axes.hlines(y, np.maximum(low, -FAR), np.minimum(high, FAR), color=ink, lw=2.2, alpha=0.55)
        axes.plot((low + high) / 2, y, ls="", color=ink, marker=style.marker(layer), ms=3.5)


def _say(axes: Axes, text: str) -> None:
    """Words in place of a panel."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT, fontsize=8)
