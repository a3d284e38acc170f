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
# What is drawn on curves, in words that MLflow takes.
INFORMATION, LABEL, PROJECTED = "I_X_T in nats", "I_T_Y in nats", "I_X_UT in nats"
CHANGE, BOUND, CHANGED = "change in nats", "smallest bound in nats", "relative change"
TIGHTNESS, ACCURACY, WHOLE_ACCURACY = "tightness", "accuracy", "accuracy of the network"
BY_LAYER, ABOVE = "by_layer/{}", "{} above 0"
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
        *_by_layer(at, found.relative),
        *_deepest(found),
        *(
            _named(tables.history.assign(split=split, shift="reference", size=0.0), name, column=name, layered=False)
            for split in found.information["split"].unique()
            for name in TRAINING
        ),
    ]
    return _finite(parts)


def _by_layer(information: pd.DataFrame, relative: pd.DataFrame) -> list[pd.DataFrame]:
    """Metrics of cells with the layer as step, and as a metric beside them."""
    clean = information[information["shift"] == "reference"]
    both = information.merge(relative[[*RUN, "layer", "value"]], on=[*RUN, "layer"], suffixes=("", "_relative"))
    both = both[both["value_relative"].notna()]  # the axis has to have the steps of all that is drawn over it
    return [
        _named(both, BY_LAYER.format(CHANGED), column="value_relative", layered=False, step="layer"),
        *(
            _named(rows, name, column=column, layered=False, step="layer")
            for rows in (clean, both)
            for name, column in ((BY_LAYER.format(INFORMATION), "value"), (LAYER, "layer"))
        ),
    ]


def _deepest(found: Quantities) -> list[pd.DataFrame]:
    """Metrics of cells with names that fit an axis, at the final epoch."""
    information, label = (at_final_epoch(rows) for rows in (found.information, found.label))
    deepest = information["layer"].max()
    return [
        _named(information[information["layer"] == deepest], "deepest I_X_T", layered=False),
        _named(label[label["layer"] == deepest], "deepest I_T_Y", layered=False),
        _named(found.relative.groupby([*RUN, "epoch"], as_index=False)["value"].max(), "largest change", layered=False),
    ]


def curve_points(tables: SweepTables, found: Quantities) -> pd.DataFrame:
    """Every metric point of every curve, long: the columns of CURVE, name, step, value.

    Over training the step is the epoch. Along a family of shifts, at the final epoch, it is the index of the size, and
    the size itself is a metric that bears the name of its unit, for an axis. Of the whole network there are losses and
    accuracies, and what else has the layer as step. MLflow titles charts by the names of metrics, so these are words.
    """
    accuracy = found.accuracy.assign(layer=WHOLE)
    clean = at_final_epoch(found.information)
    clean = clean[clean["shift"] == "reference"]
    largest = found.relative["shift"].map({str(shift): rows.max() for shift, rows in sizes(tables)})
    changed = found.relative[found.relative["size"] == largest].dropna(subset="value")
    kept = clean.merge(changed[CURVE].drop_duplicates(), on=CURVE) if len(changed) else clean
    parts = [
        *(_training(rows, name) for rows, name in ((found.information, INFORMATION), (found.label, LABEL))),
        _training(found.projected, PROJECTED),
        _training(accuracy, ACCURACY),
        *(_training(rows, name) for name, rows in found.measures.groupby("name", sort=False)),
        *(
            tables.history[NETWORK].assign(
                split=split, layer=WHOLE, name=name, step=tables.history["epoch"], value=tables.history[name]
            )
            for split in found.information["split"].unique()
            for name in TRAINING
        ),
        *_along(tables, found, accuracy),
        _over_layers(kept, BY_LAYER.format(INFORMATION)),
        _over_layers(kept.assign(value=kept["layer"]), LAYER),
        _over_layers(changed, [BY_LAYER.format(changed_under(str(shift))) for shift in changed["shift"]]),
    ]
    return _finite(parts)


def _training(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Values under the reference law over epochs."""
    rows = frame[frame["shift"] == "reference"]
    return rows[CURVE].assign(name=name, step=rows["epoch"], value=rows["value"])


def _over_layers(frame: pd.DataFrame, names: list[str] | str) -> pd.DataFrame:
    """Values of layers as points of the network's curve."""
    return frame[CURVE].assign(name=names, step=frame["layer"], value=frame["value"], layer=WHOLE)


def _along(tables: SweepTables, found: Quantities, accuracy: pd.DataFrame) -> list[pd.DataFrame]:
    """Values at the final epoch along each family of shifts.

    A chart over a metric pairs values and sizes by their order: each axis has the steps of all that is drawn over it.
    """
    metric = dict(zip(tables.laws["shift"], tables.laws["metric"], strict=True))
    index = {(str(shift), size): k for shift, rows in sizes(tables) for k, size in enumerate(sorted(rows.unique()))}
    on = [*CURVE, *LAW]
    change = at_final_epoch(found.change)
    change = change[on].assign(change=change["value"].abs()).merge(found.relative[[*on, "value"]], on=on)
    bounds = change.rename(columns={"value": CHANGED}).merge(found.smallest[[*on, "bound", "tightness"]], on=on)
    known = at_final_epoch(accuracy)
    everywhere = change[on].merge(
        known[[*CHECKPOINT, "split", *LAW, "value"]].drop(columns="epoch"), on=[*NETWORK, "split", *LAW]
    )

    def points(frame: pd.DataFrame, columns: dict[str, str], axis: str = "") -> list[pd.DataFrame]:
        rows = frame[(frame["shift"] != "reference") & np.isfinite(frame[list(columns)]).all(axis=1)]
        rows = rows.assign(axis=rows["size"])
        families = [str(shift) for shift in rows["shift"]]
        steps = [index[where] for where in zip(families, rows["size"], strict=True)]
        named = {column: [along(family, name) for family in families] for column, name in columns.items()}
        if axis:
            named["axis"] = [axis.format(size_of(family, metric[family])) for family in families]
        return [rows[CURVE].assign(name=names, step=steps, value=rows[column]) for column, names in named.items()]

    return [
        *points(at_final_epoch(found.information), {"value": INFORMATION}, "{}"),
        *points(known, {"value": WHOLE_ACCURACY}, "{}"),
        *points(everywhere, {"value": ACCURACY}),
        *points(bounds, {"change": CHANGE, CHANGED: CHANGED, "bound": BOUND, "tightness": TIGHTNESS}, ABOVE),
        *(
            part
            for name, rows in found.measures.groupby("name", sort=False)
            for part in points(at_final_epoch(rows), {"value": str(name)})
        ),
    ]


def _finite(parts: list[pd.DataFrame]) -> pd.DataFrame:
    points = pd.concat([part for part in parts if len(part)], ignore_index=True)
    points = points.astype({"step": int, "value": float})
    return points[np.isfinite(points["value"])].drop_duplicates()


def sizes(tables: SweepTables) -> list[tuple[str, pd.Series]]:
    """The sizes of each family of shifts."""
    shifted = tables.laws[tables.laws["shift"] != "reference"]
    return [(str(shift), rows["size"]) for shift, rows in shifted.groupby("shift", sort=False)]


def along(family: str, name: str) -> str:
    """A metric of curves along a family of shifts."""
    return f"{safe(family)}/{name}"


def changed_under(family: str) -> str:
    """The relative change at a family's largest size, of the network's curve."""
    return f"relative change under {safe(family)}"


def size_of(family: str, metric: str) -> str:
    """A family's size, as a metric of curves: "contamination/TV", "rotation/severity in degrees"."""
    counted = SEVERITIES.get(family) if metric == "severity" else None
    return along(family, f"severity in {counted}" if counted else UNITS.get(metric, safe(metric)))


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
