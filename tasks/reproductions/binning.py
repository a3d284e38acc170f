"""What binning of the deterministic network, kernels and pairwise distances would have claimed of I(X; T)."""

import math
from collections.abc import Iterable

import pandas as pd

from tasks.page.tables import number
from tasks.reproduction.reading import every, input_entropy, sweep
from tasks.reproduction.reproduction import Claim, Plate, Reproduction, Results
from tasks.reproductions.clustering import clustering
from tasks.sweep.report import shown
from tasks.sweep.report.arranged import Arranged
from tasks.sweep.report.claims import claims as claimed
from tasks.sweep.report.measure_figures import WIDTHS, bin_widths, claims_by_epoch

SOURCE = "after Goldfeld et al., ICML 2019 (arXiv:1810.05728)"
FINE, COARSE = 1e-4, 0.1


def _by_width(found: Arranged, width: float) -> pd.DataFrame:
    table = found.tables.measures
    here = (table["quantity"] == "I_X_bins_by_width") & (table["at"] == width) & (table["shift"] == "reference")
    return table[here]


def claims(results: Results) -> Iterable[Claim]:
    found = sweep(results["clustering"])
    entropy = input_entropy(found)
    first = _by_width(found, FINE).groupby("layer")["value"].min()
    yield Claim(
        "With fine bins the first layers of the deterministic network stay at H(X) at every epoch.",
        SOURCE,
        f"H(X) = {number(entropy)} in layers 1 to 3 with bins of {FINE:g}",
        ", ".join(f"L{layer} at least {number(value, 2)}" for layer, value in first.items()),
        every([bool(first[layer] > entropy - 0.01) for layer in (1, 2, 3) if layer in first]),
    )
    last = found.final(pd.concat([_by_width(found, FINE), _by_width(found, COARSE)]))
    apart = last.pivot_table("value", "layer", "at")
    gap = (apart[FINE] - apart[COARSE]).max() if len(apart) else math.nan
    yield Claim(
        "The binned information depends on the width of the bins.",
        SOURCE,
        "nats apart (here: more than one)",
        f"bins of {FINE:g} and {COARSE:g} are up to {number(float(gap))} nats apart at the last epoch",
        bool(gap > 1.0) if not math.isnan(gap) else None,
    )
    off = found.final(claimed(found))
    for label in off["claim"].unique():
        rows = off[off["claim"] == label]
        worst = rows.loc[rows["off"].idxmax()]
        yield Claim(
            f"“{label}” does not estimate the I(X; T) of the noisy network.",
            "the brackets of this sweep",
            "beyond a bracket in some layer",
            f"off by at least {number(worst['off'])} nats in layer {worst['layer']}; within the bracket in "
            f"{int((rows['off'] == 0).sum())} of {len(rows)} layers and seeds",
            True if worst["off"] > 0 else None,  # a bracket that holds it may be wide
        )


def plates(results: Results) -> Iterable[Plate]:
    found = sweep(results["clustering"])
    if found.information.empty or found.tables.measures.empty:
        return
    case = found.cases[0]
    table = found.tables.measures
    table = table[table["shift"] == "reference"]
    widths = table[table["quantity"].isin(WIDTHS)]
    yield Plate(
        "claims",
        "What other estimators would have claimed",
        "I(X; T) in nats by epoch (logarithmic), a panel for each layer: the bracket of the noisy network as a band, "
        "what other estimators make of the same layer as lines; the mean over seeds.",
        claims_by_epoch(found, case, case.of(claimed(found))),
        shown.furthest_claim(found, case, case.of(claimed(found))),
    )
    yield Plate(
        "widths",
        "Binned information against the width of the bins",
        "Information of the binned layer without noise in nats at the last epoch, against the width of the bins "
        "(logarithmic), the mean over seeds; bands are the brackets of the noisy network.",
        bin_widths(found, found.sheets[0], widths),
        shown.widths(found.cases, found.final(widths)),
    )


binning = Reproduction(
    "what does binning measure?",
    "The tanh network of the reference experiment without noise, binned at several widths over the range of the "
    f"activation, beside brackets of the information of the noisy network and other estimators of it, {SOURCE}.",
    ("clustering",),
    claims,
    plates,
    small=clustering.small,
)
