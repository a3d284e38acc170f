"""Stage `information`: sample propagation for one layer of one checkpoint, under all laws that share its atoms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core.sample_propagation import layer_information
from tasks.activations import read_signals
from tasks.store import Result
from tasks.tables import read_law, write_table


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write estimates.parquet (law, quantity, estimator: nats) and pointwise.parquet (i(x) under the first law).

    The laws are the columns of one cell: one evaluation of the kernel and the same draws serve them all, so a deviation
    from the first law (`dI_X_T`) has the standard error of a difference on common draws.
    """
    torch.set_num_threads(1)
    laws = [read_law(inputs[f"law {name}"].file("law.parquet")) for name in settings["laws"]]
    stored, fresh = read_signals(inputs["activations"], settings["layer"])
    information = layer_information(
        stored,
        settings["beta"],
        weights=np.stack([law.weights for law in laws], axis=1),
        labels=laws[0].labels,
        fresh=fresh,
        target_stderr=settings["target_stderr"],
        max_draws=settings["max_draws"],
        seed=settings["seed"],
    )
    rows: list[dict[str, Any]] = []
    for k, law in enumerate(settings["laws"]):

        def add(quantity: str, estimator: str, estimate: Any, low: Any = None, high: Any = None, k=k, law=law) -> None:
            value, stderr = (float(np.reshape(part, -1)[k if np.size(part) > 1 else 0]) for part in estimate)
            rows.append(
                {
                    "law": law,
                    "quantity": quantity,
                    "estimator": estimator,
                    "value": value,
                    "stderr": stderr,
                    "lower": value - 3 * stderr if low is None else low,
                    "upper": value + 3 * stderr if high is None else high,
                    "saturation": float(information.saturation[k]) if quantity == "I_X_T" else float("nan"),
                }
            )

        low, high = (end[k] for end in information.bracket)
        add("I_X_T", "plug_in", information.plug_in, low, high)
        add("I_X_T", "held_out", information.held_out, low, high)
        add("I_T_Y", "plug_in", information.label_information)
        add("I_T_Y", "held_out", information.label_information_held_out)
        add("h_T", "plug_in", information.entropy)
        add("h_T_given_X", "plug_in", information.conditional_entropy)
        add("dI_X_T", "plug_in", information.difference(k, 0))
        add("dI_X_T", "held_out", information.difference(k, 0, held_out=True))
    frame = pd.DataFrame(rows).assign(n_atoms=stored.shape[0], n_passes=stored.shape[1], draws=information.draws)
    write_table(out / "estimates.parquet", frame)
    pointwise = np.ascontiguousarray(information.pointwise[:, 0])
    write_table(out / "pointwise.parquet", pa.table({"atom": np.arange(len(pointwise)), "pointwise": pointwise}))
