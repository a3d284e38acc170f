"""An .npz file is points, or one line says what it must hold."""

import io

import numpy as np
import pytest

from tasks.points.source import read_points

X, Y = np.arange(24.0).reshape(4, 2, 3), np.array([0, 1, 1, 2])


def read(tmp_path, **arrays):
    np.savez(tmp_path / "points.npz", **arrays)
    return read_points(str(tmp_path / "points.npz"))


def test_arrays_are_the_points_by_their_names(tmp_path):
    points = read(tmp_path, x=X, y=Y, weights=[1, 1, 0, 2], train=[True, False, True, True])
    assert points.shape == (2, 3) and (points.x == X).all() and (points.y == Y).all()
    assert points.weights.tolist() == [0.25, 0.25, 0, 0.5] and points.train.tolist() == [True, False, True, True]
    bare = read(tmp_path, x=X, y=Y)
    assert bare.weights is None and bare.train is None


def test_two_parts_are_points_of_which_the_first_are_for_training(tmp_path):
    points = read(tmp_path, x_train=X[:3], y_train=Y[:3], x_test=X[3:], y_test=Y[3:])
    assert (points.x == X).all() and (points.y == Y).all() and points.train.tolist() == [True] * 3 + [False]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "Y": Y}, "must hold x and y, .*got X, Y"),
        ({"x": X}, "got x$"),
        ({}, "got nothing"),
        ({"x": X, "y": Y, "weight": Y}, "got weight, x, y"),
        ({"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y}, r"points of one shape, got \(2, 3\), \(1, 3\)"),
        ({"x_train": X, "y_train": Y}, "got x_train, y_train"),
        ({"x": np.where(X == 3, np.nan, X), "y": Y}, "1 of 24 are NaN"),
        (
            {"x": np.array([[1], [None]]), "y": Y[:2]},
            "must be an .npz file .* it holds something else",
        ),
        ({"x": X, "y": np.array(["a", "b", "c", "d"])}, "classes .*, got text, 'a': np.unique"),
        ({"x": X, "y": np.eye(3)[Y]}, r"classes .*, got one-hot rows \(4, 3\): y.argmax"),
        ({"x": X, "y": np.ones((4, 3))}, r"classes .*, got shape \(4, 3\)"),
        ({f"x{k}": X for k in range(784)}, r"got x0, x1, x10, x100, \S+, \S+, \S+, \S+ and 776 more$"),
        ({"x": X, "y": Y[:3]}, "got 4 and 3"),
        ({"x": X, "y": Y, "train": [0, 1, 2, 0]}, "train must be true or false"),
    ],
    ids=str,
)
def test_other_arrays_are_one_line_that_names_the_file(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, **arrays)
    assert str(error.value).count("points.npz") == 1 and "\n" not in str(error.value)


def file_of(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def damaged():
    """Bytes that are no .npz file any more."""
    whole = file_of(x=X, y=Y)
    single = io.BytesIO()
    np.save(single, X)
    flipped = bytearray(whole)
    flipped[150] ^= 4  # in the numbers, which the zip's checksum covers
    return {
        "empty": b"",
        "text": b"x,y\n1,2\n",
        "one array": single.getvalue(),
        "flipped": bytes(flipped),
        **{f"cut to {part}": whole[: int(part * len(whole))] for part in (0.1, 0.5, 0.95)},
        "no numpy inside": whole.replace(b"\x93NUMPY", b"\x93NOMPY"),
        "cut header": whole.replace(b"'descr'", b"'d\xffscr'"),
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_file_is_one_line(tmp_path, name):
    (tmp_path / "points.npz").write_bytes(damaged()[name])
    with pytest.raises(ValueError, match=r"points\.npz must be an .npz file of arrays") as error:
        read_points(str(tmp_path / "points.npz"))
    assert str(error.value).isprintable()
