"""Stage `bounds`: the tidy tables of a sweep, and every theorem held against every measured deviation."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ib_core import bounds
from ib_core.noisy_network import HALF_WIDTH
from tasks import collect
from tasks.store import Result
from tasks.tables import SweepTables, read_law, write_tables

COLUMNS = [
    *("sweep", *collect.COORDINATES, "theorem", "concerns", "bound", "measured", "measured_stderr"),
    *("slack", "cap", "vacuous", "holds", "tightest", "note"),
]

# Said outright, for a table without a row, where every reference cell failed.
TYPES = {
    **dict.fromkeys(("beta", "size", "bound", "measured", "measured_stderr", "slack", "cap"), float),
    **dict.fromkeys(("seed", "epoch", "layer"), int),
    **dict.fromkeys(("vacuous", "holds", "tightest"), bool),
}


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write information, bounds, laws, history and signals as Parquet and CSV, and config.yaml.

    `settings` holds the resolved sweep and the coordinates of its laws, networks, activations, cells and failed cells,
    each under the name that its result has in `inputs`.
    """
    laws = collect.laws(settings, inputs)
    information = collect.information(settings, inputs, laws)
    history = collect.history(settings, inputs)
    weights = {name: read_law(inputs[f"law {name}"].file("law.parquet")).weights for name in settings["laws"]}
    tables = SweepTables(
        sweep=settings["config"]["name"],
        config=settings["config"],
        information=information,
        bounds=bounds_table(settings["config"]["network"], information, laws, history, weights),
        laws=laws,
        history=history.drop(columns="lipschitz"),
        signals=collect.signals(settings, inputs),
    )
    write_tables(tables, out)


def bounds_table(
    network: dict[str, Any],
    information: pd.DataFrame,
    laws: pd.DataFrame,
    history: pd.DataFrame,
    weights: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """One row for each deviation (and each plug-in estimate) and theorem, vacuous ones included."""
    half_width = HALF_WIDTH[network["activation"]]
    constants = history.set_index(["beta", "seed", "epoch"]).lipschitz
    places = laws.set_index(["shift", "size"])
    chosen = (information.quantity == "dI_X_T") & (information.estimator == "plug_in") & (information.status == "ok")
    rows: list[dict[str, Any]] = []
    for deviation in information[chosen & (information["shift"] != "reference")].to_dict("records"):
        law = places.loc[(deviation["shift"], deviation["size"])]
        layer, beta = deviation["layer"], deviation["beta"]
        widths = network["widths"][:layer]
        capacity = bounds.layer_capacity(widths, beta, half_width)
        cap = min(math.log(law.n_atoms), capacity)
        lipschitz = constants[beta, deviation["seed"], deviation["epoch"]][layer - 1]
        distance = bounds.wasserstein(law.w1, law.w2, widths[-1], beta, lipschitz, layer, half_width)
        deviations = {
            "tv_seed": (bounds.tv_seed(law.tv, law.n_union), f"TV {law.tv_how}, N = {law.n_union}"),
            "tv_capacity": (bounds.tv_capacity(law.tv, capacity), f"C = {capacity:.4g} nats"),
            "kl_seed": (bounds.kl_seed(law.kl, law.n_union), "supports differ" if math.isinf(law.kl) else "KL exact"),
            "kl_capacity": (bounds.kl_capacity(law.kl, capacity), f"C = {capacity:.4g} nats"),
            "wasserstein": (distance, f"W2 {law.w2_how}; Lipschitz product {lipschitz:.4g}"),
        }
        measured, stderr = abs(deviation["value"]), deviation["stderr"]
        smallest = min(bound for bound, _ in deviations.values())
        place = {key: deviation[key] for key in ("sweep", *collect.COORDINATES)}
        rows += [
            {
                **place,
                "theorem": theorem,
                "concerns": "deviation",
                "bound": bound,
                "measured": measured,
                "measured_stderr": stderr,
                "slack": bound - measured,
                "cap": cap,
                "vacuous": bound >= cap,
                "holds": measured - 3 * stderr <= bound,
                "tightest": bound == smallest,
                "note": note,
            }
            for theorem, (bound, note) in deviations.items()
        ]
        risk = bounds.estimation_risk(weights[law.law], deviation["n_passes"], widths[-1], beta, layer, half_width)
        rows.append(
            {
                **place,
                "theorem": "estimation_risk",
                "concerns": "estimation",
                "bound": risk,
                "measured": math.nan,
                "measured_stderr": math.nan,
                "slack": math.nan,
                "cap": cap,
                "vacuous": risk >= cap,
                "holds": True,
                "tightest": False,
                "note": "expected error of the plug-in beside its Monte Carlo error",
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)
