"""Which MLflow metrics the tables of a sweep become: names, steps and values of every cell and every curve."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from ib_core.bounds.theorems import that_concern
from ib_core.estimate import centred
from tasks.sweep.schema import CELL, CHECKPOINT, LAW, NETWORK, RUN, columns
from tasks.sweep.sizes import SEVERITIES
from tasks.sweep.tables import SweepTables

TRAINING = tuple(name for name in columns("history") if name.endswith(("loss", "accuracy")))
CURVE = [*NETWORK, "split", "layer"]
WHOLE = 0  # the layer of a curve that is of the whole network
LAYER = "layer"  # a metric with itself as value, for charts with the layer on their x axis
UNITS = {"tv": "TV", "kl": "KL in nats", "w2": "W2 in input units", "winf": "W_inf in input units"}


class Quantities(NamedTuple):
    """What is logged, as rows of a table each, with the middle of a bracket as value."""

    information: pd.DataFrame
    projected: pd.DataFrame
    label: pd.DataFrame
    change: pd.DataFrame
    relative: pd.DataFrame  # |change| over the information under the reference law, at the final epoch
    smallest: pd.DataFrame  # rows of the smallest bound on each change, at the final epoch
    accuracy: pd.DataFrame
    measures: pd.DataFrame

    @classmethod
    def of(cls, tables: SweepTables) -> "Quantities":
        good = tables.information[tables.information["status"] == "ok"]
        value = {
            quantity: middles(good[(good["quantity"] == quantity) & (good["estimator"] == "upper")])
            for quantity in ("I_X_T", "I_X_UT", "I_T_Y", "dI_X_T")
        }
        bounds = at_final_epoch(tables.bounds)
        smallest = bounds[(bounds["concerns"] == "deviation") & bounds["tightest"]].drop_duplicates([*RUN, "layer"])
        measures = tables.measures[tables.measures["at"].isna()]  # a curve's place is no step of MLflow's
        return cls(
            value["I_X_T"],
            value["I_X_UT"],
            value["I_T_Y"],
            value["dI_X_T"],
            _relative_deviation(value["dI_X_T"], value["I_X_T"]),
            smallest.assign(tightness=smallest["measured"] / smallest["bound"].where(smallest["bound"] > 0)),
            good[good["quantity"] == "accuracy"],
            measures.assign(name=(measures["measure"] + "." + measures["quantity"]).map(safe)),
        )


def cell_points(tables: SweepTables, found: Quantities) -> pd.DataFrame:
    """Every metric point of every cell, long: the columns of RUN, epoch, name, step, value.

    MLflow takes a millisecond for four points, and a run's page only so many charts: bounds are logged at the final
    epoch alone, the smallest in each distance.
    """
    deviation = at_final_epoch(tables.bounds[tables.bounds["concerns"] == "deviation"])
    distance = deviation["theorem"].map({theorem.name: theorem.distance for theorem in that_concern("deviation")})
    smallest = deviation.groupby([*RUN, "epoch", "layer", distance.rename("distance")], as_index=False)["bound"].min()
    at = at_final_epoch(found.information)
    parts = [
        _named(found.information, "I_X_T/L"),
        _named(found.information, "I_X_T_low/L", column="lower"),
        _named(found.information, "I_X_T_high/L", column="upper"),
        _named(found.projected, "I_X_UT/L"),
        _named(found.label, "I_T_Y/L"),
        _named(found.change, "dI_X_T/L"),
        *(_named(rows, f"{bound_name(str(each))}/L", column="bound") for each, rows in smallest.groupby("distance")),
        _named(found.smallest, "bound_tightest/L", column="bound"),
        _named(found.smallest, "tightness/L", column="tightness"),
        _named(found.accuracy, "acc", layered=False),
        _named(_beside(found.accuracy), "acc_reference", layered=False),
        *(_named(rows, f"{name}/L") for name, rows in found.measures.groupby("name", sort=False)),
        _named(found.relative, "rel_dev/L"),
        _named(found.relative.groupby([*RUN, "epoch"], as_index=False)["value"].max(), "rel_dev_max", layered=False),
        _named(found.relative, "by_layer/rel_dev", layered=False, step="layer"),
        _named(at, "by_layer/I_X_T", layered=False, step="layer"),
        _named(at, LAYER, column="layer", layered=False, step="layer"),
        *(
            _named(tables.history.assign(split=split, shift="reference", size=0.0), name, column=name, layered=False)
            for split in found.information["split"].unique()
            for name in TRAINING
        ),
    ]
    return _finite(parts)


def curve_points(tables: SweepTables, found: Quantities) -> pd.DataFrame:
    """Every metric point of every curve, long: the columns of CURVE, name, step, value.

    Over training the step is the epoch. Along a family of shifts, at the final epoch, it is the index of the size, and
    the size itself is a metric that bears the name of its unit, for an axis. Of the whole network there are losses and
    accuracies, and everything once more with the layer as step.
    """
    index = {shift: {size: k for k, size in enumerate(sorted(rows.unique()))} for shift, rows in sizes(tables)}
    metric = dict(zip(tables.laws["shift"], tables.laws["metric"], strict=True))

    def training(frame: pd.DataFrame, name: str, column: str = "value") -> pd.DataFrame:
        rows = frame[frame["shift"] == "reference"]
        return rows[CURVE].assign(name=name, step=rows["epoch"], value=rows[column])

    def along(frame: pd.DataFrame, name: str, column: str = "value") -> pd.DataFrame:
        rows = at_final_epoch(frame)
        rows = rows[rows["shift"] != "reference"]
        steps = [index[shift][size] for shift, size in zip(rows["shift"], rows["size"], strict=True)]
        names = [f"{safe(shift)}/{name or unit(shift, metric[shift])}" for shift in rows["shift"]]
        return rows[CURVE].assign(name=names, step=steps, value=rows[column])

    def by_layer(frame: pd.DataFrame, names: pd.Series | str) -> pd.DataFrame:
        return frame[CURVE].assign(name=names, step=frame["layer"], value=frame["value"], layer=WHOLE)

    accuracy = found.accuracy.assign(layer=WHOLE)
    everywhere = found.change[[*CURVE, *LAW, "epoch"]].merge(
        accuracy.drop(columns="layer"), on=[*CHECKPOINT, "split", *LAW]
    )
    moved = pd.concat([found.change, accuracy])
    clean = at_final_epoch(found.information)
    clean = clean[clean["shift"] == "reference"]
    largest = found.relative["shift"].map({shift: max(known) for shift, known in index.items()})
    changes = found.relative[found.relative["size"] == largest]
    parts = [
        training(found.information, "I_X_T"),
        training(found.information, "I_X_T_low", "lower"),
        training(found.information, "I_X_T_high", "upper"),
        training(found.projected, "I_X_UT"),
        training(found.label, "I_T_Y"),
        training(accuracy, "acc"),
        *(
            tables.history[NETWORK].assign(
                split=split, layer=WHOLE, name=name, step=tables.history["epoch"], value=tables.history[name]
            )
            for split in found.information["split"].unique()
            for name in TRAINING
        ),
        along(moved, "", "size"),
        along(found.information, "I_X_T"),
        along(found.change.assign(value=found.change["value"].abs()), "change"),
        along(found.relative, "rel_dev"),
        along(found.smallest, "bound", "bound"),
        along(found.smallest, "tightness", "tightness"),
        along(pd.concat([everywhere, accuracy]), "acc"),
        *(
            part
            for name, rows in found.measures.groupby("name", sort=False)
            for part in (training(rows, name), along(rows, name))
        ),
        by_layer(clean, "by_layer/I_X_T"),
        by_layer(clean.assign(value=clean["layer"]), LAYER),
        by_layer(changes, "by_layer/" + changes["shift"].map(safe)),
    ]
    return _finite(parts)


def _finite(parts: list[pd.DataFrame]) -> pd.DataFrame:
    points = pd.concat([part for part in parts if len(part)], ignore_index=True)
    points = points.astype({"step": int, "value": float})
    return points[np.isfinite(points["value"])].drop_duplicates()


def sizes(tables: SweepTables) -> list[tuple[str, pd.Series]]:
    """The sizes of each family of shifts."""
    shifted = tables.laws[tables.laws["shift"] != "reference"]
    return [(str(shift), rows["size"]) for shift, rows in shifted.groupby("shift", sort=False)]


def unit(family: str, metric: str) -> str:
    """What a size counts, as the end of a metric's name: "TV", "severity in degrees"."""
    counted = SEVERITIES.get(family) if metric == "severity" else None
    return f"severity in {counted}" if counted else UNITS.get(metric, safe(metric))


def at_final_epoch(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each network's last epoch."""
    return frame[frame["epoch"] == frame.groupby(NETWORK)["epoch"].transform("max")]


def middles(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of an end with the middle of the bracket as value, and the standard error of which `WIDTH` reach them."""
    value, stderr = centred(rows["lower"], rows["upper"])
    return rows.assign(value=value, stderr=stderr)


def safe(name: str) -> str:
    """A name as MLflow takes it in a metric's."""
    return re.sub(r"[^\w\-. ]", "_", name)


def bound_name(distance: str) -> str:
    """The metric of the smallest bound in a distance."""
    return f"bound_{distance}"


def _named(
    frame: pd.DataFrame, name: str, column: str = "value", layered: bool = True, step: str = "epoch"
) -> pd.DataFrame:
    """Rows of a table as points of a metric; `layered` appends the layer to the metric's name."""
    names = name + frame["layer"].astype(str) if layered else name
    return frame[[*RUN, "epoch"]].assign(name=names, step=frame[step].astype(int), value=frame[column].astype(float))


def _relative_deviation(change: pd.DataFrame, information: pd.DataFrame) -> pd.DataFrame:
    """|dI| / I under the reference law at the final epoch, by layer."""
    on = CELL
    clean = information[information["shift"] == "reference"].set_index(on)["value"]
    change = at_final_epoch(change).join(clean.rename("clean"), on=on)
    return change.assign(value=change["value"].abs() / change["clean"].where(change["clean"] > 0))


def _beside(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Each law's rows with the value of the reference law at the same place."""
    on = [*CHECKPOINT, "split"]
    clean = accuracy[accuracy["shift"] == "reference"].set_index(on)["value"]
    return accuracy.drop(columns="value").join(clean, on=on)
