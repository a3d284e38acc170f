"""A table, Parquet or CSV, is points: a row for each."""

import numpy as np
import pandas as pd
import pytest

from tasks.points.source import read_points

TABLE = pd.DataFrame({"a": [0.5, 1.5, 2.5], "y": [0, 1, 1], "b": [1, 2, 3]})


def read(folder, table, kind):
    path = folder / f"points.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    return read_points(str(path))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_all_columns_but_those_with_a_meaning_are_inputs_in_their_order(tmp_path, kind):
    points = read(tmp_path, TABLE.assign(weight=[1, 1, 2], train=[True, False, True], c=[True, False, True]), kind)
    assert points.x.tolist() == [[0.5, 1, 1], [1.5, 2, 0], [2.5, 3, 1]] and points.y.tolist() == [0, 1, 1]
    assert points.weights.tolist() == [0.25, 0.25, 0.5] and points.train.tolist() == [True, False, True]
    bare = read(tmp_path, TABLE, kind)
    assert bare.weights is None and bare.train is None and bare.shape == (2,)


def test_a_column_of_lists_is_as_many_inputs(tmp_path):
    points = read(tmp_path, TABLE.assign(b=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), "parquet")
    assert points.x.tolist() == [[0.5, 1, 2], [1.5, 3, 4], [2.5, 5, 6]]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"y": "label"}), "must have a column 'y' of classes, .*got a, label, b"),
        (lambda t: t[["y"]], "columns of inputs beside 'y'"),
        (lambda t: t[:0], "must have rows"),
        (lambda t: t.assign(b=["x", "y", "z"]), "the column 'b' must hold numbers"),
        (lambda t: t.assign(a=[0.5, np.nan, 1]), "the column 'a' must have a number in every row, 1 lack"),
        (lambda t: t.assign(y=[0, np.nan, 1]), "the column 'y' must have a number in every row"),
        (lambda t: t.assign(a=[0.5, np.inf, 1]), "1 are infinite"),
        (lambda t: t.assign(y=[0, 1, 7]), "y must be classes 0..C-1, got 7"),
        (lambda t: t.assign(y=[0, 0.5, 1]), "y"),
        (lambda t: t.assign(y=["cat", "dog", "cat"]), "classes .*, got text, 'cat': np.unique"),
        (lambda t: pd.DataFrame(0, t.index, [f"p{k}" for k in range(784)]), r"got (\S+, ){7}p7 and 776 more$"),
        (lambda t: t.assign(weight=[0, 0, -1]), "weights must be 3 numbers"),
        (lambda t: t.assign(train=[0, 1, 2]), "train must be true or false"),
        (lambda t: t.assign(b=pd.date_range("2024-01-01", periods=3)), "the column 'b' must hold numbers"),
    ],
)
def test_what_is_no_column_of_points_is_one_line_that_names_the_file(tmp_path, kind, change, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, change(TABLE), kind)
    assert str(error.value).count(f"points.{kind}") == 1 and str(error.value).isprintable()


@pytest.mark.parametrize(
    "lists",
    [[[1.0], [2.0, 3.0], [4.0]], [[1.0], None, [2.0]], [["a"], ["b"], ["c"]], [[[1.0]], [[2.0]], [[3.0]]], [[]] * 3],
)
def test_lists_are_of_one_length_and_of_numbers(tmp_path, lists):
    with pytest.raises(ValueError, match=r"points\.parquet"):
        read(tmp_path, TABLE.assign(b=lists), "parquet")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x00" * 64, b'"', b"a,y\n1,2,3,4\n1\n"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_that_is_no_table_is_one_line(tmp_path, kind, content):
    path = tmp_path / f"points.{kind}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"points.{kind}") as error:
        read_points(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,a,y\n0,1,2\n1,3,4\n", "every name once, got y more than once"),
        ("a,a,y\n0,1,0\n1,3,1\n", "every name once, got a more than once"),
        ("a,y\n1,2,0\n3,4,1\n", "Expected 2 columns, got 3"),
        ("a,b,y\n1,2,0\n3,4\n", "Expected 3 columns, got 2"),
    ],
)
def test_no_column_of_a_csv_is_renamed_or_left_out(tmp_path, text, message):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_points(str(tmp_path / "points.csv"))
