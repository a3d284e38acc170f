"""Stage `bracket`: the plug-in and both ends of the bracket on noisy chains of neurons whose information is known."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ib_core.channels.closed_forms import neuron_chain_bias, neuron_chain_information
from ib_core.estimators.plug_in import held_out_information, plug_in_information
from ib_core.estimators.sample_propagation import layer_information
from ib_core.streams import stream
from tasks.store import Result
from tasks.tables import write_table


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write replications.parquet: estimates of I(X; T_L) from stored passes that are new in each row, and truths, nats.

    X lies in R^d with independent coordinates, each uniform on `inputs` and sent through a chain of its own, so that
    the truth is d times that of one chain.

    `plug_in` is I_SP of the stored passes, whose standard error counts draws alone, `held_out` the plain decoder of
    them at fresh passes; `upper`, `lower` and the bracket `low` to `high` are what `layer_information` publishes from
    the same passes. `bias` is what theory says of the plug-in's, times n_x, for many passes.

    With `sampled` inputs instead of all of them, n inputs are drawn anew in each replication, as in the theorems on the
    risk; only the plug-in is made then.
    """
    torch.set_num_threads(1)
    d, beta, sampled = settings["d"], settings["beta"], settings["sampled"]
    values, chain = np.asarray(settings["inputs"], dtype=np.float64), (settings["slopes"], settings["offsets"], beta)
    every_input = np.array(list(product(values, repeat=d)))
    limits = {name: settings[name] for name in ("target_stderr", "max_draws")}
    rows = []
    for k in range(settings["replications"]):
        key = (d, repr(beta), settings["passes"], sampled or "all", k)
        generator = stream(settings["seed"], "bracket", *key)
        atoms = generator.choice(values, size=(sampled, d)) if sampled else every_input
        passes = _signals(atoms, settings["passes"], settings, generator)
        seed = int(generator.integers(2**31))
        plug_in = plug_in_information(passes, beta, seed=seed, **limits)
        row = {"replication": k, "plug_in": plug_in.value, "plug_in_stderr": plug_in.stderr}
        if not sampled:
            fresh = _signals(atoms, settings["fresh_passes"], settings, generator)
            found = layer_information(passes, beta, fresh=fresh, seed=seed, **limits)
            row |= {"held_out": held_out_information(passes, fresh, beta, seed=seed).value}
            row |= {"upper": found.upper.value, "lower": found.lower.value}  # type: ignore[union-attr]
            row |= dict(zip(("low", "high"), found.bracket, strict=True))
        rows.append(row)
    truth = d * neuron_chain_information(values, *chain)[-1]
    table = pd.DataFrame(rows).assign(truth=truth, bias=neuron_chain_bias(values, *chain, d))
    write_table(out / "replications.parquet", table)


def _signals(atoms: np.ndarray, passes: int, settings: dict[str, Any], generator: np.random.Generator) -> np.ndarray:
    """S_L of `passes` noisy passes of each atom (N, d): (N, passes, d)."""
    hidden = np.repeat(atoms[:, None], passes, axis=1)
    for layer, (slope, offset) in enumerate(zip(settings["slopes"], settings["offsets"], strict=True)):
        if layer:
            hidden = hidden + settings["beta"] * generator.standard_normal(hidden.shape)
        hidden = np.tanh(slope * hidden + offset)
    return hidden
