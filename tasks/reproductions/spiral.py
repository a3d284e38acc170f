"""Entropy of a layer against the number of samples: sample propagation beside nearest neighbours and kernels."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ib_core.estimate import WIDTH
from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, INK
from tasks.page.tables import number
from tasks.reproduction.reading import Span, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report.arranged import Arranged

SOURCE = "Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589 (v1)"
LAYER = 3
ESTIMATES = {
    "sample_propagation": "sample propagation",
    "nearest_neighbours": "3 nearest neighbours",
    "kernel": "kernel density",
}


def _measured(found: Arranged) -> pd.DataFrame:
    table = found.tables.measures
    return table[(table["measure"] == "entropy") & (table["layer"] == LAYER) & (table["shift"] == "reference")]


def _curve(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Over n: `value` and `stderr`."""
    both = [rows[rows["quantity"] == each].set_index("at")["value"] for each in (name, f"{name}_stderr")]
    return pd.DataFrame({"value": both[0], "stderr": both[1]}).sort_index()


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["spiral"])
    history = found.tables.history.iloc[-1]
    right = float(history["train_accuracy"])
    yield Claim(
        "The noisy network classifies the spirals.",
        SOURCE,
        "98 %",
        f"{100 * right:.1f} % of the training part, {100 * float(history['test_accuracy']):.1f} % of the test part",
        bool(right >= 0.97),
    )
    rows = _measured(found)
    every = float(rows.loc[rows["quantity"] == "h_all", "value"].iloc[0])
    curves = {name: _curve(rows, name) for name in ESTIMATES}
    last = curves["sample_propagation"].iloc[-1]
    n = int(curves["sample_propagation"].index[-1])
    reach = WIDTH * float(last["stderr"])
    yield Claim(
        "Sample propagation converges: at the largest n it is at the entropy of all passes.",
        SOURCE,
        f"{number(every)} (all passes), within .05",
        f"{Span(last['value'] - reach, last['value'] + reach)} at n = {n}",
        Span(float(last["value"]) - reach, float(last["value"]) + reach).near(every, 0.05),
    )
    errors = {name: (curve["value"] - every).abs() for name, curve in curves.items()}
    for name in ("nearest_neighbours", "kernel"):
        closer = errors["sample_propagation"] < errors[name]
        least = errors["sample_propagation"].iloc[-1], errors[name].iloc[-1]
        yield Claim(
            f"It is closer to it than {ESTIMATES[name]} at every n.",
            SOURCE,
            "closer at every n",
            f"closer at {int(closer.sum())} of {len(closer)} n; at the largest it is off by {number(least[0])}, the "
            f"other by {number(least[1])} nats",
            bool(closer.all()),
        )


def _figure(found: Arranged) -> Figure:
    rows = _measured(found)
    figure, panels = style.sheet(1, 1, 3.4, (0, 0))
    axes = panels[0, 0]
    for k, name in enumerate(ESTIMATES, start=1):
        curve = _curve(rows, name)
        axes.errorbar(curve.index, curve["value"], WIDTH * curve["stderr"], color=style.colour(k),
                      marker=style.marker(k), ms=4, lw=1.5, elinewidth=0.8, label=ESTIMATES[name])  # fmt: skip
    every = float(rows.loc[rows["quantity"] == "h_all", "value"].iloc[0])
    axes.axhline(every, color=INK, lw=1.0, ls=DASHED, label="all passes")
    axes.set_xscale("log")
    counts = np.array(sorted(rows["at"].dropna().unique()))
    axes.set_xticks(counts[style.apart(np.log(counts))])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set(xlabel="samples n", ylabel=f"h(T{LAYER}) in nats")
    style.legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def plates(results: Results) -> Iterable[Plate]:
    yield Plate(
        "entropy",
        "Entropy of the third layer over the number of samples",
        "h(T) of ten noisy tanh units in nats over n samples (logarithmic): means over eight samples with three "
        "standard errors. Dashed: sample propagation from all stored passes of all inputs.",
        _figure(sweep(results["spiral"])),
    )


spiral = Reproduction(
    "how many samples does the entropy of a layer need?",
    f"Three spirals in the plane, layers of 8, 9 and 10 tanh units, noise .2, after {SOURCE}.",
    ("spiral",),
    claims,
    plates,
    differs=("The arms of the spirals are those of teaching material, as the paper does not print its own.",),
    small={
        "spiral": {"data.atoms": 300, "training.epochs": 20, "estimator.max_draws": 2048, "estimator.own_passes": 40}
    },
)
