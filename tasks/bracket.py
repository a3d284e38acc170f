"""Stage `bracket`: both ends of the bracket on a noisy chain of neurons whose information is known."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ib_core.closed_forms import neuron_chain_information
from ib_core.sample_propagation import layer_information
from ib_core.streams import stream
from tasks.store import Result
from tasks.tables import write_table


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write replications.parquet: plug-in and lower end of I(X; T_L) with their standard errors and the truth, nats.

    X lies in R^d with independent coordinates, each uniform on `inputs` and sent through a chain of its own, so that
    the truth is d times that of one chain. With `sampled` inputs instead of all of them, n inputs are drawn anew in
    each replication, as in the theorems on the risk; there is no lower end then.
    """
    torch.set_num_threads(1)
    d, beta, sampled = settings["d"], settings["beta"], settings["sampled"]
    values = np.asarray(settings["inputs"], dtype=np.float64)
    every_input = np.array(list(product(values, repeat=d)))
    truth = d * neuron_chain_information(values, settings["slopes"], settings["offsets"], beta)[-1]
    rows = []
    for k in range(settings["replications"]):
        key = (d, repr(beta), settings["passes"], sampled or "all", k)
        generator = stream(settings["seed"], "bracket", *key)
        atoms = generator.choice(values, size=(sampled, d)) if sampled else every_input
        fresh = None if sampled else _signals(atoms, settings["fresh_passes"], settings, generator)
        found = layer_information(
            _signals(atoms, settings["passes"], settings, generator),
            beta,
            fresh=fresh,
            target_stderr=settings["target_stderr"],
            max_draws=settings["max_draws"],
            seed=int(generator.integers(2**31)),
        )
        lower = found.lower or (np.nan, np.nan)
        rows.append(
            {
                **{"replication": k, "plug_in": found.plug_in.value, "plug_in_stderr": found.plug_in.stderr},
                **{"lower": lower[0], "lower_stderr": lower[1]},
            }
        )
    write_table(out / "replications.parquet", pd.DataFrame(rows).assign(truth=truth))


def _signals(atoms: np.ndarray, passes: int, settings: dict[str, Any], generator: np.random.Generator) -> np.ndarray:
    """S_L of `passes` noisy passes of each atom (N, d): (N, passes, d)."""
    hidden = np.repeat(atoms[:, None], passes, axis=1)
    for layer, (slope, offset) in enumerate(zip(settings["slopes"], settings["offsets"], strict=True)):
        if layer:
            hidden = hidden + settings["beta"] * generator.standard_normal(hidden.shape)
        hidden = np.tanh(slope * hidden + offset)
    return hidden
