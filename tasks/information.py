"""Stage `information`: sample propagation for one layer of one checkpoint, under all laws that share its atoms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from ib_core import attribution, coupling
from ib_core.input_law import InputLaw
from ib_core.sample_propagation import LayerInformation, layer_information
from tasks.activations import read_signals
from tasks.store import Result
from tasks.tables import read_law, write_table

# "predicted" is the first order of "change", "divergence" what it is short of: D(P'_T || P_T).
ATTRIBUTION = [
    "epsilon",
    *(f"{part}{end}" for part in ("change", "predicted", "divergence", "mass", "mixing") for end in ("", "_stderr")),
]


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write what one cell knows, in nats.

    estimates.parquet: law, quantity and estimator. attribution.parquet: where the change of each law comes from.
    pointwise.parquet: i(x) under the first law. steps.parquet, for moved atoms: how far their signals moved.

    The laws are the columns of one cell: one evaluation of the kernel and the same draws serve them all, so a deviation
    from the first law (`dI_X_T`) has the standard error of a difference on common draws.
    """
    torch.set_num_threads(1)
    laws = [read_law(inputs[f"law {name}"].file("law.parquet")) for name in settings["laws"]]
    stored, fresh = read_signals(inputs["activations"], settings["layer"])
    parts = [attribution.parts(laws[0].weights, law.weights) for law in laws[1:]]
    # Mass that leaves and mass that arrives are columns too. They enter times eps, so that they may err more, and many
    # laws move the same mass: rounded, such columns are equal and counted once.
    moving = [np.round(part, 15) for each in parts for part in (each.removed, each.added)]
    loose = [settings["target_stderr"] / max(each.epsilon, 1e-9) for each in parts for _ in range(2)]
    information = layer_information(
        stored,
        settings["beta"],
        weights=np.stack([*(law.weights for law in laws), *moving], axis=1),
        labels=laws[0].labels,
        fresh=fresh,
        target_stderr=np.array([settings["target_stderr"]] * len(laws) + loose),
        max_draws=settings["max_draws"],
        seed=settings["seed"],
        device=settings.get("device"),
    )
    estimates = _estimates(information, settings["laws"])
    sizes = {"n_atoms": stored.shape[0], "n_passes": stored.shape[1], "draws": information.draws}
    write_table(out / "estimates.parquet", estimates.assign(**sizes))
    origins = _origins(information, laws, settings["laws"], parts)
    write_table(out / "attribution.parquet", origins)
    i, stderr = (np.ascontiguousarray(part[:, 0]) for part in (information.pointwise, information.pointwise_stderr))
    write_table(out / "pointwise.parquet", pa.table({"atom": np.arange(len(i)), "pointwise": i, "stderr": stderr}))
    if "reference activations" in inputs:
        reference, _ = read_signals(inputs["reference activations"], settings["layer"])
        moved = coupling.steps(reference, stored, laws[0].weights)
        write_table(out / "steps.parquet", pd.DataFrame([{"law": settings["laws"][0], **moved._asdict()}]))


def _estimates(information: LayerInformation, names: list[str]) -> pd.DataFrame:
    """One row for each law, quantity and estimator."""
    rows: list[dict[str, Any]] = []
    for k, law in enumerate(names):

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
    return pd.DataFrame(rows)


def _origins(
    information: LayerInformation, laws: list[InputLaw], names: list[str], parts: list[attribution.Parts]
) -> pd.DataFrame:
    """One row for each law but the first: its change as predicted - divergence, and as mass + mixing."""
    reference, i, errors = laws[0].weights, information.pointwise[:, 0], information.pointwise_stderr[:, 0]
    rows = []
    for k, (law, part) in enumerate(zip(laws[1:], parts, strict=True), start=1):
        removed = len(laws) + 2 * (k - 1)
        mass = {removed: -part.epsilon, removed + 1: part.epsilon}
        moved = law.weights != reference
        error = np.sqrt(float(np.square((law.weights - reference)[moved]) @ np.square(errors[moved])))
        found = {
            "change": information.difference(k, 0),
            "predicted": (attribution.first_order(i, reference, law.weights), error),
            "divergence": tuple(each[k] for each in information.output_divergence),
            "mass": information.combination(mass),
            "mixing": information.combination({k: 1.0, 0: -1.0} | {at: -share for at, share in mass.items()}),
        }
        numbers = [float(number) for estimate in found.values() for number in estimate]
        rows.append((names[k], part.epsilon, *numbers))
    return pd.DataFrame(rows, columns=["law", *ATTRIBUTION])
