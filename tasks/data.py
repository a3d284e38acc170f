"""Stage `data`: the reference law and its shifts, each with its distances from the reference."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ib_core.laws.divergences import divergences, n_union
from ib_core.laws.family import shifted
from ib_core.laws.input_law import InputLaw
from ib_core.laws.source import source as find_source
from tasks.store import Result
from tasks.tables import read_table, write_law


def reference_law(source: str) -> InputLaw:
    """The law of a data source, all its atoms enumerated."""
    return find_source(source).law()


def read_column(place: str) -> np.ndarray:
    """The column (N,) float64 of "path#column", a Parquet or CSV file.

    Raises:
        ValueError: the file cannot be read, or has no such column of numbers.
    """
    path, _, column = place.rpartition("#")
    if not path:
        raise ValueError(f"a file must be given as path#column, got {place!r}")
    try:
        table = pd.read_csv(path) if path.endswith(".csv") else read_table(Path(path)).to_pandas()
    except Exception as error:  # readers raise their own types for what is no table
        raise ValueError(f"{path} must be a Parquet or CSV file: {str(error).partition(chr(10))[0]}") from error
    if column not in table:
        raise ValueError(f"{path} has no column {column!r}, only {', '.join(map(str, table))}")
    values = table[column]
    found = values.dtype if values.ndim == 1 else "several columns of that name"
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"{path}: the column {column!r} must hold numbers, found {found}")
    return values.to_numpy(np.float64, na_value=np.nan)


def column_digest(place: str) -> str | None:
    """Digest of the numbers of "path#column"; None where there is nothing to read."""
    try:
        return hashlib.sha256(read_column(place).tobytes()).hexdigest()
    except ValueError:
        return None


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write law.parquet (one row per atom) and law.json (entropy, distances and how each was obtained)."""
    reference = reference_law(settings["source"])
    parameters = dict(settings["parameters"])
    for key, value in parameters.items():
        if isinstance(value, dict):
            if column_digest(value["file"]) != value["sha256"]:
                raise RuntimeError(f"{value['file']} changed while the run was going on: start it again")
            parameters[key] = read_column(value["file"])
    law, parameter = shifted(settings["family"], reference, settings["size"], **parameters)
    write_law(out / "law.parquet", law)
    facts: dict[str, Any] = {
        "parameter": parameter if math.isfinite(parameter) else None,
        "n_atoms": len(law.atoms),
        "n_union": n_union(reference, law),
        "entropy": law.entropy,
        "p_label_1": float(law.weights @ (law.labels == 1)),
    }
    for name, distance in divergences(reference, law)._asdict().items():
        # JSON has no infinity; null stands for it and the tables turn it back.
        facts[name] = distance.value if distance.value < float("inf") else None
        facts[f"{name}_how"] = distance.how
    (out / "law.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
