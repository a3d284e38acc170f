"""Stage `activations`: signals S_l of every layer for one checkpoint and one law's atoms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ib_core.networks.mlp import NoisyNetwork
from ib_core.networks.passes import noisy_passes
from tasks.store import Result
from tasks.tables import read_law, read_table, to_rows, vectors, write_table
from tasks.training import checkpoint_name, load_network


def layer_name(layer: int) -> str:
    return f"layer_{layer}.parquet"


def network_of(settings: dict[str, Any], training: Result) -> tuple[NoisyNetwork, int]:
    """The network of a checkpoint at `settings["epoch"]`, and the seed of its passes."""
    trained = training.manifest["recipe"]["settings"]
    return load_network(training.file(checkpoint_name(settings["epoch"])), trained), trained["seed"]


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write layer_<l>.parquet (one row per atom and pass) and readout.parquet (P(correct) per atom over all passes).

    These are the pooled passes of the estimator. Its own passes, which are many, are propagated where they are needed.
    """
    torch.set_num_threads(1)
    network, seed = network_of(settings, inputs["network"])
    law = read_law(inputs["law"].file("law.parquet"))
    passes = noisy_passes(network, law.atoms, settings["stored_passes"], seed, "stored")
    for layer, signals in enumerate(passes.signals, start=1):
        # Noise does not compress.
        write_table(out / layer_name(layer), _rows(signals), compression="none")
    correct = (passes.logits.argmax(axis=2) == law.labels[:, None]).mean(axis=1)
    write_table(
        out / "readout.parquet", pa.table({"atom": np.arange(len(correct), dtype=np.int32), "correct": correct})
    )


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


def read_signals(activations: Result, layer: int) -> np.ndarray:
    """Stored signals of a layer, (N, n_passes, d) float32."""
    table = read_table(activations.file(layer_name(layer)))
    n = int(table["atom"].to_numpy().max()) + 1
    signals = to_rows(table["signal"])
    return signals.reshape(n, -1, signals.shape[1])
