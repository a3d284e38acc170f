"""Every theorem held against every measured deviation."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Clean, PlugIn, Readout, Shift, Theorem
from ib_core.bounds.theorems import allowed, allowed_in_ball
from ib_core.estimate import Estimate, centred, holds
from ib_core.laws.coupling import Steps
from ib_core.laws.divergences import kl_divergence, total_variation
from tasks.sweep.laws import REFERENCE
from tasks.sweep.schema import CELL, CHECKPOINT, ESTIMATE, PLACE, form_column, shaped


class Layers:
    """What the theorems know of the layers of a sweep, from the table of that name."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._of = {key: rows.sort_values("layer") for key, rows in table.groupby(CHECKPOINT)}

    def at(self, place: Mapping[str, Any]) -> dict[str, Any]:
        """A layer as a case of the theorems knows it; the capacity is the smallest that caps what it knows of X."""
        rows, layer = self._of[tuple(place[key] for key in CHECKPOINT)], int(place["layer"])
        own, until = rows.iloc[layer - 1], rows.iloc[:layer]
        return {
            **{"layer": layer, "d": int(own["d"]), "beta": float(own["noise"])},
            "half_width": None if math.isnan(own["half_width"]) else float(own["half_width"]),
            "capacity": bounds.layer_capacity(until["capacity"].tolist(), until["cut"].tolist()[:-1]),
        }

    def last(self, place: Mapping[str, Any]) -> int:
        """The number of the last layer."""
        return int(self._of[tuple(place[key] for key in CHECKPOINT)]["layer"].max())

    def lipschitz(self, place: Mapping[str, Any]) -> float:
        """Of X -> S_l; infinite where nothing is known."""
        found = float(self._of[tuple(place[key] for key in CHECKPOINT)].iloc[int(place["layer"]) - 1]["lipschitz"])
        return math.inf if math.isnan(found) else found


LAYER = ("layer", "d", "beta", "half_width")  # of a case that knows no capacity


def clean_layers(
    information: pd.DataFrame, pointwise: Mapping[tuple, tuple[np.ndarray, ...]], weights: Mapping[str, np.ndarray]
) -> dict[tuple, Clean]:
    """What is known of every layer under the reference law, by its cell.

    Args:
        weights: of the reference law of each split.
    """
    rows = information[(information["shift"] == REFERENCE) & (information.quantity == "I_X_T")]
    rows = rows[(rows.estimator == "upper") & (rows.status == "ok")].set_index(CELL)
    ends = {cell: (float(row.lower), float(row.upper)) for cell, row in rows.iterrows()}
    split = CELL.index("split")
    return {
        cell: Clean(upper, stderr, low, weights[cell[split]], ends[cell])
        for cell, (upper, stderr, low) in pointwise.items()
    }


def bounds_table(
    sweep: str,
    layers: Layers,
    information: pd.DataFrame,
    laws: pd.DataFrame,
    weights: Mapping[str, np.ndarray],
    clean: Mapping[tuple, Clean],
    steps: Mapping[tuple, Steps],
    attribution: pd.DataFrame,
    labels: Mapping[str, np.ndarray],
    read_outs: Mapping[tuple, tuple[np.ndarray, np.ndarray]],
) -> pd.DataFrame:
    """One row for each deviation (and each plug-in estimate, and I(T;Y) of the last layer) and theorem, vacuous ones
    included.

    What a bound `concerns` is as the table of theorems has it. `measured` is the middle of the bracket of the change,
    half of whose width is `WIDTH` times `measured_stderr`: a bound is violated where all of the bracket lies beyond it.
    A bound on the channel of the stored passes is held against the change of their plug-in.
    """
    places = {(law.split, law.shift, law.size): law for law in laws.itertuples()}
    references = {law.split: law.law for law in laws.itertuples() if law.shift == REFERENCE}
    changes = information[(information.quantity == "dI_X_T") & (information.status == "ok")]
    changes = changes[changes["shift"] != REFERENCE]
    stored = changes[changes.estimator == "plug_in"].set_index(ESTIMATE)[["value", "stderr"]]
    # Of layers that are known by a projection alone there is none.
    plug_ins = information[(information.quantity == "I_X_T") & (information.estimator == "plug_in")]
    estimated = set(plug_ins[ESTIMATE].itertuples(index=False, name=None))
    origins = {tuple(row[key] for key in ESTIMATE): row for row in attribution.to_dict("records")}
    rows: list[dict[str, Any]] = []
    for deviation in changes[changes.estimator == "bracket"].to_dict("records"):
        law = places[deviation["split"], deviation["shift"], deviation["size"]]
        cell, estimate = (tuple(deviation[key] for key in keys) for keys in (CELL, ESTIMATE))
        at = layers.at(deviation)
        both = weights[references[law.split]], weights[law.law]
        shift = Shift(
            **at,
            **(_reweighted(deviation, both, origins.get(estimate)) if law.kind == "reweighted" else {}),
            **{name: getattr(law, name) for name in ("tv", "tv_how", "kl", "w1", "w2", "w2_how")},
            n=law.n_union,
            lipschitz=layers.lipschitz(deviation),
            clean=clean.get(cell) if law.kind != "moved" else None,
            steps=steps.get((law.law, *cell)),
        )
        plug_in = None
        if estimate in estimated:
            known = {name: at[name] for name in LAYER}
            plug_in = PlugIn(**known, n_passes=deviation["n_passes"], weights=both[1], reference=both[0])
        measured = {"true": Estimate(abs(deviation["value"]), deviation["stderr"])}
        if estimate in stored.index:
            value, stderr = stored.loc[estimate]
            measured["stored passes"] = Estimate(abs(float(value)), float(stderr))
        place = {key: deviation[key] for key in PLACE}
        compared = _compared(shift, plug_in, min(math.log(law.n_atoms), at["capacity"]), measured)
        rows += [place | row for row in compared]
    of_labels = information[(information.quantity == "I_T_Y") & (information.status == "ok")]
    for known in of_labels[of_labels.estimator == "upper"].to_dict("records"):
        law = places.get((known["split"], known["shift"], known["size"]))
        read = read_outs.get(tuple(known[key] for key in (*CHECKPOINT, "split")))
        if read is None or law is None or law.kind != "reweighted" or known["layer"] != layers.last(known):
            continue
        both = weights[references[law.split]], weights[law.law]
        case = Readout(
            losses=read[0],
            stderr=read[1],
            labels=labels[law.split],
            weights=both[0],
            tv=total_variation(*both),
            kl=kl_divergence(both[1], both[0]),
        )
        place = {key: known[key] for key in PLACE}
        rows += [place | row for row in _of_label(case, centred(known["lower"], known["upper"]))]
    return shaped("bounds", rows, sweep=sweep)


def _of_label(case: Readout, measured: Estimate) -> Iterator[dict[str, Any]]:
    """A row for each theorem on I(T;Y), which bounds it from below: at 0 or less it says nothing."""
    for theorem, bound in allowed("label", case).items():
        yield _row(theorem, "label", bound, 0.0, measured) | {"tightest": False}


def _reweighted(
    deviation: Mapping[str, Any], weights: tuple[np.ndarray, np.ndarray], origin: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What is known of a shift that keeps the atoms: both weights, the bracket of the change, and of its parts."""
    known: dict[str, Any] = {"weights": weights, "change": (deviation["lower"], deviation["upper"])}
    if origin is not None:
        removed, added = ((origin[f"{part}_low"], origin[f"{part}_high"]) for part in ("removed", "added"))
        known["parts"] = (origin["epsilon"], removed, added)
    return known


def _compared(
    shift: Shift, plug_in: PlugIn | None, cap: float, measured: Mapping[str, Estimate]
) -> Iterator[dict[str, Any]]:
    """A row for each theorem on a deviation, and on the error of the plug-in under both laws, where there is one."""
    deviations = allowed("deviation", shift)
    smallest = min(deviations, key=lambda theorem: deviations[theorem].value)
    least = deviations[smallest].value
    for theorem, bound in deviations.items():
        row = _row(theorem, "deviation", bound, cap, measured.get(theorem.channel))
        yield row | {"tightest": bound.value == least}
    if plug_in is None:
        return
    plug_in = replace(plug_in, shift=least, by=smallest.name)
    for concerns in ("estimation", "shifted_estimate"):
        for theorem, bound in allowed(concerns, plug_in).items():
            yield _row(theorem, concerns, bound, cap, None) | {"tightest": False}


def _row(theorem: Theorem, concerns: str, bound: Bound, cap: float, measured: Estimate | None) -> dict[str, Any]:
    """A theorem held against what is measured, if anything is."""
    value, stderr = measured or (math.nan, math.nan)
    return {
        "theorem": theorem.name,
        "concerns": concerns,
        "bound": bound.value,
        "measured": value,
        "measured_stderr": stderr,
        "slack": bound.value - value if theorem.above else value - bound.value,
        "cap": cap,
        "vacuous": bound.value >= cap if theorem.above else bound.value <= cap,
        "holds": None if measured is None else holds(bound.value, measured, theorem.above),
        "lower": bound.lower,
        "upper": bound.upper,
        "monte_carlo": bound.monte_carlo,
        "note": bound.note,
    }


def worst_case_table(sweep: str, layers: Layers, found: pd.DataFrame, clean: Mapping[tuple, Clean]) -> pd.DataFrame:
    """One row for each layer and ball: the measured extremes, what is certain of them, and the bounds at its radius."""
    rows = []
    for row in found.to_dict("records"):
        known = clean.get(tuple(row[key] for key in CELL))
        if known is None:
            continue  # the cell of the reference failed, without which no certificate is known
        n, at = len(known.weights), layers.at(row)
        # Of a ball only TV <= size is known, and the seed form falls again beyond 1 - 1/N.
        radius = {"tv": {"tv": min(row["size"], 1 - 1 / n)}, "kl": {"kl": row["size"]}}[row["metric"]]
        ball = Shift(**at, **radius, n=n, clean=known)
        theorems = allowed_in_ball(row["metric"], ball)
        smallest = min(theorems, key=lambda theorem: theorems[theorem].value)
        bound, cap = theorems[smallest].value, min(math.log(n), at["capacity"])
        sides = (Estimate(row[side], row[f"{side}_stderr"]) for side in ("rise", "fall"))
        rows.append(
            {
                **row,
                **{form_column(theorem.form): allows.value for theorem, allows in theorems.items()},
                "lower": np.nanmax([allows.lower for allows in theorems.values()]),  # of the certificates
                "upper": np.nanmin([allows.upper for allows in theorems.values()]),
                **{"bound": bound, "theorem": smallest.name, "cap": cap, "vacuous": bound >= cap},
                "holds": all(holds(bound, side) for side in sides),
            }
        )
    return shaped("worst_case", rows, sweep=sweep)
