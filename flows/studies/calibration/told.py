"""What one stored result of a calibration says, in a few figures with their units: for `ibshift why`."""

from collections.abc import Iterator
from functools import singledispatch

import pandas as pd

from tasks.calibration.bracket import Bracket
from tasks.calibration.risk import Risk
from tasks.calibration.tables import Tables
from tasks.engine.recipe import Recipe
from tasks.store.parquet import read_table

Fact = tuple[str, str]


@singledispatch
def told(unit: Recipe) -> Iterator[Fact]:
    """Names and figures, each figure with its unit; call it within `reading`."""
    yield from ()


@told.register
def _(unit: Risk) -> Iterator[Fact]:
    table = _table(unit, "replications.parquet")
    errors = table["plug_in"] - table["truth"]
    yield "h(S + Z)", f"{table['truth'].iloc[0]:.4g} nats in closed form"
    yield "plug-in", f"{table['plug_in'].mean():.4g} nats in the mean of {len(table):,} replications"
    stderr = errors.abs().sem()
    yield "risk", f"{errors.abs().mean():.3g} ± {stderr:.1g} nats, E|plug-in - truth| of {unit.n:,} samples"


@told.register
def _(unit: Bracket) -> Iterator[Fact]:
    table = _table(unit, "replications.parquet")
    truth = table["truth"].iloc[0]
    yield "I(X;T)", f"{truth:.4g} nats in closed form"
    yield "plug-in", f"{table['plug_in'].mean():.4g} nats in the mean of {len(table):,} replications"
    if "low" in table:
        covered = ((table["low"] <= truth) & (truth <= table["high"])).mean()
        ends = f"{table['low'].mean():.4g} to {table['high'].mean():.4g} nats in the mean"
        yield "bracket", f"{ends}; {covered:.1%} of {len(table):,} hold the truth"


@told.register
def _(unit: Tables) -> Iterator[Fact]:
    yield "cases", f"{len(unit.cases):,}, and {len(unit.failed):,} that failed"


def _table(unit: Recipe, name: str) -> pd.DataFrame:
    return read_table(unit.file(name)).to_pandas()
