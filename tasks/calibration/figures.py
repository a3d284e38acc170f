"""The figures of a calibration, drawn from its tables: each function returns one matplotlib figure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from ib_core.bounds.theorems import BIAS_LOWER_BOUND, ESTIMATION_RISK, among, named
from ib_core.estimate import WIDTH
from tasks.calibration.tables import MC_SHARE, CalibrationTables
from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, DOTTED, FAINT, INK, VACUOUS, WHITE
from tasks.page.page import Picture, Rows
from tasks.page.tables import number, span

QUANTITIES = {"risk": (INK, "o"), "bias": (style.LAYER_COLOURS[0], "v"), "sd": (style.LAYER_COLOURS[4], "^")}
# Lines of the brackets' figure: colour, mark and name.
ENDS = {
    "upper": (style.LAYER_COLOURS[0], "o", "upper end"),
    "lower": (style.LAYER_COLOURS[2], "v", "lower end"),
    "held_out": (style.LAYER_COLOURS[3], "s", "plain held-out end"),
}
GAPS = {
    "held_out_gap": (style.LAYER_COLOURS[3], "s", "plug-in − held-out end"),
    "gap": (style.LAYER_COLOURS[4], "D", "upper − lower end"),
    "risk": (INK, "o", "E|plug-in − truth|"),
}
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
FLOOR = 1e-4  # nats: what lies lower stands at the lower edge


def law_name(law: str, beta: float) -> str:
    return f"{law.replace('_', ' ')}, β = {beta:g}"


def _looks(bounds: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """How the lines of these bounds are drawn, by theorem in the order of the table of theorems."""
    return style.theorem_looks(among(bounds["theorem"]))


def _keys(looks: dict[str, dict[str, Any]]) -> list[Line2D]:
    return [Line2D([], [], label=named(name).label, **look) for name, look in looks.items()]


def _logarithmic(axes: Axes, ticks: Any, label: str, low: float, high: float) -> None:
    """Both axes logarithmic, every second x tick named, heights from `low` to `high`."""
    axes.set(xscale="log", yscale="log", ylim=(low, high))
    axes.set_xlabel(label)
    step = 1 + (len(ticks) - 1) // 5
    axes.set_xticks(ticks[::step], [f"{tick:g}" for tick in ticks[::step]])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _measured(axes: Axes, curve: pd.DataFrame, axis: str, ink: str, mark: str, **look: Any) -> None:
    """A measured curve with bars of `WIDTH` standard errors; hollow where Monte Carlo makes much of it."""
    x, y = curve[axis].to_numpy(dtype=np.float64), np.maximum(curve["value"].to_numpy(), FLOOR)
    axes.errorbar(x, y, WIDTH * curve["stderr"].to_numpy(), color=ink, lw=1.5, elinewidth=0.7, **look)
    hollow = (curve["mc_stderr"] > MC_SHARE * curve["value"].abs()).to_numpy()
    for chosen, fill in ((~hollow, ink), (hollow, WHITE)):
        axes.plot(x[chosen], y[chosen], ls="", marker=mark, ms=4.2, mfc=fill, mec=ink, mew=0.9, zorder=3)


def _guide(axes: Axes, x: np.ndarray, y: float, slope: float, text: str) -> None:
    """A grey line of known slope that starts at (x_0, y)."""
    line = y * (x / x[0]) ** slope
    axes.plot(x, line, color=FAINT, lw=1.0, ls=DOTTED, zorder=1)
    axes.annotate(
        text, (x[-1], line[-1]), (0, -4), textcoords="offset points", ha="right", va="top", color=FAINT, fontsize=8
    )


def curves(table: pd.DataFrame, part: str, quantity: str | None = None) -> pd.DataFrame:
    """The finished rows of one part of the calibration."""
    mine = table[(table["part"] == part) & (table["status"] == "ok")]
    return mine if quantity is None else mine[mine["quantity"] == quantity]


def risk_against_n(tables: CalibrationTables) -> Figure:
    """E|h(S_hat + Z) - h(S + Z)| over n: a panel for each law and noise, a line for each d."""
    risks = curves(tables.calibration, "entropy", "risk")
    laws = list(risks.groupby(["law", "beta"], sort=False))
    columns = min(3, len(laws))
    rows = -(-len(laws) // columns)
    figure, panels = style.sheet(rows, columns, 2.5, (0.35, 0.75), sharey=True)
    widths = sorted(risks["d"].unique())
    ticks = np.sort(risks["n"].unique()).astype(float)
    for axes, ((law, beta), mine) in zip(panels.flat, laws, strict=False):
        axes.set_title(law_name(law, beta))
        _logarithmic(axes, ticks, "samples n", FLOOR, 20)
        for k, d in enumerate(widths):
            _measured(axes, mine[mine["d"] == d], "n", style.colour(k + 1), style.marker(k + 1))
        _guide(axes, ticks, 0.03, -0.5, "∝ 1/√n")
    for axes in panels.flat[len(laws) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("risk in nats")
    handles = [
        Line2D([], [], color=style.colour(k + 1), marker=style.marker(k + 1), ms=5, lw=1.8, label=f"d = {d}")
        for k, d in enumerate(widths)
    ]
    style.legend(figure, handles)
    return figure


def risk_against_bounds(tables: CalibrationTables) -> Figure:
    """Risk, bias and spread over n with every bound: a row for each law and noise, a column for some d."""
    measured, bounds = curves(tables.calibration, "entropy"), tables.bounds[tables.bounds["part"] == "entropy"]
    laws = list(measured.groupby(["law", "beta"], sort=False))
    widths = sorted(measured["d"].unique())
    shown = [widths[k] for k in sorted({0, len(widths) // 3, 2 * len(widths) // 3, len(widths) - 1})]
    figure, panels = style.sheet(len(laws), len(shown), 1.6, (0.2, 0.36), sharex=True, sharey=True, top=1.15)
    ticks = np.sort(measured["n"].unique()).astype(float)
    drawn = bounds[(bounds["quantity"] == "risk") | (bounds["theorem"] == BIAS_LOWER_BOUND.name)]
    looks = _looks(drawn)
    for row, ((law, beta), mine) in enumerate(laws):
        for column, d in enumerate(shown):
            axes = panels[row, column]
            _logarithmic(axes, ticks, "samples n" if row == len(laws) - 1 else "", FLOOR, 200)
            here = drawn[(drawn["law"] == law) & (drawn["beta"] == beta) & (drawn["d"] == d)]
            if len(here):
                style.shade_vacuous(axes, y0=float(here["cap"].iloc[0]))
            for theorem, curve in here.groupby("theorem", sort=False):
                axes.plot(curve["n"].astype(float), curve["bound"].where(curve["bound"] > FLOOR), **looks[str(theorem)])
            for quantity, (ink, mark) in QUANTITIES.items():
                _measured(axes, mine[(mine["d"] == d) & (mine["quantity"] == quantity)], "n", ink, mark)
            axes.set_title(f"d = {d}", loc="right", fontsize=9)
        panels[row, 0].set_title(law_name(law, beta), loc="left", fontsize=9, fontweight="bold")
        panels[row, 0].set_ylabel("nats")
    names = {"risk": "risk E|error|", "bias": "bias", "sd": "standard deviation"}
    lines = [Line2D([], [], color=ink, marker=mark, ms=5, label=names[q]) for q, (ink, mark) in QUANTITIES.items()]
    style.legend(figure, [*lines, Patch(**VACUOUS, label="vacuous: above the capacity")])
    _second_legend(figure, _keys(looks))
    return figure


def _second_legend(figure: Figure, handles: list[Line2D]) -> None:
    """The line of keys below the first one."""
    figure.legend(
        handles=handles, ncols=min(len(handles), 3), loc="center", columnspacing=1.4, handlelength=2.6,
        bbox_to_anchor=(0.5, 1 - 0.58 / figure.get_figheight()),
    )  # fmt: skip


def samples_needed(tables: CalibrationTables) -> Figure:
    """The least n of a given risk over d: a panel for each risk, a line for each law and noise."""
    table = tables.complexity
    levels = sorted(table["level"].unique(), reverse=True)
    figure, panels = style.sheet(1, len(levels), 3.4, (0.3, 0.5), sharey=True, top=1.0)
    laws = list(table.groupby(["law", "beta"], sort=False))
    samples = tables.calibration.loc[tables.calibration["part"] == "entropy", "n"]
    smallest, largest = float(samples.min()), float(samples.max())
    for axes, level in zip(panels.flat, levels, strict=True):
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set(title=f"risk {level:g} nats", xlabel="dimension d", ylim=(smallest / 2, 4 * largest))
        axes.axhline(largest, color=FAINT, lw=0.8, ls=DOTTED)
        for k, ((_, beta), curve) in enumerate(laws):
            curve = curve[curve["level"] == level]
            known = curve[np.isfinite(curve["n"]) & (curve["n"] > 0)]
            ink, mark = style.colour(k + 1), style.marker(k + 1)
            bars = WIDTH * known["relative_stderr"].fillna(0) * known["n"]
            axes.errorbar(known["d"], known["n"], bars, color=ink, marker=mark, ms=4.5, lw=1.6, elinewidth=0.7)
            beyond = curve[np.isinf(curve["n"])]
            axes.plot(beyond["d"], np.full(len(beyond), 1.3 * largest), ls="", marker=6, ms=6, color=ink, alpha=0.8)
            if len(known) and curve["lower"].notna().any():
                gamma = _gamma(tables, beta)
                first = known.iloc[-1]
                axes.plot(
                    curve["d"], first["n"] * 2 ** (gamma * (curve["d"] - first["d"]).astype(float)), color=ink, lw=0.8,
                    ls=DASHED, alpha=0.7,
                )  # fmt: skip
        axes.set_xticks(sorted(table["d"].unique()))
    panels[0, 0].set_ylabel("least number of samples n")
    handles = [
        Line2D([], [], color=style.colour(k + 1), marker=style.marker(k + 1), ms=5, lw=1.6, label=law_name(*law))
        for k, (law, _) in enumerate(laws)
    ]
    style.legend(figure, handles[: len(handles) // 2 + 1])
    rest = [
        *handles[len(handles) // 2 + 1 :],
        Line2D([], [], color=FAINT, lw=0.9, ls=DASHED, label="∝ 2^(γ(β) d), the exponent of Thm 1"),
        Line2D([], [], color=FAINT, lw=0, marker=6, ms=6, label="more than were drawn"),
    ]
    figure.legend(
        handles=rest, ncols=len(rest), loc="center", bbox_to_anchor=(0.5, 1 - 0.5 / figure.get_figheight()),
        columnspacing=1.4, handlelength=2.2,
    )  # fmt: skip
    return figure


def _gamma(tables: CalibrationTables, beta: float) -> float:
    rows = tables.slopes[(tables.slopes["part"] == "complexity") & (tables.slopes["beta"] == beta)]
    return float(rows["gamma"].dropna().iloc[0])


def _last_layer(tables: CalibrationTables) -> str:
    """I(X; T_L) with the number of the chain's last layer."""
    return f"I(X; T{str(len(tables.config['chain']['slopes'])).translate(SUBSCRIPTS)})"


def bracket_against_passes(tables: CalibrationTables) -> Figure:
    """Above: the ends over n_x around the truth; below: their gaps and the error of the plug-in."""
    table = curves(tables.calibration, "bracket")
    cases = list(table.groupby(["beta", "d"], sort=False))
    figure, panels = style.sheet(2, len(cases), 2.3, (0.5, 0.25), sharex=True, top=0.95)
    ticks = np.sort(table["n_passes"].unique()).astype(float)
    bounds = tables.bounds[(tables.bounds["part"] == "bracket") & (tables.bounds["theorem"] == ESTIMATION_RISK.name)]
    looks = _looks(bounds)
    for column, ((beta, d), mine) in enumerate(cases):
        above, below = panels[:, column]
        truth = float(mine["truth"].iloc[0])
        above.set_title(f"β = {beta:g}, d = {d}")
        above.axhline(truth, color=INK, lw=0.9, ls=DOTTED)
        ends = {name: mine[mine["quantity"] == name] for name in ENDS}
        x = ends["upper"]["n_passes"].astype(float)
        above.fill_between(
            x, ends["lower"]["value"], ends["upper"]["value"], color=style.LAYER_COLOURS[1], alpha=0.2, lw=0
        )
        for name, (ink, mark, _) in ENDS.items():
            curve = ends[name]
            above.errorbar(
                x, curve["value"], WIDTH * curve["stderr"], color=ink, marker=mark, ms=4, lw=1.5, elinewidth=0.7
            )
        span = float(ends["upper"]["value"].max())
        above.set(xscale="log", ylim=(min(0.0, truth - span), 1.05 * span))
        _logarithmic(below, ticks, "stored passes n_x of each input", 1e-3, 30)
        for name, (ink, mark, _) in GAPS.items():
            _measured(below, mine[mine["quantity"] == name], "n_passes", ink, mark)
        expected = mine[mine["quantity"] == "expected_gap"]
        below.plot(x, expected["value"], color=FAINT, lw=1.0, ls=DOTTED, zorder=1)
        here = bounds[(bounds["beta"] == beta) & (bounds["d"] == d)]
        style.shade_vacuous(below, y0=float(here["cap"].iloc[0]))
        below.plot(here["n_passes"].astype(float), here["bound"], **looks[ESTIMATION_RISK.name])
    panels[0, 0].set_ylabel(f"{_last_layer(tables)} in nats")
    panels[1, 0].set_ylabel("nats")
    lines = [*ENDS.values(), *GAPS.values()]
    handles = [Line2D([], [], color=ink, marker=mark, ms=5, label=label) for ink, mark, label in lines]
    style.legend(figure, [*handles[: len(ENDS)], Line2D([], [], color=INK, lw=0.9, ls=DOTTED, label="truth")])
    theory = Line2D([], [], color=FAINT, lw=1.0, ls=DOTTED, label="c / n_x, the first term in theory")
    _second_legend(figure, [*handles[len(ENDS) :], theory, *_keys(looks)])
    return figure


def sampled_information(tables: CalibrationTables) -> Figure:
    """E|I_SP - I| for n sampled inputs with n passes each, against the bounds on it and the slides' misprint."""
    table = curves(tables.calibration, "sampled", "risk")
    cases = list(table.groupby(["beta", "d"], sort=False))
    figure, panels = style.sheet(1, len(cases), 2.6, (0.35, 0.4), sharey=True, top=1.0)
    ticks = np.sort(table["n"].unique()).astype(float)
    bounds = tables.bounds[(tables.bounds["part"] == "sampled") & (tables.bounds["quantity"] == "risk")]
    looks = _looks(bounds)
    for axes, ((beta, d), mine) in zip(panels.flat, cases, strict=True):
        axes.set_title(f"β = {beta:g}, d = {d}")
        _logarithmic(axes, ticks, "inputs n, n passes each", 1e-2, 1e4)
        here = bounds[(bounds["beta"] == beta) & (bounds["d"] == d)]
        style.shade_vacuous(axes, y0=float(here["cap"].iloc[0]))
        for theorem, curve in here.groupby("theorem", sort=False):
            axes.plot(curve["n"].astype(float), curve["bound"], **looks[str(theorem)])
        _measured(axes, mine, "n", INK, "o")
    panels[0, 0].set_ylabel("nats")
    style.legend(
        figure,
        [
            Line2D([], [], color=INK, marker="o", ms=5, label=f"E|I_SP − {_last_layer(tables)}|"),
            Patch(**VACUOUS, label="vacuous"),
        ],
    )
    _second_legend(figure, _keys(looks))
    return figure


def draw(tables: CalibrationTables) -> Iterator[Picture]:
    """Every figure that the tables have numbers for, with what it shows and where its numbers stand."""
    table = tables.calibration
    risks = curves(table, "entropy", "risk")
    if len(curves(table, "entropy")):
        rows = Rows("calibration.csv", "part = entropy, quantity = risk")
        yield Picture("risk_against_n", risk_against_n(tables), _falls(risks, "n", "the risk"), (rows,))
        numbers = (Rows("complexity.csv"), Rows("slopes.csv", "part = complexity"))
        yield Picture("samples_needed", samples_needed(tables), _growth(tables), numbers)
        numbers = (
            Rows("calibration.csv", "part = entropy, quantity = risk or bias or sd"),
            Rows("bounds.csv", "part = entropy"),
        )
        yield Picture("risk_against_bounds", risk_against_bounds(tables), _distance(tables, "entropy"), numbers)
    if len(found := curves(table, "bracket", "gap")):
        numbers = (Rows("calibration.csv", "part = bracket"), Rows("bounds.csv", "part = bracket"))
        said = _falls(found, "n_passes", "the gap between the published ends")
        yield Picture("bracket_against_passes", bracket_against_passes(tables), said, numbers)
    if len(found := curves(table, "sampled")):
        numbers = (Rows("calibration.csv", "part = sampled"), Rows("bounds.csv", "part = sampled"))
        said = _falls(found[found["quantity"] == found["quantity"].iloc[0]], "n", "the error of the plug-in")
        yield Picture("sampled_information", sampled_information(tables), said, numbers)


def _falls(rows: pd.DataFrame, axis: str, what: str) -> str:
    """What becomes of a number from the first to the last n, in the median over the curves."""
    ends = [rows[rows[axis] == n]["value"].median() for n in (rows[axis].min(), rows[axis].max())]
    name = {"n": "n", "n_passes": "n_x"}[axis]
    return (
        f"Between {name} = {rows[axis].min()} and {rows[axis].max()} {what} goes from {number(ends[0])} to "
        f"{number(ends[1])} nats, in the median over the cases."
    )


def _growth(tables: CalibrationTables) -> str:
    fits = tables.slopes[(tables.slopes["part"] == "complexity") & tables.slopes["value"].notna()]
    if fits.empty:
        return ""
    return f"The samples needed grow by {span(fits['value'], 2)} bits for each further dimension."


def _distance(tables: CalibrationTables, part: str) -> str:
    rows = tables.bounds[(tables.bounds["part"] == part) & tables.bounds["proven"]]
    useful = rows[~rows["vacuous"] & (rows["measured"] > 0) & (rows["quantity"] == "risk")]
    ratio = (useful["bound"] / useful["measured"]).replace(np.inf, np.nan).median()
    return (
        f"Of {len(rows)} proven bounds {int(rows['vacuous'].sum())} are vacuous; of the others one on the risk is "
        f"{number(ratio, 1)} times the risk in the median."
    )
