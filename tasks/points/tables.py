"""Points from a table, Parquet or CSV: a row for each."""

from pathlib import Path

import numpy as np
import pandas as pd

from ib_core.laws.points import Points
from ib_core.members import listed
from tasks.store.parquet import read_frame

LABEL, WEIGHT, TRAIN = "y", "weight", "train"


def read_points_table(path: Path) -> Points:
    """The points of a table: the column `y` holds classes, `weight` and `train` what these say, all others are inputs.

    An input may be a column of lists of equal length.

    Raises:
        ValueError: it cannot be read, or a column does not hold what it must.
    """
    table = read_frame(path)
    if LABEL not in table or table.columns.duplicated().any():
        twice = [str(name) for name in table.columns[table.columns.duplicated()]]
        found = f"{listed(twice)} more than once" if twice else listed(table.columns)
        raise ValueError(f"{path} must have a column {LABEL!r} of classes, and every name once, got {found}")
    inputs = [name for name in table.columns if name not in (LABEL, WEIGHT, TRAIN)]
    if not inputs or table.empty:
        raise ValueError(f"{path} must have rows and columns of inputs beside {LABEL!r}, got {table.shape}")
    try:
        x = np.concatenate([_numbers(table[name]) for name in inputs], axis=1)
        given = (_numbers(table[name]) if name in table else None for name in (WEIGHT, TRAIN))
        return Points(x, _labels(table[LABEL]), *given)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _labels(column: pd.Series) -> np.ndarray:
    """The column as it is where it holds text, of which `Points` says what becomes of it."""
    return column.to_numpy(object) if isinstance(column.iloc[0], str) else _numbers(column)


def _numbers(column: pd.Series) -> np.ndarray:
    """A column (N, 1), or (N, d) where its entries are lists."""
    values = column.to_numpy()
    if column.isna().any():
        raise ValueError(f"the column {column.name!r} must have a number in every row, {int(column.isna().sum())} lack")
    if values.dtype == object:
        try:
            values = np.stack([np.asarray(each, dtype=np.float64) for each in values])
        except (TypeError, ValueError) as error:
            kind = type(values[0]).__name__
            raise ValueError(f"the column {column.name!r} must hold numbers, or lists of one length, got {kind}") from (
                error
            )
    if values.dtype.kind not in "biuf" or not values.size:
        raise ValueError(f"the column {column.name!r} must hold numbers, got {values.dtype}")
    return values.reshape(len(values), -1)
