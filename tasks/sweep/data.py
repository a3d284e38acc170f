"""Stage `data`: the reference law and its shifts, each with its distances from the reference."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ib_core.laws.divergences import divergences, n_union
from ib_core.laws.family import find_family, shifted
from ib_core.laws.input_law import InputLaw
from ib_core.laws.source import ROOM, Source, source
from ib_core.members import place
from tasks.engine.fingerprint import Definition, has_source
from tasks.engine.recipe import Cost, Recipe
from tasks.store.laws import read_law, write_law
from tasks.store.parquet import read_table

REFERENCE = "reference"


@dataclass(frozen=True)
class Column:
    """A column of numbers, an array (N,), as a parameter of a family: what stands in a file is part of the law.

    Attributes:
        file: "path#column" of a Parquet or CSV file.
        sha256: digest of the numbers; None where there was nothing to read.
    """

    file: str
    sha256: str | None


@dataclass(frozen=True)
class Shifts:
    """A family of shifts and its sizes, in the metric of the family."""

    family: str
    sizes: tuple[float, ...]

    @property
    def metric(self) -> str:
        return find_family(self.family).metric


@dataclass(frozen=True, eq=False)
class Law(Recipe):
    """The law of a source, or a shift of it; size 0 of every family is the reference itself.

    Attributes:
        source: where the reference law comes from.
        family: of the shift; None for the reference.
        size: of the shift, in the metric of its family.
        parameters: further arguments of the family, numbers and `Column`.
    """

    stage: ClassVar[str] = "data"
    source: str
    family: str | None = None
    size: float = 0.0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return REFERENCE if self.family is None else law_name(self.family, self.size)

    @property
    def members(self) -> tuple[Definition, ...]:
        chosen = (place(ROOM, self.source),)
        return chosen if self.family is None else (*chosen, family_place(self.family))

    @property
    def of(self) -> Source:
        """The source."""
        return source(self.source)

    @property
    def kind(self) -> str:
        """ "reference", "reweighted" (on its atoms) or "moved" (on other atoms)."""
        if self.family is None:
            return REFERENCE
        return "moved" if find_family(self.family).moves_atoms else "reweighted"

    def cost(self) -> Cost:
        return Cost(0.1 if self.family is None else 3.0, 5e5)

    def build(self, out: Path) -> None:
        """Write law.parquet (one row per atom) and law.json (entropy, distances and how each was obtained)."""
        reference = self.of.law()
        given: dict[str, Any] = {
            key: _read(value) if isinstance(value, Column) else value for key, value in self.parameters.items()
        }
        law, parameter = shifted(self.family or REFERENCE, reference, self.size, **given)
        write_law(out / "law.parquet", law)
        facts: dict[str, Any] = {
            "parameter": parameter if math.isfinite(parameter) else None,
            "n_atoms": len(law.atoms),
            "n_union": n_union(reference, law),
            "entropy": law.entropy,
            "p_label_1": float(law.weights @ (law.labels == 1)),
        }
        for name, distance in divergences(reference, law)._asdict().items():
            # JSON has no infinity; null stands for it and the tables turn it back.
            facts[name] = distance.value if distance.value < float("inf") else None
            facts[f"{name}_how"] = distance.how
        (out / "law.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def law_name(family: str, size: float) -> str:
    """How a shifted law is called: "contamination/0.1"."""
    return f"{family}/{size!r}"


def law_of(recipe: Law) -> InputLaw:
    """The stored law."""
    return read_law(recipe.file("law.parquet"))


def law_facts(recipe: Law) -> dict[str, Any]:
    """Entropy, distances from the reference and how each was obtained."""
    facts = json.loads(recipe.file("law.json").read_text(encoding="utf-8"))
    return facts | {name: math.inf for name in ("kl", "parameter") if facts[name] is None}


def family_place(name: str) -> Definition:
    """The module and the name of a family's function, whose code identifies its laws.

    Raises:
        ValueError: there is no file of code.
    """
    apply = find_family(name).apply
    if not has_source(apply.__module__):
        raise ValueError(f"the module {apply.__module__} must be a Python file, as its code identifies the laws")
    return apply.__module__, apply.__name__


def read_column(place: str) -> np.ndarray:
    """The column (N,) float64 of "path#column", a Parquet or CSV file.

    Raises:
        ValueError: the file cannot be read, or has no such column of numbers.
    """
    path, _, column = place.rpartition("#")
    if not path:
        raise ValueError(f"a file must be given as path#column, got {place!r}")
    try:
        table = pd.read_csv(path) if path.endswith(".csv") else read_table(Path(path)).to_pandas()
    except Exception as error:  # readers raise their own types for what is no table
        raise ValueError(f"{path} must be a Parquet or CSV file: {str(error).partition(chr(10))[0]}") from error
    if column not in table:
        raise ValueError(f"{path} has no column {column!r}, only {', '.join(map(str, table))}")
    values = table[column]
    found = values.dtype if values.ndim == 1 else "several columns of that name"
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(f"{path}: the column {column!r} must hold numbers, found {found}")
    return values.to_numpy(np.float64, na_value=np.nan)


def column(place: str) -> Column:
    """The column with its digest, so that a change of its numbers is a change of the law."""
    try:
        return Column(place, hashlib.sha256(read_column(place).tobytes()).hexdigest())
    except ValueError:
        return Column(place, None)


def _read(wanted: Column) -> np.ndarray:
    if column(wanted.file) != wanted:
        raise RuntimeError(f"{wanted.file} changed while the run was going on: start it again")
    return read_column(wanted.file)
