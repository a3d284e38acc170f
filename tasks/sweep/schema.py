"""The one schema of a sweep's tables: the columns that say where a row stands, and what each table holds.

A cell is one layer of one checkpoint with its laws; an estimate, one of them under one law. Every table joins to
`information` by these keys.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from ib_core.bounds import theorems

NETWORK = ["network", "beta", "seed"]
CHECKPOINT = [*NETWORK, "epoch"]
CELL = [*CHECKPOINT, "split", "layer"]
LAW = ["shift", "size"]
ESTIMATE = [*CELL, *LAW]
OVER_SEEDS = [key for key in ESTIMATE if key != "seed"]  # what is left where seeds are averaged
RUN = [*NETWORK, "split", *LAW]  # one network under one law over its epochs: a run of MLflow's
BALL = ["metric", "size"]
PARTS = ("train", "test")
DISTANCES = ("tv", "kl", "w1", "w2")

KEYS: dict[str, Any] = {
    **{"network": str, "beta": float, "seed": int, "epoch": int, "split": str, "layer": int},
    **{"shift": str, "size": float, "metric": str},
}
PLACE = list(KEYS)

# "predicted" is the first order of "change", "divergence" what it is short of, D(P'_T || P_T): of upper ends on common
# draws. The ends of the change, and of what the mass that leaves or arrives knows, are those of their brackets.
ATTRIBUTION = [
    "epsilon",
    *(f"{part}{end}" for part in ("change", "predicted", "divergence", "mass", "mixing") for end in ("", "_stderr")),
    *(f"{part}_{end}" for part in ("change", "removed", "added") for end in ("low", "high")),
]
# Extremes over a ball, each with its standard error.
EXTREMES = ("reference", "largest", "rise", "smallest", "fall")


def form_column(form: str) -> str:
    """The column of the table of worst cases for bounds of a form: "seed_form"."""
    return f"{form}_form"


def columns(table: str) -> dict[str, Any]:
    """The columns of a table in their order, each with its type; what may be unknown has a type with nulls.

    `object` is for text that Parquet stores with short offsets, and for lists.
    """
    if table == "worst_case":
        return _worst_case()
    return TABLES[table]


TABLES: Mapping[str, dict[str, Any]] = {
    "information": {
        **{"sweep": str, **KEYS, "quantity": str, "estimator": str},
        **dict.fromkeys(("value", "stderr", "lower", "upper"), float),
        **dict.fromkeys(("n_atoms", "n_passes", "draws"), "Int64"),
        **{"saturation": float, "form": str, "reached": "boolean", "status": str, "device": str, "code": str},
    },
    "bounds": {
        **{"sweep": str, **KEYS, "theorem": str, "concerns": str},
        **dict.fromkeys(("bound", "measured", "measured_stderr", "slack", "cap"), float),
        **{"vacuous": bool, "holds": "boolean", "tightest": bool},  # null where nothing was measured
        **{"lower": float, "upper": float, "monte_carlo": float, "note": str},
    },
    "attribution": {"sweep": str, **KEYS, **dict.fromkeys(ATTRIBUTION, float)},
    # "at" is the place on a curve, NaN of a plain number; "n_atoms" how many stand for all in a wide layer.
    "measures": {
        **{"sweep": str, **KEYS, "measure": str, "quantity": str, "at": float, "value": float, "n_atoms": "Int64"},
    },
    "bottleneck": {
        **{"rule": str, "multiplier": float, "compression": float, "relevance": float, "gap": float, "n_codes": int},
    },
    "laws": {
        **{"law": str, "split": str, "shift": str, "size": float, "metric": str, "kind": str, "parameter": float},
        **{"n_atoms": int, "n_union": int, "entropy": float, "label_entropy": float},
        **{"label": int, "p_label": float, "p_label_before": float},
        **{f"{name}{end}": kind for name in DISTANCES for end, kind in (("", float), ("_how", str))},
    },
    "examples": {
        **{"law": str, "split": str, "shift": str, "size": float, "metric": str, "label": int, "share": float},
        **{"atom": int, "shape": object, "pixels": object},
    },
    "history": {
        **{key: KEYS[key] for key in CHECKPOINT},
        **{f"{part}_{what}": float for part in PARTS for what in ("loss", "accuracy", "clean_accuracy")},
    },
    "layers": {
        **{key: KEYS[key] for key in [*CHECKPOINT, "layer"]},
        **{"name": str, "shape": str, "d": int, "noise": float, "half_width": float, "power": float},
        **{"capacity": float, "lipschitz": float, "cut": bool},
    },
    "signals": {**{key: KEYS[key] for key in CELL}, "atom": int, "label": int, "s": object},
}


def _worst_case() -> dict[str, Any]:
    """With a column for each form of bound that the table of theorems has for balls."""
    forms = dict.fromkeys(form_column(theorem.form) for theorem in theorems.of_balls())
    return {
        **{"sweep": str, "network": object, **{key: KEYS[key] for key in CELL[1:]}, "metric": object, "size": float},
        **{f"{name}{end}": float for name in EXTREMES for end in ("", "_stderr")},
        **{"lower": float, "upper": float, **dict.fromkeys(forms, float)},
        **{"bound": float, "theorem": object, "cap": float, "vacuous": bool, "holds": bool},
        **{"channel_reference": float, "channel_largest": float, "gap": float, "iterations": int},
        **{"tv": float, "kl": float, "reached": bool, "law": object},
    }


def shaped(table: str, rows: pd.DataFrame | Iterable[Any], **values: Any) -> pd.DataFrame:
    """Rows as a table of its columns and types, also where there is no row.

    Args:
        values: columns that are the same for every row.
    """
    kinds = columns(table)
    frame = pd.DataFrame(rows if isinstance(rows, pd.DataFrame) else list(rows))
    return frame.assign(**values).reindex(columns=list(kinds)).astype(kinds)
