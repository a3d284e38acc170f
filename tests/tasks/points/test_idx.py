"""A folder of IDX files is points, gzipped or plain; what is damaged or missing is one line."""

import gzip
import os
import struct

import numpy as np
import pytest

from tasks.points import mnist
from tasks.points.idx import read_idx, read_idx_folder
from tasks.points.source import read_points

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, (5, 4, 3), dtype=np.uint8), np.array([0, 1, 2, 1, 0], dtype=np.uint8)
KINDS = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def idx(array, kind=8):
    """The bytes of an IDX file."""
    head = struct.pack(">BBBB", 0, 0, kind, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(KINDS[kind]).tobytes()


def folder_of(folder, zipped=False, **parts):
    """A folder with images and labels for each part, by the beginning of their names."""
    folder.mkdir(exist_ok=True)
    for name, (images, labels) in parts.items():
        for content, kind in ((images, "images-idx3"), (labels, "labels-idx1")):
            data = content if isinstance(content, bytes) else idx(content)
            path = folder / f"{name}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_is_its_two_parts_with_bytes_between_0_and_1(tmp_path, zipped):
    parts = {"train": (IMAGES[:3], LABELS[:3]), "t10k": (IMAGES[3:], LABELS[3:])}
    points = read_points(str(folder_of(tmp_path / "digits", zipped, **parts)))
    order = [3, 4, 0, 1, 2] if not points.train[0] else [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(points.x, IMAGES[order] / np.float32(255))
    assert points.shape == (4, 3) and points.y.tolist() == LABELS[order].tolist()
    assert points.train.tolist() == [k < 3 for k in order]


def test_one_part_alone_is_all_there_is(tmp_path):
    assert read_points(str(folder_of(tmp_path / "digits", train=(IMAGES, LABELS)))).train is None
    named = folder_of(tmp_path / "others", left=(IMAGES, LABELS), right=(IMAGES, LABELS))
    assert read_idx_folder(named).train is None and len(read_idx_folder(named).y) == 10


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_number_is_read_as_it_was_written(kind):
    values = np.array([[-1.5, 0], [3, 100]]) if kind > 12 else np.array([[0, 1], [3, 100]])
    found = read_idx(idx(values, kind), "a file")
    assert found.tolist() == values.tolist() and found.dtype.isnative


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (idx(IMAGES)[:-1], LABELS, r"must hold 76 bytes for an array \(5, 4, 3\), got 75"),
        (idx(IMAGES) + b"\0", LABELS, "must hold 76 bytes .*, got 77"),
        (idx(IMAGES)[:9], LABELS, "must hold the lengths of 3 sides, it ends after 9 bytes"),
        (b"\x89PNG" + idx(IMAGES)[4:], LABELS, "must be an IDX file, it begins with 89504e47"),
        (b"\0\0\x0a\x03" + idx(IMAGES)[4:], LABELS, "must be an IDX file"),
        (b"", LABELS, "it begins with nothing"),
        (b"\0\0\x08\x03" + b"\xff" * 12, LABELS, "must hold"),
        (IMAGES, LABELS[:4], "has 5 images and .* 4 labels"),
        (IMAGES, idx(LABELS)[:-2], "labels-idx1-ubyte must hold 13 bytes"),
        (IMAGES, LABELS + 7, "y must be classes"),
        (IMAGES[:0], LABELS[:0], "no side empty"),
    ],
)
def test_damaged_files_are_one_line(tmp_path, images, labels, message):
    with pytest.raises(ValueError, match=message) as error:
        read_points(str(folder_of(tmp_path / "digits", train=(images, labels))))
    assert "\n" not in str(error.value)


def test_parts_of_other_shapes_are_one_line(tmp_path):
    parts = {"train": (IMAGES, LABELS), "t10k": (IMAGES[:, :3], LABELS)}
    with pytest.raises(ValueError, match=r"images of one shape, got \(3, 3\) and \(4, 3\)"):
        read_idx_folder(folder_of(tmp_path / "digits", **parts))


@pytest.mark.parametrize("damage", [lambda data: data[:20], lambda data: b"no gzip", lambda data: data[:-9] + b"x" * 9])
def test_a_damaged_gzip_file_is_one_line(tmp_path, damage):
    path = folder_of(tmp_path / "digits", True, train=(IMAGES, LABELS)) / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="train-images-idx3-ubyte cannot be read"):
        read_idx_folder(path.parent)


@pytest.mark.parametrize("missing", ["train-labels-idx1-ubyte", "train-images-idx3-ubyte"])
def test_files_that_are_missing_are_one_line(tmp_path, missing):
    folder = folder_of(tmp_path / "digits", train=(IMAGES, LABELS))
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=r"must hold IDX files \*images-idx3-ubyte and \*labels-idx1-ubyte, got train"):
        read_points(str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="got nothing"):
        read_points(str(tmp_path / "empty"))


def test_mnist_is_named_by_a_path_or_the_environment_and_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.delenv(mnist.VARIABLE, raising=False)
    with pytest.raises(ValueError, match=f"data.path or in the environment's {mnist.VARIABLE}; nothing is downloaded"):
        read_points("mnist")
    with pytest.raises(ValueError, match=r"data.path must be a folder .*, found none at .*nowhere"):
        read_points("mnist", str(tmp_path / "nowhere"))
    monkeypatch.setenv(mnist.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=f"{mnist.VARIABLE} must be a folder"):
        read_points("mnist")
    monkeypatch.setenv(mnist.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte") as error:
        read_points("mnist")
    assert "\n" not in str(error.value)


def test_other_digits_are_not_called_mnist(tmp_path):
    folder = folder_of(tmp_path / "digits", train=(IMAGES, LABELS), t10k=(IMAGES, LABELS))
    with pytest.raises(ValueError, match="is not the official file: its SHA-256 differs; if it is meant, name the"):
        read_points("mnist", str(folder))
    assert read_points(str(folder)).shape == (4, 3)


@pytest.mark.skipif(mnist.VARIABLE not in os.environ, reason=f"{mnist.VARIABLE} names no folder")
def test_mnist_is_the_official_one():
    points = read_points("mnist")
    assert points.x.shape == (70_000, 28, 28) and points.classes == 10 and points.train[:60_000].all()
    assert points.train.sum() == 60_000 and (points.x.min(), points.x.max()) == (0, 1)
    assert float(points.x[points.train].mean()) == pytest.approx(0.1306604, abs=1e-6)
    assert np.bincount(points.y[~points.train]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
