"""The tidy tables of a sweep, gathered from the results of its units."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ib_core import bounds
from ib_core.estimate import Estimate, centred, interval
from ib_core.estimators.accuracy import accuracy
from ib_core.laws.coupling import Steps
from tasks.engine.device import CPU
from tasks.sweep.activations import Activations, losses_of, power_of, readout_of, signals_of
from tasks.sweep.information import Information, cell_table
from tasks.sweep.laws import REFERENCE, Law, Shifts, law_facts, law_name, name_in
from tasks.sweep.measures import Measured, measured_rows
from tasks.sweep.networks import Network, facts_of, history_of
from tasks.sweep.schema import CELL, CHECKPOINT, DISTANCES, ESTIMATE, shaped
from tasks.sweep.worst_case import WorstCase, column_name, worst_case_rows


@dataclass(frozen=True)
class Lost:
    """A cell that failed: where it stands, and the laws it would have served."""

    network: str
    beta: float
    seed: int
    epoch: int
    split: str
    layer: int
    laws: tuple[str, ...]


def lost(cell: Information) -> Lost:
    """What is left of a cell without a result."""
    return Lost(**_place(cell.activations), layer=cell.layer, laws=tuple(cell.laws))


def _place(activations: Activations) -> dict[str, Any]:
    """Where a unit stands: network, epoch and part of the data."""
    return {**_network_place(activations.network), "epoch": activations.epoch, "split": activations.law.part.name}


def _network_place(network: Network) -> dict[str, Any]:
    return {"network": network.title, "beta": network.beta, "seed": network.seed}


def _layer_place(unit: Information | WorstCase | Measured) -> dict[str, Any]:
    return {**_place(unit.activations), "layer": unit.layer}


def _key(unit: Information) -> tuple:
    """The values of CELL."""
    return tuple(_layer_place(unit)[key] for key in CELL)


def law_places(parts: Iterable[str], shifts: Iterable[Shifts]) -> dict[str, dict[str, Any]]:
    """Part of the data, family, size and metric of every law by its name, the reference of a part first."""
    places: dict[str, dict[str, Any]] = {}
    for part in parts:
        places[name_in(part, REFERENCE)] = {"split": part, "shift": REFERENCE, "size": 0.0, "metric": "none"}
        for each in shifts:
            for size in each.sizes:
                place = {"split": part, "shift": each.family, "size": float(size), "metric": each.unit}
                places[name_in(part, law_name(each.family, size))] = place
    return places


def laws_table(laws: Mapping[str, Law], attacks: Iterable[Law], places: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """One row per law: its coordinates and its distances from the reference.

    A law that sees the network is another one for each; its distances are the largest of all.
    """
    rows = [{"law": name, **places[name], "kind": law.kind, **law_facts(law)} for name, law in laws.items()]
    seen: dict[str, list[dict[str, Any]]] = {}
    for attack in attacks:
        seen.setdefault(attack.key, []).append(law_facts(attack))
    for name, found in seen.items():
        largest: dict[str, Any] = {}
        for facts in found:
            largest |= {key: value for key, value in facts.items() if key not in largest}
            for distance in (*DISTANCES, "n_union"):
                if facts[distance] > largest[distance]:
                    largest |= {key: facts[key] for key in (distance, f"{distance}_how") if key in facts}
        if len(found) > 1:
            for distance in DISTANCES:
                largest[f"{distance}_how"] += f"; the largest of {len(found)} networks and epochs"
            largest["parameter"] = float(np.mean([facts["parameter"] for facts in found]))
        rows.append({"law": name, **places[name], "kind": "moved", **largest})
    order = {name: rank for rank, name in enumerate(places)}
    return shaped("laws", sorted(rows, key=lambda row: order[row["law"]]))


def layers_table(networks: Iterable[Network], activations: Iterable[Activations]) -> pd.DataFrame:
    """What is known of every layer at every checkpoint; the power is the largest in any pass of any atom of any law."""
    powers: dict[tuple, np.ndarray] = {}
    for each in activations:
        key = each.network.label, each.epoch
        powers[key] = np.maximum(powers.get(key, 0.0), power_of(each))
    rows = []
    for network in networks:
        facts, design = facts_of(network), network.design
        history = history_of(network).set_index("epoch")
        for epoch in network.kept:
            for k, d in enumerate(network.hidden):
                power = float(powers[network.label, epoch][k]) if (network.label, epoch) in powers else math.inf
                half_width, noise = facts.half_widths[k], facts.levels[k]
                capacity = bounds.reached_capacity(d, noise, half_width, power)
                rows.append(
                    {
                        **{**_network_place(network), "epoch": epoch, "layer": k + 1, "name": design.layers[k]},
                        **{"shape": "x".join(map(str, design.shapes[k])), "d": d, "noise": noise, "power": power},
                        **{"half_width": half_width, "capacity": capacity, "cut": facts.cuts[k]},
                        "lipschitz": history.lipschitz[epoch][k],
                    }
                )
    return shaped("layers", rows)


def history_table(networks: Iterable[Network]) -> pd.DataFrame:
    """Loss and accuracy of every network by epoch."""
    frames = []
    for network in networks:
        frame = history_of(network)
        for position, (key, value) in enumerate(_network_place(network).items()):
            frame.insert(position, key, value)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def information_table(
    sweep: str,
    cells: Iterable[Information],
    failed: Iterable[Lost],
    activations: Iterable[Activations],
    weights: Mapping[str, np.ndarray],
    laws: pd.DataFrame,
    places: Mapping[str, dict[str, Any]],
    **made_by: str,
) -> pd.DataFrame:
    """All estimates, with deviations of moved laws from their reference cell and the accuracy under each law.

    Args:
        cells: with results.
        failed: without.
        activations: whose read-outs give the accuracy.
        weights: of the atoms of each law.
        laws: as `laws_table` has them.
        places: as `law_places` has them, in the order of the rows.
        made_by: the code.
    """
    frames = [cell_table(cell, "estimates").assign(**_layer_place(cell), status="ok") for cell in cells]
    absent = {"quantity": "I_X_T", "estimator": "upper", "status": "failed"}
    for cell in failed:
        place = {key: getattr(cell, key) for key in CELL}
        frames.append(pd.DataFrame([{**place, "law": law, **absent} for law in cell.laws]))
    frames.append(_accuracy(activations, weights, laws))
    table = pd.concat(frames, ignore_index=True)
    table = _moved_deviations(table, set(laws.law[laws.kind == "moved"]))
    table = _reference_rows(table, laws).join(_law_columns(places), on="law")
    order = {name: rank for rank, name in enumerate(places)}
    table = table.assign(rank=table.law.map(order)).sort_values(
        [*CELL, "rank", "quantity", "estimator"], kind="stable", ignore_index=True
    )
    forms = table.get("form", pd.Series("", index=table.index)).fillna("")
    devices = table.get("device", pd.Series("", index=table.index)).fillna("")
    return shaped("information", table, sweep=sweep, form=forms, device=devices, **made_by)


def _accuracy(
    activations: Iterable[Activations], weights: Mapping[str, np.ndarray], laws: pd.DataFrame
) -> pd.DataFrame:
    """P(correct read-out) under each law, from the passes of its atoms: layer 0 stands for the read-out."""
    rows = []
    for each in activations:
        correct, part = readout_of(each), laws[laws.split == each.law.part.name]
        on_atoms = part.law[(part["shift"] == REFERENCE) | (part.kind == "reweighted")]
        for law in on_atoms if each.law.kind == "reference" else [each.law.key]:
            if law not in weights:
                continue
            found = accuracy(correct, weights[law], each.stored_passes)
            low, high = interval(found)
            estimate = {**found._asdict(), "lower": low, "upper": high}
            sizes = {"n_passes": each.stored_passes, "n_atoms": len(correct), "device": CPU}
            labels = {"law": law, "layer": 0, "quantity": "accuracy", "estimator": "noisy_forward", "status": "ok"}
            rows.append({**_place(each), **labels, **estimate, **sizes})
    return pd.DataFrame(rows)


def _moved_deviations(table: pd.DataFrame, moved: set[str]) -> pd.DataFrame:
    """Replace the deviation of a moved law, whose cell knows no reference, by the difference of two cells."""
    values = table[(table.quantity == "I_X_T") & (table.status == "ok")]
    ends = values.pivot(index=[*CELL, "law"], columns="estimator", values=["value", "stderr"])
    rows = (table.quantity == "dI_X_T") & table.law.isin(moved)
    wanted = table.loc[rows, [*CELL, "law"]]
    ours = ends.reindex(pd.MultiIndex.from_frame(wanted))
    reference = wanted["split"].map(lambda part: name_in(part, REFERENCE))
    theirs = ends.reindex(pd.MultiIndex.from_frame(wanted.assign(law=reference)))

    def change(mine: str, other: str) -> Estimate:
        value = ours["value", mine].to_numpy() - theirs["value", other].to_numpy()
        return Estimate(value, np.hypot(ours["stderr", mine].to_numpy(), theirs["stderr", other].to_numpy()))

    # The cells share no draws, but for each end as for laws of one cell: lower less upper, and upper less lower end.
    found = {
        "lower": change("lower", "upper"),
        "upper": change("upper", "lower"),
        "plug_in": change("plug_in", "plug_in"),
    }
    low, high = interval(found["lower"])[0], interval(found["upper"])[1]
    found["bracket"] = centred(low, high)
    names = table.loc[rows, "estimator"].to_numpy()
    for column, at in (("value", 0), ("stderr", 1)):
        table.loc[rows, column] = np.select([names == name for name in found], [each[at] for each in found.values()])
    value, stderr = table.loc[rows, "value"], table.loc[rows, "stderr"]
    for column, own, shared in zip(("lower", "upper"), interval(Estimate(value, stderr)), (low, high), strict=True):
        table.loc[rows, column] = np.where(names == "plug_in", own, shared)
    table.loc[rows & table.value.isna(), "status"] = "failed"  # the reference cell it is held against is missing
    return table


def _reference_rows(table: pd.DataFrame, laws: pd.DataFrame) -> pd.DataFrame:
    """Size 0 of every family is the reference itself: the same numbers under the family's name."""
    zeros = []
    for law in laws[(laws["size"] == 0) & (laws["shift"] != REFERENCE)].itertuples():
        zeros.append(table[table.law == name_in(law.split, REFERENCE)].assign(law=law.law))
    return pd.concat([table, *zeros], ignore_index=True)


def attribution_table(sweep: str, cells: Iterable[Information], places: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """Where the change of information of every reweighting comes from, one row for each layer and law."""
    frames = [cell_table(cell, "attribution").assign(**_layer_place(cell)) for cell in cells]
    table = pd.concat(frames, ignore_index=True).join(_law_columns(places), on="law")
    return shaped("attribution", table.sort_values(ESTIMATE, kind="stable", ignore_index=True), sweep=sweep)


def pointwise(cells: Iterable[Information]) -> dict[tuple, tuple[np.ndarray, ...]]:
    """i(x) under the reference law from above, its standard error and i(x) from below, each (N,), by cell."""
    tables = {_key(cell): cell_table(cell, "pointwise") for cell in cells if not cell.moved}
    return {
        cell: tuple(table[name].to_numpy() for name in ("pointwise", "stderr", "low")) for cell, table in tables.items()
    }


def read_outs(activations: Iterable[Activations]) -> dict[tuple, tuple[np.ndarray, np.ndarray]]:
    """Loss of each atom of a reference law and its standard error, by checkpoint and part, where a single pass
    does not hide the error, and the last layer is a cut."""
    return {
        tuple(_place(each)[key] for key in (*CHECKPOINT, "split")): losses_of(each)
        for each in activations
        if each.law.kind == "reference" and each.stored_passes > 1 and facts_of(each.network).cuts[-1]
    }


def steps(cells: Iterable[Information]) -> dict[tuple, Steps]:
    """How far the signals of each moved law moved, by law and cell."""
    found = {}
    for cell in cells:
        if cell.moved:
            (row,) = cell_table(cell, "steps").to_dict("records")
            law = row.pop("law")
            found[law, *_key(cell)] = Steps(**row)
    return found


def worst_case(searches: Iterable[WorstCase]) -> pd.DataFrame:
    """What was found in every ball, and in which column of which file its maximising law stands."""
    frames = []
    for search in searches:
        columns = [f"worst_case/{search.law_file}#{column_name(*ball)}" for ball in search.balls]
        frames.append(worst_case_rows(search).assign(**_layer_place(search), law=columns))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def measures_table(sweep: str, units: Iterable[Measured], places: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """What the measures found, one row for each layer, law and quantity."""
    rows = [
        {**_layer_place(unit), **places[row["law"]], **row}
        for unit in units
        for row in measured_rows(unit).to_dict("records")
    ]
    return shaped("measures", rows, sweep=sweep)


def pictured(epochs: list[int]) -> list[int]:
    """The first, the last and two epochs between them, as far as there are so many."""
    return [epochs[k] for k in sorted({round(share * (len(epochs) - 1) / 3) for share in range(4)})]


def signals_table(activations: Iterable[Activations], labels: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One stored pass per atom of the deepest layer at up to four epochs, under the reference law: the scatter of S_L.

    Args:
        labels: of the atoms of each part.
    """
    frames = []
    for each in activations:
        deepest = len(each.network.hidden)
        if each.law.kind == "reference" and each.epoch in pictured(each.network.kept) and not each.is_wide(deepest):
            labels_here = labels[each.law.part.name]
            points = {"layer": deepest, "atom": np.arange(len(labels_here)), "label": labels_here}
            stored = list(signals_of(each, deepest)[:, 0])
            frames.append(pd.DataFrame({**_place(each), **points, "s": stored}))
    return shaped("signals", pd.concat(frames, ignore_index=True) if frames else [])


def _law_columns(places: Mapping[str, dict[str, Any]]) -> pd.DataFrame:
    """Family, size and metric by law."""
    return pd.DataFrame.from_dict(places, orient="index")[["shift", "size", "metric"]]
