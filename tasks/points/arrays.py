"""Points from an .npz file of numpy arrays."""

import zipfile
from pathlib import Path

import numpy as np

from ib_core.laws.points import Points
from ib_core.members import listed
from tasks.store.errors import said

WANTED = "x and y, with weights and train (true where a point is for training) if there are, or x_train, y_train, "
WANTED += "x_test and y_test"


def read_arrays(path: Path) -> Points:
    """The points of an .npz file, whose arrays have the names of the attributes of `Points`, or come in two parts.

    Raises:
        ValueError: it cannot be read, or has other arrays.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise ValueError("it holds a single array without a name")
        with found as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} must be an .npz file of arrays of numbers: {_first_line(error)}") from error
    if {"x_train", "y_train", "x_test", "y_test"} <= arrays.keys():
        parts = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
        shapes = [x.shape[1:] for x, _ in parts]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{path}: x_train and x_test must hold points of one shape, got {shapes[0]}, {shapes[1]}")
        train = np.repeat([True, False], [len(x) for x, _ in parts])
        x, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        return _points(path, x, y, None, train)
    others = arrays.keys() - {"x", "y", "weights", "train"}
    if others or not {"x", "y"} <= arrays.keys():
        raise ValueError(f"{path} must hold {WANTED}, got {listed(sorted(arrays))}")
    return _points(path, arrays["x"], arrays["y"], arrays.get("weights"), arrays.get("train"))


def _points(path: Path, *parts: np.ndarray | None) -> Points:
    try:
        return Points(*parts)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _first_line(error: BaseException) -> str:
    if "pickle" in str(error):  # numpy takes whatever it does not know for that, and advises to trust it
        return "it holds something else"
    return said(error)
