"""Stage `measures`: what else the settings ask of a layer, under all laws on its atoms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from ib_core.estimators.measure import MEASURES, SeenLayer
from ib_core.laws.input_law import InputLaw
from ib_core.networks.twin import clean_signals
from tasks.engine.fingerprint import Definition
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, write_table
from tasks.sweep.activations import Activations, signals_of
from tasks.sweep.laws import Law, law_of
from tasks.sweep.networks import checkpoint, facts_of

SECONDS_PER_VALUE = 50e-9  # one signal value under one law; a measure may take any time
SECONDS_PER_PAIR = 50e-9  # of atoms under one law, and as much again for every 300 units
CLEAN_BYTES = 2**28  # of the signals of the deterministic twin, at most
COLUMNS = ["law", "quantity", "at", "value", "n_atoms"]


@dataclass(frozen=True, eq=False)
class Measured(Recipe):
    """One measure of one layer of one checkpoint.

    Attributes:
        activations: stored passes.
        layer: which, from 1.
        laws: by name, on the atoms of the activations.
        measure: its name.
    """

    stage: ClassVar[str] = "measures"
    activations: Activations
    layer: int
    laws: Mapping[str, Law]
    measure: str

    @property
    def label(self) -> str:
        return f"{self.activations.label}/L{self.layer}/{self.measure}"

    @property
    def members(self) -> tuple[Definition, ...]:
        return (MEASURES.place(self.measure),)

    @property
    def possible(self) -> bool:
        """Whether there is what the measure needs."""
        return not (self.activations.is_wide(self.layer) and MEASURES.find(self.measure).needs_passes)

    def cost(self) -> Cost:
        measure, width = MEASURES.find(self.measure), self.activations.width(self.layer)
        n, passes = min(self.activations.law.n_atoms, _most_atoms(width)), self.activations.passes(self.layer)
        values = n * width * (1 + (passes if measure.needs_passes else 0))
        seconds = SECONDS_PER_VALUE * values
        if measure.of_pairs:
            seconds += SECONDS_PER_PAIR * n * n / 2 * (1 + width / 300)
        return Cost(seconds * len(self.laws), 5e3, 3e8 + 12.0 * values, "data.atoms")

    def build(self, out: Path) -> None:
        """Write measures.parquet: law, quantity, where on a curve, value, and how many atoms were seen.

        Raises:
            TypeError: the measure is not a number, or a mapping of numbers to numbers.
        """
        torch.set_num_threads(1)
        here, measure = self.activations, MEASURES.find(self.measure)
        facts, law = facts_of(here.network), law_of(here.law)
        rows = stratified(law.labels, _most_atoms(here.width(self.layer)))
        clean = clean_signals(checkpoint(here.network, here.epoch), law.atoms[rows], self.layer)
        passes = signals_of(here, self.layer)[rows] if measure.needs_passes else None
        noise, reach = facts.levels[self.layer - 1], facts.half_widths[self.layer - 1]
        found: list[dict[str, Any]] = []
        for name, each in self.laws.items():
            some = _on(law_of(each), rows)
            if some is None:
                continue
            seen = SeenLayer(clean, some, noise, reach, passes)
            values = _rows(measure.apply(seen))
            found += [dict(zip(COLUMNS, (name, *row, len(rows)), strict=True)) for row in values]
        write_table(out / "measures.parquet", pd.DataFrame(found, columns=COLUMNS))


def _rows(found: Mapping[str, float | Mapping[float, float]]) -> Iterator[tuple[str, float, float]]:
    """Quantity, place and value of every number of a measure; NaN is the place of what is no curve."""
    for quantity, values in found.items():
        curve = values if isinstance(values, Mapping) else {np.nan: values}
        yield from ((quantity, float(at), float(value)) for at, value in curve.items())


def _most_atoms(width: int) -> int:
    return max(1, CLEAN_BYTES // (4 * width))


def stratified(labels: np.ndarray, most: int) -> np.ndarray:
    """Which of the atoms (N,) are seen, in their order: all, or `most` of them, of each class its share."""
    if len(labels) <= most:
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[((np.arange(most) + 0.5) * len(labels) / most).astype(int)])


def _on(law: InputLaw, rows: np.ndarray) -> InputLaw | None:
    """The law on some of its atoms, which stand for the others of their class; None where none of them has weight."""
    if len(rows) == len(law.weights):
        return law
    labels, weights = law.labels[rows], law.weights[rows]
    size = int(law.labels.max()) + 1
    whole, here = np.bincount(law.labels, law.weights, size), np.bincount(labels, weights, size)
    scaled = weights * np.divide(whole, here, out=np.zeros(size), where=here > 0)[labels]
    return InputLaw(law.atoms[rows], scaled / scaled.sum(), labels, law.shape) if scaled.sum() > 0 else None


def measured_rows(unit: Measured) -> pd.DataFrame:
    """The stored numbers of one measure."""
    return read_table(unit.file("measures.parquet")).to_pandas().assign(measure=unit.measure)
