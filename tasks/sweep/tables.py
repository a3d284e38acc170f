"""The tidy tables of a sweep: how they are written, verified and read back."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tasks.store.parquet import read_table, write_table


@dataclass(frozen=True)
class SweepTables:
    """Everything a report or a tracking server shows of one sweep; `tasks.sweep.schema` has the columns of each table.

    Attributes:
        sweep: name of the sweep.
        config: the resolved settings, as plain JSON.
        information: estimates by network, epoch, layer, law, quantity and estimator (nats).
        bounds: one row per estimate and theorem (nats).
        attribution: where each change of information comes from, by layer and reweighting (nats).
        worst_case: the extremes of information over balls of laws, by layer and radius (nats).
        measures: other numbers by layer and law, as the settings ask for them.
        bottleneck: the information-bottleneck curve of the data, by rule for the label and multiplier (nats).
        laws: the input laws with their divergences from the reference law.
        examples: what the laws look like: the probability of classes, an atom of each, and its picture.
        history: loss and accuracy by network and epoch.
        layers: what the theorems know of every layer: width, noise, reach, and whether a connection passes it by.
        signals: deepest layer's signals at the first, the last and two epochs between, one pass per atom.
    """

    sweep: str
    config: dict[str, Any]
    information: pd.DataFrame
    bounds: pd.DataFrame
    attribution: pd.DataFrame
    worst_case: pd.DataFrame
    measures: pd.DataFrame
    bottleneck: pd.DataFrame
    laws: pd.DataFrame
    examples: pd.DataFrame
    history: pd.DataFrame
    layers: pd.DataFrame
    signals: pd.DataFrame


TABLES = tuple(field.name for field in fields(SweepTables) if field.type is pd.DataFrame)
READ_BY_PEOPLE = tuple(name for name in TABLES if name not in ("signals", "examples"))


def write_tables(tables: SweepTables, folder: Path) -> None:
    """Write each table as Parquet, those that people read as CSV too, and the settings as YAML."""
    for name in TABLES:
        frame = getattr(tables, name)
        write_table(folder / f"{name}.parquet", frame)
        if name in READ_BY_PEOPLE:
            frame.to_csv(folder / f"{name}.csv", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(tables.config, sort_keys=False), encoding="utf-8")


def load_tables(folder: Path) -> SweepTables:
    """Read the tables of a sweep back from the folder that `write_tables` wrote."""
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return SweepTables(
        sweep=config["name"],
        config=config,
        **{name: read_table(folder / f"{name}.parquet").to_pandas() for name in TABLES},
    )
