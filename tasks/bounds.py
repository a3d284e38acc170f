"""Stage `bounds`: the tidy tables of a sweep, and every theorem held against every measured deviation."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ib_core import bounds
from ib_core.coupling import Steps
from ib_core.noisy_network import HALF_WIDTH
from tasks import collect
from tasks.bottleneck import bottleneck_table
from tasks.store import Result, copy_file
from tasks.tables import SweepTables, read_law, write_tables

COLUMNS = [
    *("sweep", *collect.COORDINATES, "theorem", "concerns", "bound", "measured", "measured_stderr"),
    *("slack", "cap", "vacuous", "holds", "tightest", "lower", "upper", "note"),
]

# Said outright, for a table without a row, where every reference cell failed; `holds` is null where none measured it.
TYPES = {
    **dict.fromkeys(("beta", "size", "bound", "measured", "measured_stderr", "slack", "cap", "lower", "upper"), float),
    **dict.fromkeys(("seed", "epoch", "layer"), int),
    **{"vacuous": bool, "holds": "boolean", "tightest": bool},
}

CERTIFIED = "of the channel made of the stored passes; widened by three standard errors of i(x)"


class Theorem(NamedTuple):
    """What a theorem allows a deviation, nats; a certificate also encloses I(X';T_l) itself."""

    bound: float
    note: str
    lower: float = math.nan
    upper: float = math.nan


class Clean(NamedTuple):
    """The pointwise information i(x) of a layer under the reference law with its errors, and that law; each (N,)."""

    pointwise: np.ndarray
    stderr: np.ndarray
    weights: np.ndarray


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write the tables of `SweepTables` as Parquet and CSV, config.yaml, and the maximising laws under worst_case/.

    `settings` holds the resolved sweep and the coordinates of its laws, networks, activations, cells and failed cells,
    each under the name that its result has in `inputs`.
    """
    config = settings["config"]
    laws = collect.laws(settings, inputs)
    information = collect.information(settings, inputs, laws)
    history = collect.history(settings, inputs)
    weights = {name: read_law(inputs[f"law {name}"].file("law.parquet")).weights for name in settings["laws"]}
    clean = {place: Clean(*found, weights["reference"]) for place, found in collect.pointwise(settings, inputs).items()}
    steps = collect.steps(settings, inputs)
    tables = SweepTables(
        sweep=config["name"],
        config=config,
        information=information,
        bounds=bounds_table(config["network"], information, laws, history, weights, clean, steps),
        attribution=collect.attribution(settings, inputs),
        worst_case=worst_case_table(config["network"], collect.worst_case(settings, inputs), clean),
        bottleneck=bottleneck_table(config["data"]["source"], read_law(inputs["law reference"].file("law.parquet"))),
        laws=laws,
        history=history.drop(columns="lipschitz"),
        signals=collect.signals(settings, inputs),
    )
    write_tables(tables, out)
    for name in settings["worst_cases"]:
        found = out / "worst_case" / collect.law_file(name)
        found.parent.mkdir(exist_ok=True)
        copy_file(inputs[f"worst case {name}"].file("laws.parquet"), found)


def tv_theorems(epsilon: float, n: int, capacity: float, how: str, clean: Clean | None) -> dict[str, Theorem]:
    """Every theorem for TV(P, P') = epsilon; `clean` where P' has the atoms of P."""
    found = {
        "tv_seed": Theorem(bounds.tv_seed(epsilon, n), f"TV {how}, N = {n}"),
        "tv_capacity": Theorem(bounds.tv_capacity(epsilon, capacity), f"C = {capacity:.4g} nats"),
        "tv_golden": Theorem(math.inf, "the law has other atoms"),
    }
    if clean is not None:
        proven = bounds.tv_certificate(epsilon, clean.pointwise, clean.stderr, clean.weights)
        found["tv_golden"] = Theorem(proven.deviation, CERTIFIED, proven.lower, proven.upper)
    return found


def kl_theorems(kappa: float, n: int, capacity: float, clean: Clean | None) -> dict[str, Theorem]:
    """Every theorem for D(P' || P) = kappa; `clean` where P' has the atoms of P."""
    found = {
        "kl_seed": Theorem(bounds.kl_seed(kappa, n), "supports differ" if math.isinf(kappa) else "KL exact"),
        "kl_capacity": Theorem(bounds.kl_capacity(kappa, capacity), f"C = {capacity:.4g} nats"),
        "kl_pointwise": Theorem(math.inf, "the law has other atoms"),
        "kl_golden": Theorem(math.inf, "the law has other atoms"),
    }
    if clean is not None and not math.isinf(kappa):
        pointwise = bounds.kl_pointwise(kappa, clean.pointwise, clean.weights, clean.stderr)
        proven = bounds.golden_certificate(kappa, clean.pointwise, clean.stderr, clean.weights)
        found["kl_pointwise"] = Theorem(pointwise, CERTIFIED)
        found["kl_golden"] = Theorem(proven.deviation, CERTIFIED, proven.lower, proven.upper)
    return found


def wasserstein_theorems(
    law: Any, steps: Steps | None, d: int, beta: float, lipschitz: float, layer: int, half_width: float | None
) -> dict[str, Theorem]:
    """Every theorem for a distance that the inputs, or by `steps` the signals, have moved."""
    deep = layer >= 2
    found = {
        "wasserstein": Theorem(
            bounds.wasserstein(law.w1, law.w2, d, beta, lipschitz, layer, half_width),
            f"W2 {law.w2_how}; Lipschitz product {lipschitz:.4g}",
        )
    }
    if half_width is not None:
        older = bounds.polyanskiy_wu(lipschitz * (law.w2 + deep * law.w1), d, beta, half_width)
        found["polyanskiy_wu"] = Theorem(older, "for comparison: the W2 form with an older constant")
    if steps is not None:
        coupled = bounds.wasserstein_coupled(steps, d, beta, layer, half_width)
        note = "exact" if layer == 1 else "exact for the channel made of the stored passes"
        found["wasserstein_coupled"] = Theorem(coupled, f"after the fact, from the signals under common noises; {note}")
    return found


def estimation_theorems(
    weights: np.ndarray, n_passes: int, d: int, beta: float, layer: int, half_width: float | None
) -> dict[str, Theorem]:
    """Bounds on the expected error of the plug-in beside its Monte Carlo error; none but the first without a box."""
    risk = bounds.estimation_risk(weights, n_passes, d, beta, layer, half_width)
    found = {"estimation_risk": Theorem(risk, "inputs enumerated, passes pooled")}
    if half_width is not None:
        n, unit = len(weights), beta / half_width
        sampled = bounds.information_risk(n, n_passes, d, beta, half_width)
        found["information_risk"] = Theorem(sampled, f"were the {n} inputs drawn from the law")
        printed = bounds.information_risk_printed(bounds.risk_bounded_printed(n, d, unit), n, d, unit)
        found["information_risk_printed"] = Theorem(printed, f"as published, for {n} inputs with as many passes each")
        slides = bounds.information_risk_slides(1 / math.sqrt(2) + 1 / unit, n, d, unit)
        found["information_risk_slides"] = Theorem(slides, "a misprint of 8 c^d, no bound; here to be compared")
    return found


def bounds_table(
    network: dict[str, Any],
    information: pd.DataFrame,
    laws: pd.DataFrame,
    history: pd.DataFrame,
    weights: Mapping[str, np.ndarray],
    clean: Mapping[tuple, Clean],
    steps: Mapping[tuple, Steps],
) -> pd.DataFrame:
    """One row for each deviation (and each plug-in estimate) and theorem, vacuous ones included.

    A bound that `concerns` "deviation" limits |I(X';T_l) - I(X;T_l)|, "estimation" E|I_SP - I| under the row's law, and
    "shifted_estimate" E|I(X';T_l) - I_SP| for the estimate under the reference law. Theorems on channels hold for the
    layer and for the channel made of its stored passes, whose information the plug-in measures.
    """
    half_width = HALF_WIDTH[network["activation"]]
    constants = history.set_index(["beta", "seed", "epoch"]).lipschitz
    places = {(law.shift, law.size): law for law in laws.itertuples()}
    chosen = (information.quantity == "dI_X_T") & (information.estimator == "plug_in") & (information.status == "ok")
    rows: list[dict[str, Any]] = []
    for deviation in information[chosen & (information["shift"] != "reference")].to_dict("records"):
        law = places[deviation["shift"], deviation["size"]]
        layer, beta, seed, epoch = (deviation[key] for key in ("layer", "beta", "seed", "epoch"))
        widths = network["widths"][:layer]
        capacity = bounds.layer_capacity(widths, beta, half_width)
        known = clean.get((beta, seed, epoch, layer)) if law.kind != "moved" else None
        lipschitz = constants[beta, seed, epoch][layer - 1]
        walk = steps.get((law.law, beta, seed, epoch, layer))
        deviations = {
            **tv_theorems(law.tv, law.n_union, capacity, law.tv_how, known),
            **kl_theorems(law.kl, law.n_union, capacity, known),
            **wasserstein_theorems(law, walk, widths[-1], beta, lipschitz, layer, half_width),
        }
        estimations = estimation_theorems(weights[law.law], deviation["n_passes"], widths[-1], beta, layer, half_width)
        smallest = min(deviations, key=lambda name: deviations[name].bound)
        both = deviations[smallest].bound + estimations["estimation_risk"].bound
        sums = {"shift_and_risk": Theorem(both, f"{smallest} + estimation_risk, for the estimate on clean data")}
        place = {key: deviation[key] for key in ("sweep", *collect.COORDINATES)}
        cap = min(math.log(law.n_atoms), capacity)
        for concerns, theorems in (
            ("deviation", deviations),
            ("estimation", estimations),
            ("shifted_estimate", sums),
        ):
            measured = (abs(deviation["value"]), deviation["stderr"]) if concerns == "deviation" else None
            for name, theorem in theorems.items():
                tightest = concerns == "deviation" and theorem.bound == deviations[smallest].bound
                rows.append({**place, **_row(name, concerns, theorem, cap, measured), "tightest": tightest})
    return pd.DataFrame(rows, columns=COLUMNS).astype(TYPES)


def _row(
    name: str, concerns: str, theorem: Theorem, cap: float, measured: tuple[float, float] | None
) -> dict[str, Any]:
    """A theorem held against what is measured, if anything is."""
    value, stderr = measured or (math.nan, math.nan)
    return {
        "theorem": name,
        "concerns": concerns,
        "bound": theorem.bound,
        "measured": value,
        "measured_stderr": stderr,
        "slack": theorem.bound - value,
        "cap": cap,
        "vacuous": theorem.bound >= cap,
        "holds": None if measured is None else value - 3 * stderr <= theorem.bound,
        "lower": theorem.lower,
        "upper": theorem.upper,
        "note": theorem.note,
    }


WORST_CASE = [
    *("sweep", "network", "beta", "seed", "epoch", "layer", "metric", "size", "reference", "reference_stderr"),
    *("largest", "largest_stderr", "rise", "rise_stderr", "smallest", "smallest_stderr", "fall", "fall_stderr"),
    *("lower", "upper", "seed_form", "capacity_form", "pointwise_form", "golden_form", "bound", "theorem", "cap"),
    *("vacuous", "holds", "channel_reference", "channel_largest", "gap", "iterations", "tv", "kl", "law"),
]
# Said outright for a table without a row.
WORST_CASE_TYPES = (
    dict.fromkeys(WORST_CASE, float)
    | dict.fromkeys(("sweep", "network", "metric", "theorem", "law"), object)
    | dict.fromkeys(("seed", "epoch", "layer", "iterations"), int)
    | dict.fromkeys(("vacuous", "holds"), bool)
)


def worst_case_table(network: dict[str, Any], found: pd.DataFrame, clean: Mapping[tuple, Clean]) -> pd.DataFrame:
    """One row for each layer and ball: the measured extremes, what is certain of them, and the bounds at its radius."""
    half_width = HALF_WIDTH[network["activation"]]
    rows = []
    for row in found.to_dict("records"):
        capacity = bounds.layer_capacity(network["widths"][: row["layer"]], row["beta"], half_width)
        known = clean.get((row["beta"], row["seed"], row["epoch"], row["layer"]))
        if known is None:
            continue  # the cell of the reference failed, without which no certificate is known
        n = len(known.weights)
        if row["metric"] == "tv":
            # Of a ball only TV <= size is known.
            theorems = tv_theorems(min(row["size"], 1 - 1 / n), n, capacity, "at most the size", known)
        else:
            theorems = kl_theorems(row["size"], n, capacity, known)
        smallest = min(theorems, key=lambda name: theorems[name].bound)
        bound, cap = theorems[smallest].bound, min(math.log(n), capacity)
        certificate = theorems[f"{row['metric']}_golden"]
        excess = max(row["rise"] - 3 * row["rise_stderr"], row["fall"] - 3 * row["fall_stderr"])
        forms = {f"{name.split('_')[1]}_form": theorem.bound for name, theorem in theorems.items()}
        ends = {"lower": certificate.lower, "upper": certificate.upper}
        state = {"bound": bound, "theorem": smallest, "cap": cap, "vacuous": bound >= cap, "holds": excess <= bound}
        rows.append({**row, **forms, **ends, **state})
    return pd.DataFrame(rows, columns=WORST_CASE).astype(WORST_CASE_TYPES)
