"""What other estimators would have claimed of I(X;T_l), beside its bracket."""

import math

import numpy as np
import pandas as pd

from ib_core.estimate import WIDTH
from ib_core.measures.claims import TARGET
from tasks.page.tables import Table, number
from tasks.sweep.report.arranged import ROUNDING, Arranged
from tasks.sweep.schema import CELL

ERRORS = {"unpooled passes": WIDTH * math.hypot(TARGET, TARGET)}  # of the draws for both of its entropies, nats
# Measure, quantity and place on its curve (NaN: a number) of each claim, with what people read.
CLAIMS = {
    ("binning", "I_X_bins", math.nan): "30 bins",
    ("claims", "kernel_density", 1e-3): "kernel density, variance .001",
    ("claims", "kernel_density", 0.1): "kernel density, variance .1",
    ("claims", "pairwise_twin_low", math.nan): "pairwise, twin, low",
    ("claims", "pairwise_twin_high", math.nan): "pairwise, twin, high",
    ("claims", "pairwise_passes_low", math.nan): "pairwise, passes, low",
    ("claims", "pairwise_passes_high", math.nan): "pairwise, passes, high",
    ("claims", "unpooled", math.nan): "unpooled passes",
}


def claims(arranged: Arranged) -> pd.DataFrame:
    """Each claim under the reference law: its cell, `claim`, `value`, the bracket from `lower` to `upper`, and `off`,
    how far the claim is at least beyond the nearer end of it, in nats; 0 within it, or within its own error of it."""
    measures = arranged.tables.measures
    measures = measures[measures["shift"] == "reference"]
    frames = []
    for (measure, quantity, at), label in CLAIMS.items():
        here = measures[(measures["measure"] == measure) & (measures["quantity"] == quantity)]
        here = here[here["at"].isna() if math.isnan(at) else np.isclose(here["at"], at)]
        frames.append(here[[*CELL, "value"]].assign(claim=label))
    truth = arranged.information[arranged.information["shift"] == "reference"]
    table = pd.concat(frames, ignore_index=True).merge(truth[[*CELL, "lower", "upper"]], on=CELL)
    beyond = np.maximum(table["value"] - table["upper"], table["lower"] - table["value"])
    beyond -= table["claim"].map(ERRORS).astype(float).fillna(0.0)
    return table.assign(off=beyond.where(beyond > ROUNDING, 0.0))


def claim_table(arranged: Arranged) -> Table:
    """At the final epoch, the mean over seeds: the bracket, each claim, and by how much it is off at least."""
    found = arranged.final(claims(arranged))
    labels = [label for label in CLAIMS.values() if (found["claim"] == label).any()]
    rows = []
    for case in arranged.cases:
        for layer, here in case.of(found).groupby("layer"):
            means = here.groupby("claim")[["value", "off"]].mean()
            bracket = here[["lower", "upper"]].mean()
            cells = [_cell(means.loc[label]) if label in means.index else "–" for label in labels]
            rows.append([case.label, str(layer), f"[{number(bracket['lower'])}, {number(bracket['upper'])}]", *cells])
    return Table(["network", "layer", "bracket of I(X; T)", *labels], rows)


def _cell(claim: pd.Series) -> tuple[str, str, str]:
    """A claim, and below it how far it is off."""
    return number(claim["value"]), "", f"off by ≥ {number(claim['off'])}" if claim["off"] > 0 else "within"
