"""Compression is clustering: information, bins, distances and loss of a layer on one axis of time."""

import math
from collections.abc import Iterable

import pandas as pd
from scipy.stats import spearmanr

from tasks.page.tables import number
from tasks.reproduction.reading import Span, brackets, every, of_first, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.measure_figures import SHOWN, clustering_by_epoch
from tasks.sweep.report.signal_figures import signal_scatter

SOURCE = "after Goldfeld et al., ICML 2019 (arXiv:1810.05728)"
LAYER = 5
TOGETHER = 0.8  # rank correlation over epochs from which two curves move together


def measured(found: Arranged, quantity: str, layer: int = LAYER) -> pd.Series:
    """A number of the clustering of a layer, by seed and epoch."""
    table = of_first(found, found.tables.measures)
    here = (table["measure"] == "clustering") & (table["quantity"] == quantity) & (table["layer"] == layer)
    return table[here & (table["shift"] == "reference")].set_index(["seed", "epoch"])["value"].sort_index()


def larger(value: float, than: float) -> bool | None:
    """Whether it is; None where one is not known."""
    return None if math.isnan(value) or math.isnan(than) else value > than


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["clustering"])
    information = brackets(found, LAYER).set_index(["seed", "epoch"])
    names = ("H_bins", "clusters", "distance_within_beta", "distance_between_beta")
    # A number that is not known, where a cell failed, is NaN.
    bins, clusters, near, far = (measured(found, name).reindex(information.index) for name in names)
    together, falls, ratios, counts = [], [], [], []
    for seed, path in information.groupby("seed"):
        path = path.droplevel("seed")
        peak, end = int(path["lower"].idxmax()), int(path.index.max())
        both = pd.DataFrame({"middle": path["middle"], "bins": bins[seed]}).dropna()
        together.append(float(spearmanr(both).statistic) if len(both) > 2 else math.nan)
        lost = Span(path.loc[peak, "lower"], path.loc[peak, "upper"]) - Span(
            path.loc[end, "lower"], path.loc[end, "upper"]
        )
        if peak == end:  # between which there is nothing to compare
            falls.append((lost, math.nan))
            continue
        falls.append((lost, float(bins[seed, peak] - bins[seed, end])))
        ratios.append(tuple(float(near[seed, epoch] / far[seed, epoch]) for epoch in (peak, end)))
        counts.append(tuple(float(clusters[seed, epoch]) for epoch in (peak, end)))
    yield Claim(
        f"Layer {LAYER} compresses: it loses information after its highest epoch.",
        SOURCE,
        "a loss",
        ", ".join(str(lost) for lost, _ in falls) + " nats",
        every([lost.above(0.0) for lost, _ in falls]),
    )
    yield Claim(
        "Meanwhile the entropy of bins as wide as ten standard deviations of the noise falls too.",
        SOURCE,
        "a loss",
        ", ".join(number(fall) for _, fall in falls) + " nats",
        every([larger(fall, 0.0) if lost.above(0.0) else None for lost, fall in falls]),
    )
    yield Claim(
        "Over training the two curves move together.",
        SOURCE,
        f"together (here: a rank correlation above {TOGETHER})",
        ", ".join(number(each, 2) for each in together),
        every([larger(each, TOGETHER) for each in together]),
    )
    yield Claim(
        "Inputs of one class come closer to each other, relative to inputs of different classes.",
        SOURCE,
        "a smaller ratio of distances",
        "; ".join(f"{number(a, 2)} at the highest epoch, {number(b, 2)} at the end" for a, b in ratios),
        every([larger(a, b) for a, b in ratios]),
    )
    yield Claim(
        "At the scale of the noise the layer has fewer clusters at the end than at its highest epoch.",
        SOURCE,
        "fewer",
        "; ".join(f"{number(a, 0)} at the highest epoch, {number(b, 0)} at the end" for a, b in counts),
        every([larger(a, b) for a, b in counts]),
    )


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["clustering"])
    table = found.tables.measures
    table = table[(table["measure"] == "clustering") & (table["shift"] == "reference")]
    if found.information.empty or table.empty:
        return
    case = found.cases[0]
    yield Plate(
        "clustering",
        "Compression is clustering",
        "By epoch (logarithmic), a column for each layer, the mean over seeds: I(X; T) with its bracket and the "
        "entropy "
        "of bins of ten noise standard deviations, both in nats; mean distances within and between classes in units "
        "of the noise; clusters at two standard deviations; the loss.",
        clustering_by_epoch(found, case, case.of(table)),
        shown.measured(case.of(table), SHOWN),
    )
    yield Plate(
        "scatter",
        "Signals of the deepest layer at four epochs",
        "The deepest layer before its noise, one pass of each input, coloured by label; the bar is two standard "
        "deviations of the noise long.",
        signal_scatter(found, found.sheets[0]),
        shown.nearest_classes(found, found.sheets[0].cases),
    )


clustering = Reproduction(
    "is compression clustering?",
    "The tanh network of the reference experiment at 20 log-spaced epochs: its layers without noise, measured "
    f"at the scale of the noise, {SOURCE}.",
    ("clustering",),
    claims,
    plates,
    small={
        "clustering": {
            "data.atoms": 300,
            "network.seeds": [0],
            "training.epochs": 60,
            "training.checkpoints": 4,
            "estimator.stored_passes": 4,
            "estimator.own_passes": 40,
            "estimator.max_draws": 1024,
        }
    },
)
