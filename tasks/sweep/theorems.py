"""Every theorem held against every measured deviation."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ib_core import bounds
from ib_core.estimate import WIDTH
from ib_core.laws.coupling import Steps
from tasks.sweep import collect
from tasks.sweep.data import REFERENCE

COLUMNS = [
    *(*collect.COORDINATES, "theorem", "concerns", "bound", "measured", "measured_stderr"),
    *("slack", "cap", "vacuous", "holds", "tightest", "lower", "upper", "monte_carlo", "note"),
]

# Said outright, for a table without a row, where every reference cell failed; `holds` is null where none measured it.
TYPES = {
    **dict.fromkeys(
        ("beta", "size", "bound", "measured", "measured_stderr", "slack", "cap", "lower", "upper", "monte_carlo"), float
    ),
    **dict.fromkeys(("seed", "epoch", "layer"), int),
    **{"vacuous": bool, "holds": "boolean", "tightest": bool},
}

CERTIFIED = "from both ends of i(x), widened by three standard errors"
DELTA = 0.05  # probability that a bound on one estimate may fail


class Theorem(NamedTuple):
    """What a theorem allows a deviation, nats.

    A certificate also encloses I(X';T_l) itself, and says how much of its bound is Monte Carlo. A bound on the channel
    of the stored passes is held against its change, not against the bracket of the true one.
    """

    bound: float
    note: str
    lower: float = math.nan
    upper: float = math.nan
    monte_carlo: float = math.nan
    of_stored: bool = False


class Network(NamedTuple):
    """What the theorems know of the networks of a sweep: widths of the hidden layers, and half of their activation's
    range, None where it has no end."""

    hidden: tuple[int, ...]
    half_width: float | None


class Clean(NamedTuple):
    """i(x) of a layer under the reference law, from above with its errors and from below, that law, each (N,), and the
    bracket of its information."""

    pointwise: np.ndarray
    stderr: np.ndarray
    low: np.ndarray
    weights: np.ndarray
    bracket: tuple[float, float]


def clean_layers(
    information: pd.DataFrame, pointwise: Mapping[tuple, tuple[np.ndarray, ...]], weights: np.ndarray
) -> dict[tuple, Clean]:
    """What is known of every layer under the reference law, by beta, seed, epoch and layer."""
    rows = information[(information["shift"] == REFERENCE) & (information.quantity == "I_X_T")]
    rows = rows[(rows.estimator == "upper") & (rows.status == "ok")].set_index(list(collect.PLACE))
    ends = {place: (float(row.lower), float(row.upper)) for place, row in rows.iterrows()}
    return {place: Clean(upper, stderr, low, weights, ends[place]) for place, (upper, stderr, low) in pointwise.items()}


def tv_theorems(epsilon: float, n: int, capacity: float, how: str, clean: Clean | None) -> dict[str, Theorem]:
    """Every theorem for TV(P, P') = epsilon; `clean` where P' has the atoms of P."""
    found = {
        "tv_seed": Theorem(bounds.tv_seed(epsilon, n), f"TV {how}, N = {n}"),
        "tv_capacity": Theorem(bounds.tv_capacity(epsilon, capacity), f"C = {capacity:.4g} nats"),
        "tv_golden": Theorem(math.inf, "the law has other atoms"),
    }
    if clean is not None:
        found["tv_golden"] = _certified(bounds.tv_certificate, epsilon, clean)
    return found


def _certified(certificate: Any, size: float, clean: Clean) -> Theorem:
    """A certificate from i(x); Monte Carlo is what it adds for errors, and what noise adds to an extreme."""
    if size == 0:
        return Theorem(0.0, "no shift", *clean.bracket, monte_carlo=0.0)
    proven = certificate(size, clean.pointwise, clean.stderr, clean.weights, low=clean.low, reference=clean.bracket)
    monte_carlo = min(proven.widening + proven.inflation, proven.deviation)
    return Theorem(proven.deviation, CERTIFIED, proven.lower, proven.upper, monte_carlo)


def directional_theorems(
    p: np.ndarray, q: np.ndarray, capacity: float, change: tuple[float, float], origin: Any
) -> dict[str, Theorem]:
    """What the removed and the added part allow: the bound in the direction of the change, or the larger one."""
    found = {"tv_directional": bounds.tv_directional(p, q, capacity)}
    if origin is not None:
        removed, added = ((origin[f"{part}_low"], origin[f"{part}_high"]) for part in ("removed", "added"))
        found["tv_directional_measured"] = bounds.tv_directional_measured(origin["epsilon"], removed, added)
    notes = {
        "tv_directional": "from H of the removed and the added part",
        "tv_directional_measured": "from the brackets of what the removed and the added part know",
    }
    theorems = {}
    for name, (low, high) in found.items():
        side = "fall" if change[1] < 0 else "rise" if change[0] > 0 else "either"
        bound = {"fall": -low, "rise": high, "either": max(-low, high)}[side]
        theorems[name] = Theorem(max(bound, 0.0), f"{notes[name]}; fall {-low:.4g}, rise {high:.4g}, here {side}")
    return theorems


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
        found["kl_pointwise"] = Theorem(pointwise, "from i(x) from above, its range widened by three standard errors")
        found["kl_golden"] = _certified(bounds.golden_certificate, kappa, clean)
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
        note = f"after the fact, from the signals under common noises; {note}"
        found["wasserstein_coupled"] = Theorem(coupled, note, of_stored=True)
    return found


def estimation_theorems(
    weights: np.ndarray, n_passes: int, d: int, beta: float, layer: int, half_width: float | None
) -> dict[str, Theorem]:
    """Bounds on the expected error of the plug-in beside its Monte Carlo error; none but two without a box."""
    risk = bounds.estimation_risk(weights, n_passes, d, beta, layer, half_width)
    joint = bounds.enumerated_risk(weights, n_passes, d, beta, layer, half_width)
    found = {
        "estimation_risk": Theorem(risk, "inputs enumerated, passes pooled"),
        "enumerated_risk": Theorem(joint, "the same with both entropies at once"),
    }
    if half_width is not None:
        n, unit = len(weights), beta / half_width
        joint = bounds.sampled_risk(n, n_passes, d, beta, layer, half_width)
        found["sampled_risk"] = Theorem(joint, f"were the {n} inputs drawn from the law; without a capacity")
        sampled = bounds.information_risk(n, n_passes, d, beta, half_width)
        found["information_risk"] = Theorem(sampled, f"were the {n} inputs drawn from the law")
        printed = bounds.information_risk_printed(bounds.risk_bounded_printed(n, d, unit), n, d, unit)
        found["information_risk_printed"] = Theorem(printed, f"as published, for {n} inputs with as many passes each")
        slides = bounds.information_risk_slides(1 / math.sqrt(2) + 1 / unit, n, d, unit)
        found["information_risk_slides"] = Theorem(slides, "a misprint of 8 c^d, no bound; here to be compared")
    return found


def bounds_table(
    network: Network,
    information: pd.DataFrame,
    laws: pd.DataFrame,
    history: pd.DataFrame,
    weights: Mapping[str, np.ndarray],
    clean: Mapping[tuple, Clean],
    steps: Mapping[tuple, Steps],
    attribution: pd.DataFrame,
) -> pd.DataFrame:
    """One row for each deviation (and each plug-in estimate) and theorem, vacuous ones included.

    A bound that `concerns` "deviation" limits |I(X';T_l) - I(X;T_l)|, "estimation" E|I_SP - I| under the row's law, and
    "shifted_estimate" |I(X';T_l) - I_SP| for the estimate under the reference law. `measured` is the middle of the
    bracket of the change and three times `measured_stderr` half its width: a bound is violated where all of the bracket
    lies beyond it. A bound on the channel of the stored passes is held against the change of their plug-in.
    """
    half_width = network.half_width
    constants = history.set_index(["beta", "seed", "epoch"]).lipschitz
    places = {(law.shift, law.size): law for law in laws.itertuples()}
    coordinates = collect.COORDINATES
    changes = information[(information.quantity == "dI_X_T") & (information.status == "ok")]
    changes = changes[changes["shift"] != REFERENCE]
    stored = changes[changes.estimator == "plug_in"].set_index(coordinates)[["value", "stderr"]]
    origins = {tuple(row[key] for key in coordinates): row for row in attribution.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for deviation in changes[changes.estimator == "bracket"].to_dict("records"):
        law = places[deviation["shift"], deviation["size"]]
        layer, beta, seed, epoch = (deviation[key] for key in ("layer", "beta", "seed", "epoch"))
        place = {key: deviation[key] for key in coordinates}
        widths = network.hidden[:layer]
        capacity = bounds.layer_capacity(widths, beta, half_width)
        known = clean.get((beta, seed, epoch, layer)) if law.kind != "moved" else None
        lipschitz = constants[beta, seed, epoch][layer - 1]
        walk = steps.get((law.law, beta, seed, epoch, layer))
        deviations = {
            **tv_theorems(law.tv, law.n_union, capacity, law.tv_how, known),
            **kl_theorems(law.kl, law.n_union, capacity, known),
            **wasserstein_theorems(law, walk, widths[-1], beta, lipschitz, layer, half_width),
        }
        if law.kind == "reweighted":
            change = deviation["lower"], deviation["upper"]
            origin = origins.get(tuple(place.values()))
            deviations |= directional_theorems(weights[REFERENCE], weights[law.law], capacity, change, origin)
        n_passes, d = deviation["n_passes"], widths[-1]
        estimations = estimation_theorems(weights[law.law], n_passes, d, beta, layer, half_width)
        smallest = min(deviations, key=lambda name: deviations[name].bound)
        least = deviations[smallest].bound
        risk = estimations["enumerated_risk"].bound
        passes = bounds.shift_and_passes(least, weights[REFERENCE], n_passes, d, beta, layer, half_width, DELTA)
        sums = {
            "shift_and_risk": Theorem(least + risk, f"{smallest} + enumerated_risk, in expectation, on clean data"),
            "shift_and_passes": Theorem(passes, f"{smallest} + passes, with probability {1 - DELTA:g}, on clean data"),
        }
        cap = min(math.log(law.n_atoms), capacity)
        measured = {False: (abs(deviation["value"]), deviation["stderr"])}
        if tuple(place.values()) in stored.index:
            value, stderr = stored.loc[tuple(place.values())]
            measured[True] = abs(float(value)), float(stderr)
        for concerns, theorems in (
            ("deviation", deviations),
            ("estimation", estimations),
            ("shifted_estimate", sums),
        ):
            for name, theorem in theorems.items():
                found = measured[theorem.of_stored] if concerns == "deviation" else None
                tightest = concerns == "deviation" and theorem.bound == least
                rows.append({**place, **_row(name, concerns, theorem, cap, found), "tightest": tightest})
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
        "holds": None if measured is None else value - WIDTH * stderr <= theorem.bound,
        "lower": theorem.lower,
        "upper": theorem.upper,
        "monte_carlo": theorem.monte_carlo,
        "note": theorem.note,
    }


WORST_CASE = [
    *("network", "beta", "seed", "epoch", "layer", "metric", "size", "reference", "reference_stderr"),
    *("largest", "largest_stderr", "rise", "rise_stderr", "smallest", "smallest_stderr", "fall", "fall_stderr"),
    *("lower", "upper", "seed_form", "capacity_form", "pointwise_form", "golden_form", "bound", "theorem", "cap"),
    *("vacuous", "holds", "channel_reference", "channel_largest", "gap", "iterations", "tv", "kl", "reached", "law"),
]
# Said outright for a table without a row.
WORST_CASE_TYPES = (
    dict.fromkeys(WORST_CASE, float)
    | dict.fromkeys(("network", "metric", "theorem", "law"), object)
    | dict.fromkeys(("seed", "epoch", "layer", "iterations"), int)
    | dict.fromkeys(("vacuous", "holds", "reached"), bool)
)


def worst_case_table(network: Network, found: pd.DataFrame, clean: Mapping[tuple, Clean]) -> pd.DataFrame:
    """One row for each layer and ball: the measured extremes, what is certain of them, and the bounds at its radius."""
    half_width = network.half_width
    rows = []
    for row in found.to_dict("records"):
        capacity = bounds.layer_capacity(network.hidden[: row["layer"]], row["beta"], half_width)
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
        excess = max(row["rise"] - WIDTH * row["rise_stderr"], row["fall"] - WIDTH * row["fall_stderr"])
        forms = {f"{name.split('_')[1]}_form": theorem.bound for name, theorem in theorems.items()}
        ends = {"lower": certificate.lower, "upper": certificate.upper}
        state = {"bound": bound, "theorem": smallest, "cap": cap, "vacuous": bound >= cap, "holds": excess <= bound}
        rows.append({**row, **forms, **ends, **state})
    return pd.DataFrame(rows, columns=WORST_CASE).astype(WORST_CASE_TYPES)
