"""Which MLflow metrics the tables of a sweep become: names, steps and values of every cell."""

import re

import numpy as np
import pandas as pd

from ib_core.bounds.theorems import that_concern
from ib_core.estimate import centred
from tasks.sweep.schema import CELL, CHECKPOINT, NETWORK, RUN, columns

TRAINING = tuple(name for name in columns("history") if name.endswith(("loss", "accuracy")))


def at_final_epoch(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of each network's last epoch."""
    return frame[frame["epoch"] == frame.groupby(NETWORK)["epoch"].transform("max")]


def cell_points(
    good: pd.DataFrame, bounds: pd.DataFrame, history: pd.DataFrame, measures: pd.DataFrame
) -> pd.DataFrame:
    """Every metric point of every cell, long: the columns of RUN, epoch, name, step, value.

    MLflow takes a millisecond for four points, and a run's page only so many charts: bounds are logged at the final
    epoch alone, the smallest in each distance.
    """
    value = {
        quantity: middles(good[(good["quantity"] == quantity) & (good["estimator"] == "upper")])
        for quantity in ("I_X_T", "I_X_UT", "I_T_Y", "dI_X_T")
    }
    accuracy = good[good["quantity"] == "accuracy"]
    deviation = bounds[bounds["concerns"] == "deviation"]
    distance = deviation["theorem"].map({theorem.name: theorem.distance for theorem in that_concern("deviation")})
    smallest = at_final_epoch(deviation).groupby([*RUN, "epoch", "layer", distance.rename("distance")], as_index=False)
    relative = _relative_deviation(value["dI_X_T"], value["I_X_T"])
    parts = [
        _named(value["I_X_T"], "I_X_T/L"),
        _named(value["I_X_T"], "I_X_T_low/L", column="lower"),
        _named(value["I_X_T"], "I_X_T_high/L", column="upper"),
        _named(value["I_X_UT"], "I_X_UT/L"),
        _named(value["I_T_Y"], "I_T_Y/L"),
        _named(value["dI_X_T"], "dI_X_T/L"),
        *(
            _named(rows, f"{bound_name(str(distance))}/L", column="bound")
            for distance, rows in smallest["bound"].min().groupby("distance")
        ),
        _named(deviation[deviation["tightest"]], "bound_tightest/L", column="bound"),
        _named(accuracy, "acc", layered=False),
        _named(_beside(accuracy), "acc_reference", layered=False),
        *(
            _named(rows, f"{measure_name(*map(str, name))}/L")
            for name, rows in measures.groupby(["measure", "quantity"], sort=False)
        ),
        _named(relative, "rel_dev/L"),
        _named(relative.groupby([*RUN, "epoch"], as_index=False)["value"].max(), "rel_dev_max", layered=False),
        _named(relative, "by_layer/rel_dev", layered=False, step="layer"),
        _named(at_final_epoch(value["I_X_T"]), "by_layer/I_X_T", layered=False, step="layer"),
        *(
            _named(history.assign(split=split, shift="reference", size=0.0), name, column=name, layered=False)
            for split in good["split"].unique()
            for name in TRAINING
        ),
    ]
    points = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return points[np.isfinite(points["value"])].drop_duplicates()


def middles(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of an end with the middle of the bracket as value, and the standard error of which `WIDTH` reach them."""
    value, stderr = centred(rows["lower"], rows["upper"])
    return rows.assign(value=value, stderr=stderr)


def measure_name(measure: str, quantity: str) -> str:
    """The metric of a measure's quantity; MLflow takes no other signs in names."""
    return re.sub(r"[^\w\-. ]", "_", f"{measure}.{quantity}")


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
