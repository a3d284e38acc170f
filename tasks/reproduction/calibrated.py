"""Laws whose information is known: what the plug-in of n samples says of them."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from ib_core.calibration.known_laws import KNOWN_LAWS
from ib_core.channels.closed_forms import noise_entropy
from ib_core.estimate import WIDTH
from tasks.calibration.tables import CalibrationTables
from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, INK
from tasks.reproduction.reading import Span

PANEL = 3.2  # inches


def truth(law: str, d: int, beta: float) -> float:
    """I(S; S + Z) in nats."""
    return KNOWN_LAWS[law](d, beta).information(beta)


def plug_ins(tables: CalibrationTables, law: str, d: int, beta: float) -> pd.DataFrame:
    """Over n: the mean `value` of I_SP = h(S_hat + Z) - h(Z) over replications, `stderr`, and the ends `lower`,
    `upper` of `WIDTH` standard errors; nats."""
    table = tables.calibration
    here = (table["law"] == law) & (table["d"] == d) & (table["beta"] == beta) & (table["status"] == "ok")
    rows = table[here & (table["quantity"] == "bias")].sort_values("n")
    value = rows["truth"] - rows["value"] - noise_entropy(d, beta)
    reach = WIDTH * rows["stderr"]
    return rows[["n", "stderr"]].assign(value=value, lower=value - reach, upper=value + reach)


def at_most(tables: CalibrationTables, law: str, d: int, beta: float) -> Span:
    """The mean plug-in at the largest n."""
    rows = plug_ins(tables, law, d, beta)
    return (
        Span(float(rows["lower"].iloc[-1]), float(rows["upper"].iloc[-1])) if len(rows) else Span(-math.inf, math.inf)
    )


def over_samples(tables: CalibrationTables, law: str, widths: Sequence[int], betas: Sequence[float]) -> Figure:
    """I_SP over n beside the truth: a panel for each d, a colour for each beta."""
    figure, panels = style.sheet(1, len(widths), PANEL, (0.45, 0))
    for axes, d in zip(panels[0], widths, strict=True):
        most = 1.0
        for k, beta in enumerate(betas, start=1):
            rows, known = plug_ins(tables, law, d, beta), truth(law, d, beta)
            ink = style.colour(k)
            n = rows["n"].astype(float)
            axes.fill_between(n, rows["lower"], rows["upper"], color=ink, alpha=0.2, lw=0)
            axes.plot(n, rows["value"], color=ink, marker=style.marker(k), ms=4, lw=1.6)
            axes.axhline(known, color=ink, lw=1.0, ls=DASHED)
            most = max(most, min(known, 1.3 * math.log(float(n.max()))) if len(n) else known)
        grid = np.array(sorted(tables.config["entropy"]["samples"]), dtype=float)
        axes.plot(grid, np.log(grid), color=INK, lw=0.9, ls=(0, (1, 2)))
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(grid[style.apart(np.log(grid))])
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(0, 1.06 * most)
        axes.set_title(f"d = {d}")
        axes.set_xlabel("samples n")
    panels[0, 0].set_ylabel("information in nats")
    keys = [
        Line2D([], [], color=style.colour(k), marker=style.marker(k), ms=4, label=f"β = {beta:g}")
        for k, beta in enumerate(betas, start=1)
    ]
    keys += [
        Line2D([], [], color=INK, lw=1, ls=DASHED, label="truth"),
        Line2D([], [], color=INK, ls=(0, (1, 2)), label="ln n"),
    ]
    style.legend(figure, keys)
    return figure
