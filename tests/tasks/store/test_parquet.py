"""Tables on disk: they read back as they were, and a flipped bit in a page is noticed."""

import numpy as np
import pyarrow as pa
import pytest

from ib_core.sources import szt
from tasks.store.laws import read_law, write_law
from tasks.store.parquet import read_table, to_rows, vectors, write_table


def test_vectors_read_back_bit_for_bit(tmp_path):
    rows = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    write_table(tmp_path / "x.parquet", pa.table({"signal": vectors(rows)}))
    table = read_table(tmp_path / "x.parquet")
    assert table.schema.field("signal").type == pa.list_(pa.float32(), 3)
    assert (to_rows(table["signal"]) == rows).all()


def test_a_law_reads_back(tmp_path):
    law = szt.law()
    write_law(tmp_path / "law.parquet", law)
    again = read_law(tmp_path / "law.parquet")
    assert all((getattr(law, name) == getattr(again, name)).all() for name in ("atoms", "weights", "labels"))


def test_the_same_table_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_law(tmp_path / name, szt.law())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_flipped_bit_in_a_page_is_noticed(tmp_path, place):
    path = tmp_path / "x.parquet"
    values = np.random.default_rng(1).standard_normal(20_000)
    write_table(path, pa.table({"x": values}), compression="none")
    content = bytearray(path.read_bytes())
    content[int(place * 8 * len(values))] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        read_table(path)
