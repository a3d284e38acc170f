"""Stages `reference` and `laws`: the law of the points that are measured, and its shifts with their distances."""

import hashlib
import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from ib_core.laws.divergences import divergences, n_union
from ib_core.laws.family import FAMILIES, shifted
from ib_core.laws.input_law import InputLaw, entropy
from ib_core.members import did_you_mean, listed
from tasks.engine.fingerprint import Definition, has_source
from tasks.engine.recipe import NOT_IDENTITY, Cost, Recipe
from tasks.store.laws import read_law, write_law
from tasks.store.parquet import read_frame, read_table, write_table
from tasks.sweep.data import DataSet, Part, points_of

REFERENCE = "reference"
ROUNDING = 1e-12  # of sums of weights


@dataclass(frozen=True)
class Column:
    """A column of numbers, an array (N,), as a parameter of a family: what stands in a file is part of the law.

    Attributes:
        sha256: digest of the numbers; None where there was nothing to read.
        file: "path#column" of a Parquet or CSV file.
    """

    sha256: str | None
    file: str = field(kw_only=True, metadata=NOT_IDENTITY)


@dataclass(frozen=True)
class Shifts:
    """A family of shifts and its sizes.

    Attributes:
        metric: that the sizes are in, where it is not the family's own.
    """

    family: str
    sizes: tuple[float, ...]
    metric: str | None = None

    @property
    def unit(self) -> str:
        """What the sizes are distances in, or "severity"."""
        return self.metric or FAMILIES.find(self.family).metric


@dataclass(frozen=True, eq=False)
class Law(Recipe):
    """A law of the input on finitely many atoms.

    Attributes:
        part: of the points, which the atoms of its reference are.
        n_atoms: how many these are.
        shape: of an atom.
    """

    part: Part
    n_atoms: int
    shape: tuple[int, ...]

    @property
    def label(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """What it is called in the tables: "contamination/0.1", "test/contamination/0.1"."""
        return name_in(self.part.name, self.title)

    @property
    @abstractmethod
    def title(self) -> str:
        """Which law of its part: "contamination/0.1"."""

    @property
    @abstractmethod
    def kind(self) -> Literal["reference", "reweighted", "moved"]:
        """Where it stands, on the atoms of the reference or on others."""

    @property
    def values(self) -> int:
        """Numbers in all atoms."""
        return self.n_atoms * math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Reference(Law):
    """The law that others are held against: some points of a data set, with their weights.

    Attributes:
        data: the points.
    """

    stage: ClassVar[str] = "reference"
    kind: ClassVar[Literal["reference"]] = "reference"
    title: ClassVar[str] = REFERENCE
    data: DataSet

    def cost(self) -> Cost:
        return Cost(0.1 + 1e-7 * self.values, 8.0 * self.values)

    def build(self, out: Path) -> None:
        """Write law.parquet (a row for each atom) and law.json (its entropy)."""
        points = points_of(self.data)
        law = points.law(self.part.rows(points))
        write_law(out / "law.parquet", law)
        _write_facts(out, law, law, 0.0)


@dataclass(frozen=True, eq=False)
class Shifted(Law):
    """A shift of the reference law.

    Attributes:
        reference: the law that is shifted.
        family: of the shift.
        size: of the shift, above 0.
        metric: that the size is in, where it is not the family's own.
        parameters: further arguments of the family, numbers and `Column`.
    """

    stage: ClassVar[str] = "laws"
    reference: Reference
    family: str
    size: float
    metric: str | None
    parameters: Mapping[str, Any]

    @property
    def title(self) -> str:
        return law_name(self.family, self.size)

    @property
    def members(self) -> tuple[Definition, ...]:
        return (family_place(self.family),)

    @property
    def kind(self) -> Literal["reweighted", "moved"]:
        return "moved" if FAMILIES.find(self.family).moves_atoms else "reweighted"

    def cost(self) -> Cost:
        moved = self.values if self.kind == "moved" else 0
        memory = 3e8 + 40.0 * self.values + 16e8 * min(1.0, (self.n_atoms / 5000) ** 2)
        # Distances are those of a transport between all atoms, or of a coupling where they are more.
        seconds = 0.05 + 1.5 * min(1.0, (self.n_atoms / 5000) ** 2) + 2e-6 * moved
        return Cost(seconds, 8.0 * (moved + self.n_atoms), memory, "data.atoms")

    def build(self, out: Path) -> None:
        """Write law.parquet (a row for each atom; its place only where the law has atoms of its own) and law.json
        (entropy, distances and how each was obtained)."""
        reference = law_of(self.reference)
        law, parameter = shifted(self.family, reference, self.size, metric=self.metric, **self.arguments())
        if self.kind == "moved":
            write_law(out / "law.parquet", law)
        else:
            write_table(out / "law.parquet", pa.table({"weight": law.weights}))
        _write_facts(out, reference, law, parameter)

    def arguments(self) -> dict[str, Any]:
        """Further arguments of the family, files read."""
        return {name: _read(value) if isinstance(value, Column) else value for name, value in self.parameters.items()}


def _write_facts(out: Path, reference: InputLaw, law: InputLaw, parameter: float) -> None:
    facts: dict[str, Any] = {
        "parameter": parameter if math.isfinite(parameter) else None,
        "n_atoms": len(law.atoms),
        "n_union": n_union(reference, law),
        "entropy": law.entropy,
        "label_entropy": entropy(np.bincount(law.labels, law.weights)),
        **moving_label(reference, law),
    }
    for name, distance in divergences(reference, law)._asdict().items():
        # JSON has no infinity; null stands for it and the tables turn it back.
        facts[name] = distance.value if distance.value < float("inf") else None
        facts[f"{name}_how"] = distance.how
    (out / "law.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def moving_label(reference: InputLaw, law: InputLaw) -> dict[str, Any]:
    """The label whose probability rises most, `p_label` after and `p_label_before` the shift; the commonest one where
    none rises by more than rounding does."""
    n = 1 + int(max(reference.labels.max(), law.labels.max()))
    before, after = (np.bincount(each.labels, each.weights, minlength=n) for each in (reference, law))
    rise = np.where(after - before > ROUNDING, after - before, 0.0)
    label = int((rise if rise.any() else before).argmax())
    return {"label": label, "p_label": float(after[label]), "p_label_before": float(before[label])}


def law_name(family: str, size: float) -> str:
    """How a shifted law is called: "contamination/0.1"."""
    return f"{family}/{size!r}"


def name_in(part: str, title: str) -> str:
    """The name of a law among those of all parts: its title where all points are measured, else the part before it."""
    return title if part == "all" else f"{part}/{title}"


def law_of(recipe: Law) -> InputLaw:
    """The stored law."""
    path = recipe.file("law.parquet")
    if isinstance(recipe, Shifted) and recipe.kind == "reweighted":
        return law_of(recipe.reference).reweighted(read_table(path)["weight"].to_numpy())
    return _read_atoms(path, path.stat().st_mtime_ns, recipe.shape)


def weights_of(recipe: Law) -> np.ndarray:
    """The weights (N,) of its atoms."""
    return read_table(recipe.file("law.parquet"), columns=["weight"])["weight"].to_numpy()


def labels_of(recipe: Law) -> np.ndarray:
    """The labels (N,) of its atoms, of a law with atoms of its own."""
    return read_table(recipe.file("law.parquet"), columns=["label"])["label"].to_numpy()


def law_facts(recipe: Law) -> dict[str, Any]:
    """Entropy, distances from the reference and how each was obtained."""
    facts = json.loads(recipe.file("law.json").read_text(encoding="utf-8"))
    return facts | {name: math.inf for name in ("kl", "parameter") if facts[name] is None}


@lru_cache(maxsize=2)
def _read_atoms(path: Path, _: int, shape: tuple[int, ...]) -> InputLaw:
    """Atoms are read once for the many laws of a cell that share them."""
    law = read_law(path)
    return InputLaw(law.atoms, law.weights, law.labels, shape)


def family_place(name: str) -> Definition:
    """The module and the name of a family's function, whose code identifies its laws.

    Raises:
        ValueError: there is no file of code.
    """
    module = FAMILIES.find(name).apply.__module__
    if not has_source(module):
        raise ValueError(f"the module {module} must be a Python file, as its code identifies the laws")
    return FAMILIES.place(name)


def read_column(place: str) -> np.ndarray:
    """The column (N,) float64 of "path#column", a Parquet or CSV file.

    Raises:
        ValueError: the file cannot be read, or has no such column of numbers.
    """
    path, _, column = place.rpartition("#")
    if not path:
        raise ValueError(f"a file must be given as path#column, got {place!r}")
    table = read_frame(Path(path))
    if column not in table:
        close = did_you_mean(column, map(str, table))
        raise ValueError(f"{path} has no column {column!r}{close}, only {listed(table)}")
    values = table[column]
    found = values.dtype if values.ndim == 1 else "several columns of that name"
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"{path}: the column {column!r} must hold numbers, found {found}")
    return values.to_numpy(np.float64, na_value=np.nan)


def is_column(value: Any) -> bool:
    """Whether a parameter is given as path#column of a file."""
    return isinstance(value, str) and "#" in value


def column(place: str) -> Column:
    """The column with its digest, so that a change of its numbers is a change of the law."""
    try:
        return Column(hashlib.sha256(read_column(place).tobytes()).hexdigest(), file=place)
    except ValueError:
        return Column(None, file=place)


def _read(wanted: Column) -> np.ndarray:
    if column(wanted.file) != wanted:
        raise RuntimeError(f"{wanted.file} changed while the run was going on: start it again")
    return read_column(wanted.file)
