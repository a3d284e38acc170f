"""Input laws on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ib_core.laws.input_law import InputLaw
from tasks.store.parquet import read_rows, read_table, to_rows, vectors, write_table


def write_law(path: Path, law: InputLaw) -> None:
    """One row per atom: its place, weight and label."""
    write_table(path, pa.table({"atom": vectors(law.atoms), "weight": law.weights, "label": law.labels}))


def read_law(path: Path) -> InputLaw:
    """The inverse of `write_law`."""
    table = read_table(path)
    return InputLaw(to_rows(table["atom"]), table["weight"].to_numpy(), table["label"].to_numpy())


def read_atoms(path: Path, atoms: Sequence[int]) -> np.ndarray:
    """The places (n, d) of some atoms, by their numbers; no more is held at once."""
    return read_rows(path, "atom", atoms)
