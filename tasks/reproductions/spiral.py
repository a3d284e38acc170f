"""Entropy of a layer against the number of samples: sample propagation beside nearest neighbours and kernels."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ib_core.estimate import WIDTH, Estimate, interval
from tasks.page import figure_style as style
from tasks.page.figure_style import DASHED, INK
from tasks.page.tables import number
from tasks.reproduction.reading import UNKNOWN, Span, every, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.schema import NETWORK

SOURCE = "Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589 (v1)"
LAYER = 3
ESTIMATES = {
    "sample_propagation": "sample propagation",
    "nearest_neighbours": "3 nearest neighbours",
    "kernel": "kernel density",
}


def _measured(found: Arranged) -> pd.DataFrame:
    """The rows of the measure at the last epoch, of the first network of several."""
    table = found.tables.measures
    table = found.final(table[(table["measure"] == "entropy") & (table["layer"] == LAYER)])
    table = table[table["shift"] == "reference"].sort_values(NETWORK, kind="stable")
    return table[(table[NETWORK] == table[NETWORK].iloc[:1].squeeze()).all(axis=1)] if len(table) else table


def _curve(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Over n: `value` and `stderr`, with the ends `lower` and `upper` of `WIDTH` of those."""
    both = [rows[rows["quantity"] == each].set_index("at")["value"] for each in (name, f"{name}_stderr")]
    curve = pd.DataFrame({"value": both[0], "stderr": both[1]}).sort_index()
    lower, upper = interval(Estimate(curve["value"], curve["stderr"]))
    return curve.assign(lower=lower, upper=upper)


def _of_all_passes(rows: pd.DataFrame) -> Span:
    """The entropy that the estimates are held against, with the error of its draws."""
    value, stderr = (rows.loc[rows["quantity"] == each, "value"] for each in ("h_all", "h_all_stderr"))
    return Span(*interval(Estimate(float(value.iloc[0]), float(stderr.iloc[0])))) if len(value) else UNKNOWN


def _errors(curve: pd.DataFrame, truth: Span) -> dict[float, Span]:
    """How far the estimates are off, over n."""
    return {row.Index: (Span(row.lower, row.upper) - truth).size for row in curve.itertuples()}


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["spiral"])
    history = found.final(found.tables.history)
    right = history[["train_accuracy", "test_accuracy"]].min()
    yield Claim(
        "The noisy network classifies the spirals.",
        SOURCE,
        "98 %",
        f"{number(100 * right['train_accuracy'], 1)} % of the training part, {number(100 * right['test_accuracy'], 1)} "
        "% of the test part",
        bool(right["train_accuracy"] >= 0.97) if len(history) else None,
    )
    rows = _measured(found)
    truth, curves = _of_all_passes(rows), {name: _curve(rows, name) for name in ESTIMATES}
    errors = {name: _errors(curve, truth) for name, curve in curves.items()}
    last = curves["sample_propagation"].tail(1)
    at_last = Span(*last[["lower", "upper"]].iloc[0]) if len(last) else UNKNOWN
    yield Claim(
        "Sample propagation converges: at the largest n it agrees with the entropy of all passes.",
        SOURCE,
        f"{truth} (all passes), within .05",
        f"{at_last} at n = {int(last.index[0])}" if len(last) else "nothing",
        (at_last - truth).near(0.0, 0.05),
    )
    ours = errors["sample_propagation"]
    for name in ("nearest_neighbours", "kernel"):
        other = errors[name]
        closer = [(other[n] - ours[n]).above(0.0) for n in ours if n in other]
        words = "nothing"
        if closer:
            n = max(n for n in ours if n in other)
            words = f"closer at {closer.count(True)} of {len(closer)} n, farther at {closer.count(False)}; "
            words += f"at n = {n:g} it is off by {ours[n]}, the other by {other[n]} nats"
        yield Claim(
            f"It is closer to that value than {ESTIMATES[name]} at every n.",
            SOURCE,
            "closer at every n",
            words,
            every(closer),
        )


def _figure(found: Arranged) -> Figure:
    rows = _measured(found)
    figure, panels = style.sheet(1, 1, 3.4, (0, 0))
    axes = panels[0, 0]
    for k, name in enumerate(ESTIMATES, start=1):
        curve = _curve(rows, name)
        axes.errorbar(curve.index, curve["value"], WIDTH * curve["stderr"], color=style.colour(k),
                      marker=style.marker(k), ms=4, lw=1.5, elinewidth=0.8, label=ESTIMATES[name])  # fmt: skip
    truth = _of_all_passes(rows)
    axes.axhline((truth.low + truth.high) / 2, color=INK, lw=1.0, ls=DASHED, label="all passes")
    axes.set_xscale("log")
    counts = np.array(sorted(rows["at"].dropna().unique()))
    axes.set_xticks(counts[style.apart(np.log(counts))])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set(xlabel="samples n", ylabel=f"h(T{LAYER}) in nats")
    style.legend(figure, axes.get_legend_handles_labels()[0])
    return figure


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["spiral"])
    if _measured(found).empty:
        return
    yield Plate(
        "entropy",
        "Entropy of the third layer against the number of samples",
        "h(T) of ten noisy tanh units in nats against n samples (logarithmic): means over eight samples with three "
        "standard errors. Dashed: sample propagation from all stored passes of all inputs.",
        _figure(found),
    )


spiral = Reproduction(
    "how many samples does the entropy of a layer need?",
    f"Three spirals in the plane, layers of 8, 9 and 10 tanh units, noise .2, after {SOURCE}.",
    ("spiral",),
    claims,
    plates,
    differs=("The spirals are those of common teaching material; the paper does not print its own.",),
    small={
        "spiral": {"data.atoms": 300, "training.epochs": 20, "estimator.max_draws": 2048, "estimator.own_passes": 40}
    },
)
