"""The tidy tables of a sweep, gathered from the results of its units."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ib_core.estimate import WIDTH
from ib_core.laws.coupling import Steps
from tasks.activations import read_signals
from tasks.fingerprint import fingerprint
from tasks.information import ATTRIBUTION
from tasks.store import Result, identity
from tasks.tables import read_law, read_table
from tasks.worst_case import column_name

COORDINATES = ["network", "beta", "seed", "epoch", "layer", "shift", "size", "metric"]
INFORMATION = [
    *("sweep", *COORDINATES, "split", "quantity", "estimator", "value", "stderr", "lower", "upper"),
    *("n_atoms", "n_passes", "draws", "saturation", "form", "reached", "status", "device", "code"),
]
PLACE = ("beta", "seed", "epoch", "layer")


def laws(settings: dict[str, Any], inputs: Mapping[str, Result]) -> pd.DataFrame:
    """One row per law: its coordinates and its distances from the reference."""
    rows = []
    for name, coordinates in settings["laws"].items():
        facts = json.loads(inputs[f"law {name}"].file("law.json").read_text(encoding="utf-8"))
        # JSON has no infinity.
        facts |= {name: math.inf for name in ("kl", "parameter") if facts[name] is None}
        rows.append({"law": name, **coordinates, **facts})
    return pd.DataFrame(rows)


def history(settings: dict[str, Any], inputs: Mapping[str, Result]) -> pd.DataFrame:
    """Loss and accuracy of every network by epoch."""
    frames = []
    for name, coordinates in settings["networks"].items():
        frame = read_table(inputs[f"network {name}"].file("history.parquet")).to_pandas()
        for position, (key, value) in enumerate(coordinates.items()):
            frame.insert(position, key, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def information(settings: dict[str, Any], inputs: Mapping[str, Result], laws: pd.DataFrame) -> pd.DataFrame:
    """All estimates, with deviations of moved laws from their reference cell and the accuracy under each law."""
    places = pd.DataFrame.from_dict(settings["places"], orient="index")
    frames = []
    for name, coordinates in settings["cells"].items():
        frame = read_table(inputs[f"cell {name}"].file("estimates.parquet")).to_pandas()
        frames.append(frame.assign(**_place(coordinates), status="ok"))
    lost = {"quantity": "I_X_T", "estimator": "upper", "status": "failed"}
    for coordinates in settings["failed"].values():
        frames.append(pd.DataFrame([{**_place(coordinates), "law": law, **lost} for law in coordinates["laws"]]))
    frames.append(_accuracy(settings, inputs))
    table = pd.concat(frames, ignore_index=True)
    table = _moved_deviations(table, set(laws.law[laws.kind == "moved"]))
    table = _reference_rows(table, laws).join(places, on="law")
    table = table.assign(
        sweep=settings["config"]["name"],
        split="all",
        device=settings["device"],
        code=identity(fingerprint("information")._asdict())[:12],
    )
    order = {name: rank for rank, name in enumerate(settings["places"])}
    table = table.assign(rank=table.law.map(order)).sort_values(
        ["network", "beta", "seed", "epoch", "layer", "rank", "quantity", "estimator"], kind="stable"
    )
    whole: dict[str, Any] = {name: table[name].astype("Int64") for name in ("n_atoms", "n_passes", "draws")}
    whole |= {"reached": table.get("reached", pd.Series(index=table.index, dtype=object)).astype("boolean")}
    whole |= {"form": table.get("form", pd.Series("", index=table.index)).fillna("")}
    return table.assign(**whole)[INFORMATION].reset_index(drop=True)


def _place(coordinates: dict[str, Any]) -> dict[str, Any]:
    """Where a unit stands, without the laws that it serves."""
    return {key: part for key, part in coordinates.items() if key != "laws"}


def _accuracy(settings: dict[str, Any], inputs: Mapping[str, Result]) -> pd.DataFrame:
    """P(correct read-out) under each law, from the passes of its atoms: layer 0 stands for the read-out."""
    weights = {name: read_law(inputs[f"law {name}"].file("law.parquet")).weights for name in settings["laws"]}
    rows = []
    for name, coordinates in settings["activations"].items():
        correct = read_table(inputs[f"activations {name}"].file("readout.parquet"))["correct"].to_numpy()
        for law in (law for law in coordinates["laws"] if law in weights):
            value = float(weights[law] @ correct)
            # Between atoms nothing is sampled; within an atom a pass is a coin of variance at most c (1 - c).
            spread = math.sqrt(float(weights[law] ** 2 @ (correct * (1 - correct)) / coordinates["n_passes"]))
            estimate = {
                "value": value,
                "stderr": spread,
                "lower": value - WIDTH * spread,
                "upper": value + WIDTH * spread,
            }
            labels = {"law": law, "layer": 0, "quantity": "accuracy", "estimator": "noisy_forward", "status": "ok"}
            rows.append({**_place(coordinates), **labels, **estimate, "n_atoms": len(correct)})
    return pd.DataFrame(rows)


def _moved_deviations(table: pd.DataFrame, moved: set[str]) -> pd.DataFrame:
    """Replace the deviation of a moved law, whose cell knows no reference, by the difference of two cells."""
    keys = ["network", "beta", "seed", "epoch", "layer"]
    values = table[(table.quantity == "I_X_T") & (table.status == "ok")]
    ends = values.pivot(index=[*keys, "law"], columns="estimator", values=["value", "stderr"])
    rows = (table.quantity == "dI_X_T") & table.law.isin(moved)
    wanted = table.loc[rows, [*keys, "law"]]
    ours = ends.reindex(pd.MultiIndex.from_frame(wanted))
    theirs = ends.reindex(pd.MultiIndex.from_frame(wanted.assign(law="reference")))

    def change(mine: str, other: str) -> tuple[np.ndarray, np.ndarray]:
        value = ours["value", mine].to_numpy() - theirs["value", other].to_numpy()
        return value, np.hypot(ours["stderr", mine].to_numpy(), theirs["stderr", other].to_numpy())

    # The cells share no draws, but for each end as for laws of one cell: lower less upper, and upper less lower end.
    found = {
        "lower": change("lower", "upper"),
        "upper": change("upper", "lower"),
        "plug_in": change("plug_in", "plug_in"),
    }
    low = found["lower"][0] - WIDTH * found["lower"][1]
    high = found["upper"][0] + WIDTH * found["upper"][1]
    found["bracket"] = (low + high) / 2, (high - low) / 2 / WIDTH
    names = table.loc[rows, "estimator"].to_numpy()
    for column, at in (("value", 0), ("stderr", 1)):
        table.loc[rows, column] = np.select([names == name for name in found], [each[at] for each in found.values()])
    value, stderr = table.loc[rows, "value"], table.loc[rows, "stderr"]
    stored = names == "plug_in"
    table.loc[rows, "lower"] = np.where(stored, value - WIDTH * stderr, low)
    table.loc[rows, "upper"] = np.where(stored, value + WIDTH * stderr, high)
    table.loc[rows & table.value.isna(), "status"] = "failed"  # the reference cell it is held against is missing
    return table


def _reference_rows(table: pd.DataFrame, laws: pd.DataFrame) -> pd.DataFrame:
    """Size 0 of every family is the reference itself: the same numbers under the family's name."""
    reference = table[table.law == "reference"]
    zeros = [reference.assign(law=name) for name in laws.law[(laws["size"] == 0) & (laws.law != "reference")]]
    return pd.concat([table, *zeros], ignore_index=True)


def attribution(settings: dict[str, Any], inputs: Mapping[str, Result]) -> pd.DataFrame:
    """Where the change of information of every reweighting comes from, one row for each layer and law."""
    places = pd.DataFrame.from_dict(settings["places"], orient="index")
    frames = [
        read_table(inputs[f"cell {name}"].file("attribution.parquet")).to_pandas().assign(**_place(coordinates))
        for name, coordinates in settings["cells"].items()
    ]
    table = pd.concat(frames, ignore_index=True).join(places, on="law").assign(sweep=settings["config"]["name"])
    found = table[["sweep", *COORDINATES, *ATTRIBUTION]]
    return found.sort_values(["network", *PLACE, "shift", "size"], kind="stable").reset_index(drop=True)


def pointwise(settings: dict[str, Any], inputs: Mapping[str, Result]) -> dict[tuple, tuple[np.ndarray, ...]]:
    """i(x) under the reference law from above, its standard error and i(x) from below, each (N,), by beta, seed,
    epoch and layer."""
    found = {}
    for name, coordinates in settings["cells"].items():
        if coordinates["laws"][0] == "reference":
            table = read_table(inputs[f"cell {name}"].file("pointwise.parquet"))
            place = tuple(coordinates[key] for key in PLACE)
            found[place] = tuple(table[name].to_numpy() for name in ("pointwise", "stderr", "low"))
    return found


def steps(settings: dict[str, Any], inputs: Mapping[str, Result]) -> dict[tuple, Steps]:
    """How far the signals of each moved law moved, by law, beta, seed, epoch and layer."""
    found = {}
    for name, coordinates in settings["cells"].items():
        if coordinates["laws"][0] != "reference":
            (row,) = read_table(inputs[f"cell {name}"].file("steps.parquet")).to_pylist()
            law = row.pop("law")
            found[law, *(coordinates[key] for key in PLACE)] = Steps(**row)
    return found


def worst_case(settings: dict[str, Any], inputs: Mapping[str, Result]) -> pd.DataFrame:
    """What was found in every ball, and in which column of which file its maximising law stands."""
    frames = []
    for name, coordinates in settings["worst_cases"].items():
        frame = read_table(inputs[f"worst case {name}"].file("worst_case.parquet")).to_pandas()
        columns = [column_name(*ball) for ball in zip(frame["metric"], frame["size"].tolist(), strict=True)]
        frame = frame.assign(**coordinates, law=[f"worst_case/{law_file(name)}#{column}" for column in columns])
        frames.append(frame.assign(sweep=settings["config"]["name"]))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def law_file(name: str) -> str:
    """The file of a layer's maximising laws: "b0.1-s0-e0000800-L3.parquet"."""
    return f"{name.replace('/reference', '').replace('/', '-')}.parquet"


def signals(settings: dict[str, Any], inputs: Mapping[str, Result]) -> pd.DataFrame:
    """One stored pass per atom of the deepest layer at the last epoch, under the reference law: the scatter of S_L."""
    last = max(coordinates["epoch"] for coordinates in settings["activations"].values())
    labels = read_law(inputs["law reference"].file("law.parquet")).labels
    deepest = len(settings["config"]["network"]["widths"])
    frames = []
    for name, coordinates in settings["activations"].items():
        if coordinates["epoch"] == last and "reference" in coordinates["laws"]:
            stored = read_signals(inputs[f"activations {name}"], deepest)
            place = {key: coordinates[key] for key in ("network", "beta", "seed", "epoch")}
            points = {"layer": deepest, "atom": np.arange(len(labels)), "label": labels, "s": list(stored[:, 0])}
            frames.append(pd.DataFrame({**place, **points}))
    return pd.concat(frames, ignore_index=True)
