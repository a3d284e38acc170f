"""Tables as Parquet files with page checksums."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from tasks.store.errors import said


def write_table(path: Path, table: pa.Table | pd.DataFrame, compression: str = "zstd") -> None:
    """Write a Parquet file with page checksums: a flipped bit is silent without them."""
    if isinstance(table, pd.DataFrame):
        table = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, write_page_checksum=True, compression=compression, store_schema=True)


@contextmanager
def table_writer(path: Path, compression: str = "zstd") -> Iterator[Callable[[pa.Table], None]]:
    """The same in parts, so that a table need not be held at once: within it, each call appends one."""
    writer: pq.ParquetWriter | None = None

    def append(table: pa.Table) -> None:
        nonlocal writer
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema, write_page_checksum=True, compression=compression)
        writer.write_table(table)

    try:
        yield append
    finally:
        if writer is not None:
            writer.close()


def read_table(path: Path, columns: list[str] | None = None, filters: Any = None) -> pa.Table:
    """Read a Parquet file and verify the checksum of every page read."""
    return pq.read_table(path, columns=columns, filters=filters, page_checksum_verification=True, partitioning=None)


def read_rows(path: Path, column: str, rows: Sequence[int]) -> np.ndarray:
    """Some rows (n, d) of a column of vectors, in the order asked for, read a batch at a time."""
    wanted, first = np.asarray(rows), 0
    found: dict[int, np.ndarray] = {}
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(1024, columns=[column]):
            here = to_rows(pa.chunked_array([batch.column(0)]))
            inside = (wanted >= first) & (wanted < first + len(here))
            found |= {int(row): here[row - first].copy() for row in wanted[inside]}
            first += len(here)
    return np.stack([found[int(row)] for row in wanted])


def read_vectors(path: Path, column: str) -> np.ndarray:
    """All rows (n, d) of a column of vectors, read a batch at a time: the table itself is never held."""
    first, found = 0, np.empty((0, 0))
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(4096, columns=[column]):
            here = to_rows(pa.chunked_array([batch.column(0)]))
            if first == 0:
                found = np.empty((file.metadata.num_rows, here.shape[1]), here.dtype)
            found[first : first + len(here)] = here
            first += len(here)
    return found


def vectors(rows: np.ndarray) -> pa.FixedSizeListArray:
    """Rows (n, d) as a column of n fixed-size lists."""
    d = rows.shape[1]
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), d)


def read_frame(path: Path) -> pd.DataFrame:
    """A table that a user wrote, Parquet or CSV: all of its columns, each under its own name.

    Raises:
        ValueError: it is neither.
    """
    try:
        # Not pandas' reader: it makes a second column y one called y.1, and takes a column too many for row names.
        table = csv.read_csv(path) if path.suffix == ".csv" else read_table(path)
        return table.to_pandas()
    except Exception as error:  # readers raise their own types for what is no table
        raise ValueError(f"{path} must be a Parquet or CSV file: {said(error)}") from error


def to_rows(column: pa.ChunkedArray) -> np.ndarray:
    """The inverse of `vectors`: (n, d)."""
    array = column.combine_chunks()
    return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), array.type.list_size)
