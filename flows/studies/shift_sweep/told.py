"""What one stored result of a sweep says, in a few figures with their units: for `ibshift why`."""

import json
import math
from collections.abc import Iterator
from functools import singledispatch

import numpy as np
import pandas as pd

from tasks.engine.recipe import Recipe
from tasks.store.parquet import read_table
from tasks.sweep.activations import Activations
from tasks.sweep.bounds import Bounds
from tasks.sweep.data import DataSet, points_of
from tasks.sweep.information import Information
from tasks.sweep.laws import Law, law_of
from tasks.sweep.measures import Measured
from tasks.sweep.networks import Network
from tasks.sweep.report.report import Report
from tasks.sweep.worst_case import WorstCase

Fact = tuple[str, str]
# Quantities that begin so are informations and entropies.
NATS = ("I_", "dI_", "h_", "H_", "information", "entropy")


@singledispatch
def told(unit: Recipe) -> Iterator[Fact]:
    """Names and figures, each figure with its unit; call it within `reading`."""
    yield from ()


@told.register
def _(unit: Information) -> Iterator[Fact]:
    table = _table(unit, "estimates.parquet")
    for law, rows in table.groupby("law", sort=False):
        if not rows["reached"].all():
            yield f"I(X;T_{unit.layer}) {law}", "the law was not reached"
            continue
        ends = rows[rows["quantity"] == "I_X_T"].set_index("estimator")
        said = [
            f"{end} end {_with_error(ends.loc[end, 'value'], ends.loc[end, 'stderr'])} nats"
            for end in ("upper", "lower")
            if end in ends.index
        ]
        first = ends.iloc[0]
        said.append(f"{first['saturation']:.1%} of H(X)")
        yield f"I(X;T_{unit.layer}) {law}", f"{_interval(first['lower'], first['upper'])} ({', '.join(said)})"
        changes = rows[(rows["quantity"] == "dI_X_T") & (rows["estimator"] == "bracket")]
        if len(changes) and str(law) != next(iter(unit.laws)):
            low, high = changes.iloc[0][["lower", "upper"]]
            clear = "clear" if low > 0 or high < 0 else "not clear: 0 is in it"
            yield f"  change under {law}", f"{_interval(low, high)}, {clear}"
    atoms, passes, draws = (int(table[name].max()) for name in ("n_atoms", "n_passes", "draws"))
    yield "from", f"{atoms:,} atoms, stored passes of each: {passes:,}, draws: {draws:,}"


@told.register
def _(unit: DataSet) -> Iterator[Fact]:
    points = points_of(unit)
    shape = " x ".join(map(str, points.x.shape[1:]))
    yield "points", f"{len(points.x):,}, of {shape} numbers each, in {len(np.unique(points.y))} classes"


@told.register
def _(unit: Law) -> Iterator[Fact]:
    facts = json.loads(unit.file("law.json").read_text(encoding="utf-8"))
    yield "law", f"{facts['n_atoms']:,} atoms, H(X) = {facts['entropy']:.4g} nats"
    if unit.kind != "reference":
        infinite = {name: math.inf if facts[name] is None else facts[name] for name in ("tv", "kl", "w1", "w2")}
        yield (
            "from the reference",
            (
                f"TV {infinite['tv']:.3g}, KL {infinite['kl']:.3g} nats, "
                f"W1 {infinite['w1']:.3g} and W2 {infinite['w2']:.3g} in units of the inputs"
            ),
        )


@told.register
def _(unit: Network) -> Iterator[Fact]:
    yield (
        "layers",
        f"{', '.join(map(str, unit.hidden))} units, noise of standard deviation {unit.beta:g} ({unit.noise})",
    )
    yield "checkpoints", f"{len(unit.kept)}, the last at epoch {unit.last}"
    if (unit.result.folder / "history.parquet").exists():
        last = _table(unit, "history.parquet").iloc[-1]
        for part in ("train", "test"):
            if part + "_accuracy" in last and pd.notna(last[f"{part}_accuracy"]):
                yield (
                    f"{part}ing" if part == "train" else part,
                    (
                        f"{last[f'{part}_accuracy']:.1%} correct with the noise on, "
                        f"{last[f'{part}_clean_accuracy']:.1%} without; loss {last[f'{part}_loss']:.4g}"
                    ),
                )


@told.register
def _(unit: Activations) -> Iterator[Fact]:
    wide = sum(unit.is_wide(layer) for layer in range(1, len(unit.network.hidden) + 1))
    stored = f"{len(unit.network.hidden) - wide} layers" + (f" ({wide} wide ones are propagated anew)" if wide else "")
    yield "signals", f"of {stored}, {unit.law.n_atoms:,} atoms, {unit.stored_passes:,} noisy passes of each"
    correct = _table(unit, "readout.parquet")["correct"]
    yield (
        "correct",
        f"{float(np.average(correct, weights=law_of(unit.law).weights)):.1%} under this law, with the noise on",
    )


@told.register
def _(unit: Measured) -> Iterator[Fact]:
    table = _table(unit, "measures.parquet")
    for (law, quantity), rows in table.groupby(["law", "quantity"], sort=False):
        unit_of = " nats" if str(quantity).startswith(NATS) else ""
        if len(rows) == 1:
            yield f"{quantity} {law}", f"{rows['value'].iloc[0]:.4g}{unit_of}"
        else:
            low, high = rows["value"].min(), rows["value"].max()
            yield f"{quantity} {law}", f"{len(rows)} points, {low:.4g} to {high:.4g}{unit_of}"


@told.register
def _(unit: WorstCase) -> Iterator[Fact]:
    for row in _table(unit, "worst_case.parquet").to_dict("records"):
        ball = f"{row['metric'].upper()} {row['size']:g}" + (" nats" if row["metric"] == "kl" else "")
        yield (
            f"within {ball}",
            (
                f"I(X;T_{unit.layer}) rises by {_with_error(row['rise'], row['rise_stderr'])} nats at most, "
                f"falls by {_with_error(row['fall'], row['fall_stderr'])} nats"
            ),
        )


@told.register
def _(unit: Bounds) -> Iterator[Fact]:
    information, bounds = (_table(unit, f"{name}.parquet") for name in ("information", "bounds"))
    yield "estimates", f"{len(information):,} of {len(unit.cells):,} cells"
    judged = bounds["holds"].notna().sum()
    yield (
        "bounds",
        (
            f"{len(bounds):,}: {int(bounds['vacuous'].sum()):,} vacuous; of {judged:,} that could be judged "
            f"{int((bounds['holds'] == False).sum()):,} violated"  # noqa: E712 - holds may be null
        ),
    )


@told.register
def _(unit: Report) -> Iterator[Fact]:
    yield "report", f"{len(unit.result.manifest['files']):,} files"


def _interval(low: float, high: float) -> str:
    """Ends of a bracket, in nats."""
    return f"{low:.4g} to {high:.4g} nats"


def _with_error(value: float, stderr: float) -> str:
    return f"{value:.4g} ± {stderr:.1g}"


def _table(unit: Recipe, name: str) -> pd.DataFrame:
    return read_table(unit.file(name)).to_pandas()
