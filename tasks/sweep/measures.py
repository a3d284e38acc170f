"""Stage `measures`: what else the settings ask of a layer, under all laws on its atoms."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch

from ib_core.estimators.measure import MEASURES
from tasks.engine.fingerprint import Definition
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, write_table
from tasks.sweep.activations import Activations, signals_of
from tasks.sweep.laws import Law, law_of
from tasks.sweep.networks import level_of

SECONDS_PER_VALUE = 50e-9  # one signal value under one law; a measure may take any time


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

    def cost(self) -> Cost:
        width = self.activations.network.hidden[self.layer - 1]
        values = self.activations.law.n_atoms * self.activations.stored_passes * width
        return Cost(SECONDS_PER_VALUE * values * len(self.laws), 5e3)

    def build(self, out: Path) -> None:
        """Write measures.parquet: law, quantity, value.

        Raises:
            TypeError: the measure is not a number.
        """
        torch.set_num_threads(1)
        signals, beta = signals_of(self.activations, self.layer), level_of(self.activations.network, self.layer)
        apply = MEASURES.find(self.measure).apply
        rows = [
            {"law": name, "quantity": quantity, "value": float(value)}
            for name, law in self.laws.items()
            for quantity, value in apply(signals, law_of(law), beta).items()
        ]
        write_table(out / "measures.parquet", pd.DataFrame(rows, columns=["law", "quantity", "value"]))


def measured_rows(unit: Measured) -> pd.DataFrame:
    """The stored numbers of one measure."""
    return read_table(unit.file("measures.parquet")).to_pandas().assign(measure=unit.measure)
