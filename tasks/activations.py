"""Stage `activations`: signals S_l of every layer for one checkpoint and one law's atoms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ib_core.noisy_network import noisy_passes
from tasks.store import Result
from tasks.tables import read_law, read_table, to_rows, vectors, write_table
from tasks.training import checkpoint_name, load_network

# Stored passes are the mixture of the SP estimator; fresh ones, independent of them, give its held-out lower end.
PURPOSES = ("stored", "fresh")


def layer_name(layer: int) -> str:
    return f"layer_{layer}.parquet"


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write layer_<l>.parquet (one row per atom and pass) and readout.parquet (P(correct) per atom over all passes)."""
    torch.set_num_threads(1)
    training = inputs["network"].manifest["recipe"]["settings"]
    network = load_network(inputs["network"].file(checkpoint_name(settings["epoch"])), training)
    law = read_law(inputs["law"].file("law.parquet"))
    passes = [
        noisy_passes(network, law.atoms, settings[f"{purpose}_passes"], training["seed"], purpose)
        for purpose in PURPOSES
    ]
    for index in range(len(passes[0].signals)):
        tables = [
            _rows(family.signals[index], purpose == "fresh") for purpose, family in zip(PURPOSES, passes, strict=True)
        ]
        # Noise does not compress.
        write_table(out / layer_name(index + 1), pa.concat_tables(tables), compression="none")
    logits = np.concatenate([family.logits for family in passes], axis=1)
    correct = (logits.argmax(axis=2) == law.labels[:, None]).mean(axis=1)
    write_table(
        out / "readout.parquet", pa.table({"atom": np.arange(len(correct), dtype=np.int32), "correct": correct})
    )


def _rows(signals: np.ndarray, fresh: bool) -> pa.Table:
    """One row per atom and pass of signals (N, n_passes, d)."""
    n, n_passes, d = signals.shape
    return pa.table(
        {
            "atom": np.repeat(np.arange(n, dtype=np.int32), n_passes),
            "pass": np.tile(np.arange(n_passes, dtype=np.int32), n),
            "fresh": np.full(n * n_passes, fresh),
            "signal": vectors(signals.reshape(-1, d)),
        }
    )


def read_signals(activations: Result, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Stored and fresh signals of a layer, each (N, n_passes, d) float32."""
    table = read_table(activations.file(layer_name(layer)))
    n = int(table["atom"].to_numpy().max()) + 1
    fresh = table["fresh"].to_numpy()
    signals = to_rows(table["signal"])
    stored, fresh = signals[~fresh], signals[fresh]
    return stored.reshape(n, -1, stored.shape[1]), fresh.reshape(n, -1, fresh.shape[1])
