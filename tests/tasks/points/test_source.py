"""A user's function gives points in any of the usual forms, or one line says what it must return."""

import sys

import numpy as np
import pytest

from ib_core.laws.points import Points
from tasks.points.source import is_file, read_points, soft_joint

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 1, 1, 2, 2])
CODE = """
import numpy as np
import torch
from ib_core.laws.points import Points

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 0, 1, 1, 2, 2])
calls = 0

"""


@pytest.fixture
def returning(tmp_path, monkeypatch):
    """What a function whose last line is `return <this>` gives as points."""
    monkeypatch.syspath_prepend(tmp_path)

    def read(expression, lines="pass"):
        sys.modules.pop("some_points", None)
        (tmp_path / "some_points.py").write_text(f"{CODE}def load():\n    {lines}\n    return {expression}\n")
        return read_points("some_points:load")

    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield read
    sys.dont_write_bytecode = before
    sys.modules.pop("some_points", None)


@pytest.mark.parametrize(
    "expression",
    [
        "X, Y",
        "[X, Y]",
        "X.tolist(), Y.tolist()",
        "torch.from_numpy(X).requires_grad_(), torch.from_numpy(Y)",
        "torch.from_numpy(X).float(), torch.from_numpy(Y)[:, None]",
        "{'x': X, 'y': Y}",
        "{'y': torch.from_numpy(Y), 'x': X, 'weights': None}",
        "Points(X, Y)",
        "X, Y, None, None",
    ],
)
def test_points_come_in_every_usual_form(returning, expression):
    points = returning(expression)
    assert (points.x == X).all() and (points.y == Y).all() and points.weights is None and points.train is None


@pytest.mark.parametrize(
    "expression",
    ["(X, Y, [1, 1, 1, 1, 0, 0], Y > 0)", "{'x': X, 'y': Y, 'weights': [2, 2, 2, 2, 0, 0], 'train': Y > 0}"],
)
def test_weights_and_parts_come_behind(returning, expression):
    points = returning(expression)
    assert points.weights.tolist() == [0.25] * 4 + [0, 0] and points.train.tolist() == [False] * 2 + [True] * 4


@pytest.mark.parametrize(
    ("expression", "lines", "message"),
    [
        ("X", "pass", "must return x, y and perhaps weights, got ndarray"),
        ("None", "pass", "got NoneType"),
        ("(X,)", "pass", "must return x, y"),
        ("X, Y, Y, Y, Y", "pass", "must return x, y"),
        ("{'x': X}", "pass", "must return x and y, perhaps weights and train, got x"),
        ("{'x': X, 'y': Y, 'w': Y}", "pass", "got x, y, w"),
        ("X, Y[:3]", "pass", "a row for each point, got 6 and 3"),
        ("X * np.nan, Y", "pass", "12 of 12 are NaN"),
        ("X, ['a'] * 6", "pass", "y"),
        ("[[1], [1, 2]], [0, 1]", "pass", "some_points:load"),
        ("X, Y", "raise RuntimeError('no\\nsuch thing')", "some_points:load raised RuntimeError: no"),
        ("X, Y", "raise SystemExit(3)", "some_points:load raised SystemExit: 3"),
        ("X, Y", "1 / 0", "raised ZeroDivisionError"),
    ],
)
def test_what_is_no_data_set_is_one_line_that_names_the_function(returning, expression, lines, message):
    with pytest.raises(ValueError, match=message) as error:
        returning(expression, lines)
    assert "some_points:load" in str(error.value) and "\n" not in str(error.value)


def test_a_function_is_called_once(returning):
    points = returning("X + calls, Y", "global calls; calls += 1")
    assert (points.x == X + 1).all() and read_points("some_points:load") is points


@pytest.mark.parametrize(
    ("source", "message"),
    [("some_points:laod", "did you mean load"), ("some_points:X", "a function that returns x, y")],
)
def test_what_is_no_function_is_one_line(returning, source, message):
    returning("X, Y")
    with pytest.raises(KeyError, match=message):
        read_points(source)


def test_a_file_is_read_again_when_it_was_written_again(tmp_path):
    path = tmp_path / "points.npz"
    np.savez(path, x=X, y=Y)
    first = read_points(str(path))
    assert read_points(str(path)) is first
    np.savez(path, x=X + 1, y=Y, weights=np.ones(6))
    assert (read_points(str(path)).x == X + 1).all()


@pytest.mark.parametrize("source", ["nowhere.npz", "no/such/folder", "text.txt/inside"])
def test_a_path_without_a_file_is_one_line(tmp_path, source):
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(ValueError, match=r"cannot be read|found no file"):
        read_points(str(tmp_path / source))
    with pytest.raises(
        ValueError, match=r"must be a file .npz, .parquet, .csv, a folder of IDX files, or module:function"
    ):
        read_points(str(tmp_path / "text.txt"))


def test_names_of_the_house_are_no_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "szt" / "digits").mkdir(parents=True)
    assert not is_file("digits") and is_file("digits", tmp_path / "szt") and not is_file("x" * 5000)
    assert not is_file("szt") and is_file("points.npz") and is_file("./data") and not is_file("my_data:load")
    assert soft_joint("szt").shape == (4096, 2) and soft_joint("spiral") is None and soft_joint("points.npz") is None
    assert isinstance(read_points("szt"), Points)
