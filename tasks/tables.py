"""The tidy tables of a sweep: how they are written, verified and read back."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ib_core.laws.input_law import InputLaw


@dataclass(frozen=True)
class SweepTables:
    """Everything a report or a tracking server shows of one sweep.

    Attributes:
        sweep: name of the sweep.
        config: the resolved settings, as plain JSON.
        information: estimates by network, epoch, layer, law, quantity and estimator (nats).
        bounds: one row per estimate and theorem (nats).
        attribution: where each change of information comes from, by layer and reweighting (nats).
        worst_case: the extremes of information over balls of laws, by layer and radius (nats).
        bottleneck: the information-bottleneck curve of the data, by rule for the label and multiplier (nats).
        laws: the input laws with their divergences from the reference law.
        history: loss and accuracy by network and epoch.
        signals: deepest layer's signals at the final epoch, one pass per atom.
    """

    sweep: str
    config: dict[str, Any]
    information: pd.DataFrame
    bounds: pd.DataFrame
    attribution: pd.DataFrame
    worst_case: pd.DataFrame
    bottleneck: pd.DataFrame
    laws: pd.DataFrame
    history: pd.DataFrame
    signals: pd.DataFrame


TABLES = tuple(field.name for field in fields(SweepTables) if field.type is pd.DataFrame)


def write_table(path: Path, table: pa.Table | pd.DataFrame, compression: str = "zstd") -> None:
    """Write a Parquet file with page checksums: a flipped bit is silent without them."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, write_page_checksum=True, compression=compression, store_schema=True)


def read_table(path: Path, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """Read a Parquet file and verify the checksum of every page read."""
    return pq.read_table(path, columns=columns, filters=filters, page_checksum_verification=True, partitioning=None)


def vectors(rows: np.ndarray) -> pa.FixedSizeListArray:
    """Rows (n, d) as a column of n fixed-size lists."""
    d = rows.shape[1]
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), d)


def to_rows(column: pa.ChunkedArray) -> np.ndarray:
    """The inverse of `vectors`: (n, d)."""
    array = column.combine_chunks()
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), array.type.list_size)


def write_tables(tables: SweepTables, folder: Path) -> None:
    """Write each table as Parquet, those that people read as CSV too, and the settings as YAML."""
    for name in TABLES:
        frame = getattr(tables, name)
        write_table(folder / f"{name}.parquet", frame)
        if name != "signals":
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


def write_law(path: Path, law: InputLaw) -> None:
    """One row per atom: its place, weight and label."""
    write_table(path, pa.table({"atom": vectors(law.atoms), "weight": law.weights, "label": law.labels}))


def read_law(path: Path) -> InputLaw:
    """The inverse of `write_law`."""
    table = read_table(path)
    return InputLaw(to_rows(table["atom"]), table["weight"].to_numpy(), table["label"].to_numpy())
