"""Stage `data`: all points of a data set, as the networks are trained on them and laws are made of them."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ib_core.laws.points import Points, stratified
from ib_core.networks.training import split
from tasks.engine.recipe import NOT_IDENTITY, Cost, Recipe
from tasks.points.source import read_points
from tasks.store.parquet import read_table, read_vectors, table_writer, vectors

ROWS = 4096  # points that are written together
PartName = Literal["train", "test", "all"]


@dataclass(frozen=True, eq=False)
class DataSet(Recipe):
    """A data set, identified by what it holds and not by where that came from.

    Attributes:
        digest: of all points.
        n: number of points.
        shape: of one.
        classes: their number.
        official: how many of the points their authors meant to train on; None where they did not say.
        source, path: where the points come from, see `tasks.points.source.read_points`.
        shuffled: seed of the order that their labels are put into; None leaves them with their points.
    """

    stage: ClassVar[str] = "data"
    digest: str
    n: int
    shape: tuple[int, ...]
    classes: int
    official: int | None
    source: str = field(kw_only=True, metadata=NOT_IDENTITY)
    path: str | None = field(kw_only=True, metadata=NOT_IDENTITY)
    shuffled: int | None = field(default=None, kw_only=True, metadata=NOT_IDENTITY)

    @property
    def label(self) -> str:
        return "points"

    @property
    def width(self) -> int:
        """Numbers of a point."""
        return int(np.prod(self.shape))

    def cost(self) -> Cost:
        values = self.n * self.width
        return Cost(0.1 + 1e-7 * values, 4.0 * values, 3e8 + 12.0 * values, "the number of points of data.source")

    def build(self, out: Path) -> None:
        """Write points.parquet: one row for each point, with its label, weight and part where these are known.

        Raises:
            RuntimeError: the source gives other points than it did when the run was planned.
        """
        points = _read(self.source, self.path, self.shuffled)
        if digest(points) != self.digest:
            raise RuntimeError(f"the points of {self.source} changed while the run was going on: start it again")
        with table_writer(out / "points.parquet") as append:
            for first in range(0, self.n, ROWS):
                rows = slice(first, first + ROWS)
                columns = {"x": vectors(points.x[rows].reshape(-1, self.width)), "y": points.y[rows]}
                known = {"weight": points.weights, "train": points.train}
                columns |= {name: values[rows] for name, values in known.items() if values is not None}
                append(pa.table(columns))


def data_set(source: str, path: str | None, shuffled: int | None = None) -> tuple[DataSet, Points]:
    """What a source gives now, as a recipe and as points; with the seed of an order, with labels in that one."""
    points = _read(source, path, shuffled)
    official = None if points.train is None else int(points.train.sum())
    known = digest(points), len(points.y), points.shape, points.classes, official
    return DataSet(*known, source=source, path=path, shuffled=shuffled), points


def _read(source: str, path: str | None, shuffled: int | None) -> Points:
    points = read_points(source, path)
    return points if shuffled is None else points.with_shuffled_labels(shuffled)


def digest(points: Points) -> str:
    """SHA-256 of all that points hold."""
    found = hashlib.sha256()
    for part in (points.x, points.y, points.weights, points.train):
        found.update(f"{None if part is None else (part.dtype.str, part.shape)}".encode())
        if part is not None:
            found.update(np.ascontiguousarray(part).data)
    return found.hexdigest()


def points_of(data: DataSet) -> Points:
    """The stored points."""
    path = data.file("points.parquet")
    x = read_vectors(path, "x")
    names = pq.read_schema(path).names
    table = read_table(path, columns=[name for name in names if name != "x"])
    weights, train = (table[name].to_numpy() if name in table.column_names else None for name in ("weight", "train"))
    return Points(x.reshape(len(x), *data.shape), table["y"].to_numpy(), weights, train)


@dataclass(frozen=True)
class Split:
    """Which points a network is trained on: those that the authors meant, or a random part.

    Attributes:
        fraction: size of the random part; None for the authors' own.
        seed: of the random part.
    """

    fraction: float | None
    seed: int

    def rows(self, points: Points) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of the part for training and of the rest, both sorted."""
        if self.fraction is None:
            if points.train is None:
                raise ValueError("the data do not say which points are for training: give a fraction")
            return np.flatnonzero(points.train), np.flatnonzero(~points.train)
        return split(len(points.y), self.fraction, self.seed)


@dataclass(frozen=True)
class Part:
    """Which points are the atoms of the reference law.

    Attributes:
        name: "train", "test" or "all".
        split: between the first two; None for all.
        atoms: how many of them, a stratified subset; None for every one.
        seed: of the subset.
    """

    name: PartName
    split: Split | None
    atoms: int | None
    seed: int

    def rows(self, points: Points) -> np.ndarray:
        """Row numbers of the atoms, sorted.

        Raises:
            ValueError: there are fewer points than atoms are asked for, or none.
        """
        rows = np.arange(len(points.y))
        if self.split is not None:
            train, test = self.split.rows(points)
            rows = train if self.name == "train" else test
        if not len(rows):
            raise ValueError(f"the part {self.name} must have points, it has none")
        if self.atoms is None:
            return rows
        if self.atoms > len(rows):
            raise ValueError(f"atoms must be at most the {len(rows)} points of the part {self.name}, got {self.atoms}")
        return rows[stratified(points.y[rows], self.atoms, self.seed)]
