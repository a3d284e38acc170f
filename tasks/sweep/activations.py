"""Stage `activations`: signals S_l of every layer for one checkpoint and one law's atoms."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import torch

from ib_core.networks.passes import noisy_passes
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, to_rows, vectors, write_table
from tasks.sweep.data import Law, law_of
from tasks.sweep.training import Training, checkpoint

SECONDS_PER_VALUE = 25e-9  # one signal value: propagated, written, hashed


@dataclass(frozen=True, eq=False)
class Activations(Recipe):
    """The stored passes of every atom: the pooled ones of the estimator, whose own are propagated where needed.

    Attributes:
        network: whose signals they are.
        law: whose atoms are propagated.
        epoch: of the checkpoint.
        stored_passes: of each atom.
    """

    stage: ClassVar[str] = "activations"
    network: Training
    law: Law
    epoch: int
    stored_passes: int

    @property
    def label(self) -> str:
        return f"{self.network.label}/e{self.epoch:07d}/{self.law.label}"

    def cost(self) -> Cost:
        values = self.law.of.n_atoms * self.stored_passes * sum(self.network.hidden)
        return Cost(SECONDS_PER_VALUE * values, 5.0 * values)

    def build(self, out: Path) -> None:
        """Write layer_<l>.parquet (a row per atom and pass) and readout.parquet (P(correct) of each atom)."""
        torch.set_num_threads(1)
        law = law_of(self.law)
        network = checkpoint(self.network, self.epoch)
        passes = noisy_passes(network, law.atoms, self.stored_passes, self.network.seed, "stored")
        for layer, signals in enumerate(passes.signals, start=1):
            # Noise does not compress.
            write_table(out / _layer_name(layer), _rows(signals), compression="none")
        correct = (passes.logits.argmax(axis=2) == law.labels[:, None]).mean(axis=1)
        write_table(
            out / "readout.parquet", pa.table({"atom": np.arange(len(correct), dtype=np.int32), "correct": correct})
        )


def signals_of(activations: Activations, layer: int) -> np.ndarray:
    """Stored signals of a layer, (N, n_passes, d) float32."""
    table = read_table(activations.file(_layer_name(layer)))
    n = int(table["atom"].to_numpy().max()) + 1
    signals = to_rows(table["signal"])
    return signals.reshape(n, -1, signals.shape[1])


def readout_of(activations: Activations) -> np.ndarray:
    """P(correct read-out) of every atom over its stored passes, (N,)."""
    return read_table(activations.file("readout.parquet"))["correct"].to_numpy()


def _layer_name(layer: int) -> str:
    return f"layer_{layer}.parquet"


def _rows(signals: np.ndarray) -> pa.Table:
    """One row per atom and pass of signals (N, n_passes, d)."""
    n, n_passes, d = signals.shape
    return pa.table(
        {
            "atom": np.repeat(np.arange(n, dtype=np.int32), n_passes),
            "pass": np.tile(np.arange(n_passes, dtype=np.int32), n),
            "signal": vectors(signals.reshape(-1, d)),
        }
    )
