"""Where points come from: a source of the house, a function of the user's, or a file."""

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ib_core.laws.points import Points
from ib_core.laws.source import SOURCES, Source
from ib_core.members import listed, own_member
from tasks.points.arrays import read_arrays
from tasks.points.idx import read_idx_folder
from tasks.points.mnist import mnist_folder, read_mnist
from tasks.points.tables import read_points_table

MNIST = "mnist"
READERS: Mapping[str, Callable[[Path], Points]] = {
    ".npz": read_arrays,
    ".parquet": read_points_table,
    ".csv": read_points_table,
}
FORMS = f"a file {', '.join(READERS)}, a folder of IDX files, or module:function of your own"


def built_in() -> tuple[str, ...]:
    """Names of the sources of the house."""
    return tuple(sorted([*SOURCES.names, MNIST]))


def is_file(source: str, folder: Path = Path()) -> bool:
    """Whether a source is named by the path of a file or folder, relative to `folder`."""
    if source in built_in():
        return False
    try:
        return source.endswith(tuple(READERS)) or "/" in source or (folder / source).is_dir()
    except OSError:  # the name is too long
        return False


def read_points(source: str, path: str | None = None) -> Points:
    """All points of a source.

    Args:
        source: name of one of the house, path of a file or of a folder of IDX files, or `module:function` of a user's
            own, which returns x, y and perhaps weights, a mapping of these, or `Points`.
        path: folder of MNIST's files.

    Raises:
        KeyError: there is no such source; the message says what would be one.
        ValueError: what it gives is no data set.
    """
    if source == MNIST:
        return _from_file(str(mnist_folder(path)), _state(mnist_folder(path)), True)
    if is_file(source):
        return _from_file(source, _state(Path(source)), False)
    found = SOURCES.find(source) if source in SOURCES.names else own_member(source)
    if isinstance(found, Source):
        return found.points()
    if not callable(found):
        raise KeyError(f"a function that returns x, y and perhaps weights, got {source!r}, a {type(found).__name__}")
    return _from_function(found, source)


def soft_joint(source: str) -> np.ndarray | None:
    """The joint law (N, classes) of X and the stochastic label of a source's authors, if it has one."""
    if source not in SOURCES.names:
        return None
    made = SOURCES.find(source).soft_joint
    return None if made is None else made()


@lru_cache(maxsize=2)
def _from_file(source: str, state: Any, official: bool) -> Points:
    """The points of a file in this state, which is read once."""
    path = Path(source)
    if official:
        return read_mnist(source)
    if path.is_dir():
        return read_idx_folder(path)
    if not path.is_file():
        raise ValueError(f"found no file {source}")
    if path.suffix not in READERS:
        raise ValueError(f"{source} must be {FORMS}")
    return READERS[path.suffix](path)


def _state(path: Path) -> Any:
    """What changes when a file, or one in a folder, is written again."""
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        return tuple((each.name, each.stat().st_mtime_ns, each.stat().st_size) for each in inside)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from error


@lru_cache(maxsize=2)
def _from_function(function: Callable[[], Any], source: str) -> Points:
    """What a user's function returns, called once in a process."""
    try:
        given = function()
    except (Exception, SystemExit) as error:  # whatever a user's function raises
        raise ValueError(f"{source} raised {type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
    if isinstance(given, Points):
        return given
    names = ("x", "y", "weights", "train")
    if isinstance(given, Mapping):
        if not ({"x", "y"} <= given.keys() <= set(names)):
            raise ValueError(f"{source} must return x and y, perhaps weights and train, got {listed(given)}")
        parts = [given.get(name) for name in names]
    elif isinstance(given, tuple | list) and 2 <= len(given) <= 4:
        parts = list(given)
    else:
        raise ValueError(f"{source} must return x, y and perhaps weights, got {type(given).__name__}")
    try:
        return Points(*(_array(part) for part in parts))  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _array(values: Any) -> Any:
    """Tensors as arrays."""
    return values.detach().cpu().numpy() if hasattr(values, "detach") else values
