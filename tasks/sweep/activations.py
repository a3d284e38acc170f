"""Stage `activations`: signals of every layer at one checkpoint, for the atoms of one law."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import torch
from scipy.special import log_softmax

from ib_core.estimators.cost import passing_seconds
from ib_core.estimators.network_layer import passes_by_block
from ib_core.mixture.signal_blocks import SignalBlocks, signal_blocks
from ib_core.networks.passes import block_of, pass_blocks
from tasks.engine.device import device_here
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, table_writer, to_rows, vectors, write_table
from tasks.sweep.laws import Law, law_of
from tasks.sweep.networks import Network, checkpoint

SECONDS_PER_VALUE = 2e-8  # one hidden value, propagated and written


@dataclass(frozen=True, eq=False)
class Activations(Recipe):
    """Noisy passes of every atom of a law: what the estimators read of layers that are not too wide to be stored.

    Attributes:
        network: whose signals they are.
        law: whose atoms are propagated.
        epoch: of the checkpoint.
        stored_passes: of each atom.
        widest: layers of more units are not stored, but propagated anew where they are needed,
            each time with the same bits. `signals_by_block` gives either a block of atoms at a time.
        device: "cuda" where a card propagates them, with noise of its own.
    """

    stage: ClassVar[str] = "activations"
    network: Network
    law: Law
    epoch: int
    stored_passes: int
    widest: int
    device: str | None = None

    @property
    def on_card(self) -> bool:
        return self.device is not None

    @property
    def label(self) -> str:
        return f"{self.network.label}/e{self.epoch:07d}/{self.law.key}"

    def width(self, layer: int) -> int:
        return self.network.hidden[layer - 1]

    def is_wide(self, layer: int) -> bool:
        """Whether the signals of a layer are too many to be stored."""
        return self.width(layer) > self.widest

    def passes(self, layer: int) -> int:
        """Stored passes of an atom: the first layer is a function of X."""
        return 1 if layer == 1 else self.stored_passes

    def cost(self) -> Cost:
        n, passes = self.law.n_atoms, self.stored_passes
        written = sum(
            n * self.passes(layer) * width
            for layer, width in enumerate(self.network.hidden, start=1)
            if not self.is_wide(layer)
        )
        # Atoms pass in whole blocks.
        hidden, products = self.network.hidden, self.network.design.products
        block = block_of(passes, hidden)
        seconds = passing_seconds(-(-n // block) * block * passes, hidden, products, SECONDS_PER_VALUE)
        return Cost(0.03 + seconds, 5.0 * written)

    def build(self, out: Path) -> None:
        """Write layer_<l>.parquet (a row per atom and pass), readout.parquet (P(correct) and loss of each atom) and
        power.parquet (of each layer, the largest mean square of a coordinate in any pass of any atom), block by block.
        """
        torch.set_num_threads(1)
        law, network = law_of(self.law), checkpoint(self.network, self.epoch)
        correct, losses, powers = [], [], []
        kept = [layer for layer in range(1, network.hidden + 1) if not self.is_wide(layer)]
        with ExitStack() as files:
            # Noise does not compress.
            writers = {
                layer: files.enter_context(table_writer(out / _layer_name(layer), compression="none")) for layer in kept
            }
            for first, signals, logits in pass_blocks(
                network, law.atoms, self.stored_passes, self.network.seed, "stored", device_here(self.device)
            ):
                for layer, writer in writers.items():
                    writer(_rows(signals[layer - 1], first))
                labels = law.labels[first : first + len(logits)]
                correct.append((logits.argmax(axis=2) == labels[:, None]).mean(axis=1))
                powers.append([float(np.square(each, dtype=np.float64).mean(axis=2).max()) for each in signals])
                losses.append(_losses(logits, labels))
        found, (loss, stderr) = np.concatenate(correct), np.concatenate(losses, axis=1)
        atoms = {"atom": np.arange(len(found), dtype=np.int32), "correct": found}
        write_table(out / "readout.parquet", pa.table(atoms | {"loss": loss, "loss_stderr": stderr}))
        layers = np.arange(1, network.hidden + 1)
        write_table(out / "power.parquet", pa.table({"layer": layers, "power": np.max(powers, axis=0)}))


def signals_of(activations: Activations, layer: int) -> np.ndarray:
    """Stored signals of a layer, (N, n_passes, d) float32."""
    table = read_table(activations.file(_layer_name(layer)), columns=["signal"])
    signals = to_rows(table["signal"])
    return signals.reshape(activations.law.n_atoms, -1, signals.shape[1])


def signals_by_block(activations: Activations, layer: int) -> SignalBlocks:
    """The same signals a block of atoms at a time: read where they are stored, otherwise propagated anew."""
    if not activations.is_wide(layer):
        return signal_blocks(signals_of(activations, layer), "signals", "(N, n_passes, d)")
    network, atoms = checkpoint(activations.network, activations.epoch), law_of(activations.law).atoms
    count, device = activations.passes(layer), device_here(activations.device)
    return passes_by_block(network, layer, atoms, count, activations.network.seed, "stored", device)


def readout_of(activations: Activations) -> np.ndarray:
    """P(correct read-out) of every atom over its stored passes, (N,)."""
    return read_table(activations.file("readout.parquet"))["correct"].to_numpy()


def losses_of(activations: Activations) -> tuple[np.ndarray, np.ndarray]:
    """Mean cross-entropy of every atom over its stored passes, nats, and its standard error, each (N,)."""
    table = read_table(activations.file("readout.parquet"), columns=["loss", "loss_stderr"])
    return table["loss"].to_numpy(), table["loss_stderr"].to_numpy()


def power_of(activations: Activations) -> np.ndarray:
    """The largest mean square of a coordinate in any stored pass of any atom, of each layer (L,)."""
    return read_table(activations.file("power.parquet"))["power"].to_numpy()


def _losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean and standard error (2, n) over passes of -ln p(y) of the softmax of logits (n, n_passes, classes)."""
    n, n_passes, _ = logits.shape
    loss = -log_softmax(logits.astype(float), axis=2)[np.arange(n), :, labels]
    stderr = loss.std(axis=1, ddof=1) / np.sqrt(n_passes) if n_passes > 1 else np.full(n, np.nan)
    return np.stack([loss.mean(axis=1), stderr])


def _layer_name(layer: int) -> str:
    return f"layer_{layer}.parquet"


def _rows(signals: np.ndarray, first: int) -> pa.Table:
    """One row per atom and pass of signals (n, n_passes, d) of the atoms from `first` on."""
    n, n_passes, d = signals.shape
    return pa.table(
        {
            "atom": np.repeat(np.arange(first, first + n, dtype=np.int32), n_passes),
            "pass": np.tile(np.arange(n_passes, dtype=np.int32), n),
            "signal": vectors(signals.reshape(-1, d)),
        }
    )
