"""Which MLflow runs a sweep becomes: the tables cut into cells and curves, as plain data.

A **cell** is one network under one law: its metrics run over epochs. A **curve** is one network along one family of
shifts at the final epoch: its metrics run over sizes, so that `shift_size` can be a chart's x axis. Runs are flat and
carry every coordinate, because MLflow's pages hide nested runs and filter on nothing but a run's own params and tags.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.page.tables import violated
from tasks.sweep.laws import name_in
from tasks.sweep.schema import DISTANCES, NETWORK, RUN
from tasks.sweep.tables import SweepTables
from tasks.sweep.tracking.points import at_final_epoch, cell_points, measure_name, middles
from tasks.sweep.tracking.views import READING, sweep_views
from tasks.tracking.record import DataSet, RunRecord, StudyRecord
from tasks.tracking.views import View

ON_CURVES = ("I_X_T/", "I_X_T_low/", "I_X_T_high/", "I_T_Y/", "dI_X_T/", "rel_dev/", "bound_tightest/", "acc")
BESIDE = ("acc_reference",)  # which does not run along a curve


@dataclass(frozen=True, kw_only=True)
class SweepRecord(StudyRecord):
    """What MLflow shows of one finished shift sweep.

    Attributes:
        tables: the sweep's tables, as `tasks.sweep.tables.load_tables` reads them.
        data_set: short name that starts the runs' names, for instance "szt".
        law_digests: law id -> sha256 of its stored atoms and weights.
        training: network -> how it was trained: setting -> value, as text.
    """

    tables: SweepTables
    data_set: str
    law_digests: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    title = "How information reacts to a shifted input law"
    reading = READING

    @property
    def sweep(self) -> str:
        return self.tables.sweep

    def runs(self) -> list[RunRecord]:
        return plan_runs(self)

    def views(self, metrics: set[str]) -> list[View]:
        laws = self.tables.laws
        shifted = laws[laws["shift"] != "reference"]
        families = dict(zip(shifted["shift"], shifted["metric"], strict=True))
        layers = sorted(int(layer) for layer in self.tables.information["layer"].unique() if layer > 0)
        return sweep_views(self.sweep_id, families, layers, metrics)

    def facts(self) -> dict[str, str]:
        table = self.tables.information
        return {
            "Networks": ", ".join(f"`{name}`" for name in sorted(table["network"].unique())),
            "Noise beta": ", ".join(f"{beta:g}" for beta in sorted(table["beta"].unique())),
            "Seeds": ", ".join(str(seed) for seed in sorted(table["seed"].unique())),
        }

    def data_set_of(self, law: str) -> DataSet | None:
        """A law as a data set, named by its digest; none if the digest is not known."""
        if law not in self.law_digests:
            return None
        row = self.tables.laws.set_index("law").loc[law]
        profile = {
            "n_atoms": int(row["n_atoms"]),
            "entropy": float(row["entropy"]),
            f"p_label_{row['label']}": float(row["p_label"]),
        }
        return DataSet(f"{self.data_set} {law}", self.law_digests[law], f"law {law}", profile, str(row["kind"]))


def plan_runs(record: SweepRecord) -> list[RunRecord]:
    """All runs of a sweep: curves, cells, each group in the order of its coordinates, and the sweep's own run last."""
    tables, data_set = record.tables, record.data_set
    estimates = tables.information
    good = estimates[estimates["status"] == "ok"]
    final = at_final_epoch(tables.bounds)
    final = final[final["concerns"] == "deviation"]
    numbers = tables.measures[tables.measures["at"].isna()]  # a curve's place is no step of MLflow's
    points = cell_points(good, tables.bounds, tables.history, numbers)
    facts = _cell_facts(estimates, final, tables.laws, data_set, record.training)
    notes = _cell_notes(at_final_epoch(good), final)
    by_family = points[points["shift"] != "reference"].groupby([*NETWORK, "split", "shift"])
    known = numbers[["measure", "quantity"]].drop_duplicates().itertuples(index=False)
    measures = {measure_name(*name) for name in known}
    runs = [_curve(where, group, facts, data_set, measures) for where, group in by_family]
    by_cell = {cell: _triples(group) for cell, group in points.groupby(RUN)}
    runs += [_cell(cell, fact, by_cell.get(cell, ()), notes.get(cell, "")) for cell, fact in facts.items()]
    return [*runs, _sweep_run(record, runs)]


class _Facts(NamedTuple):
    """What is known of a cell besides its curves over epochs; `once` are points at its final epoch."""

    params: dict[str, str]
    tags: dict[str, str]
    laws: tuple[str, ...]
    once: tuple[tuple[str, int, float], ...]
    failed: bool
    kind: str  # of network, where there are several


def _cell_facts(
    estimates: pd.DataFrame,
    final: pd.DataFrame,
    laws: pd.DataFrame,
    data_set: str,
    training: Mapping[str, Mapping[str, str]],
) -> dict[tuple, _Facts]:
    """The facts of every cell; `final` holds the shift bounds at the final epoch."""
    law_of = {(row["split"], row["shift"], row["size"]): row for row in laws.to_dict("records")}
    references = {split: row["law"] for (split, shift, _), row in law_of.items() if shift == "reference"}
    sizes = {shift: sorted(rows["size"].unique()) for shift, rows in estimates.groupby("shift")}
    vacuous = final[final["tightest"] & final["vacuous"]].groupby(RUN)["layer"].unique()
    broken = violated(final).groupby(RUN).size()
    slack = final[np.isfinite(final["slack"])].groupby(RUN)["slack"].min()
    several = estimates["network"].nunique() > 1
    facts = {}
    for cell, rows in estimates.groupby(RUN):
        network, beta, seed, split, shift, size = cell
        shown = f"{network} " if several else ""
        law, layered, any_row = law_of[split, shift, size], rows[rows["layer"] > 0], rows.iloc[0]
        index, layers = sizes[shift].index(size), sorted(vacuous.get(cell, ()))
        failed = int((rows["status"] != "ok").sum())
        once = {"shift_size": size, "n_vacuous": len(layers), "n_violated": broken.get(cell, 0)}
        once |= {"slack_min": slack[cell]} if cell in slack else {}
        facts[cell] = _Facts(
            params={
                **{
                    "data_set": data_set,
                    "part": split,
                    "setting": f"{shown}{_of(f'b{beta:g}', split)}",
                    "architecture": network,
                    "beta": repr(float(beta)),
                    "seed": str(seed),
                },
                **training.get(network, {}),
                **{"shift_family": shift, "shift_metric": any_row["metric"], "shift_size": repr(float(size))},
                **{
                    "shift_size_index": str(index),
                    "case": f"{shown}{_of(f'{shift} b{beta:g}', split)}",
                    "n_atoms": str(law["n_atoms"]),
                },
                **{"n_passes": _count(layered["n_passes"]), "draws": _count(layered["draws"])},
                **{"device": any_row["device"], "code": any_row["code"]},
                **{name: repr(float(law[name])) for name in DISTANCES},
                **{f"{name}_how": str(law[f"{name}_how"]) for name in DISTANCES},
            },
            tags={
                "vacuous": " ".join(f"L{layer}" for layer in layers) or "none",
                "largest": "yes" if shift != "reference" and index == len(sizes[shift]) - 1 else "no",
                "failed": str(failed),
            },
            laws=tuple(dict.fromkeys([references[split], law["law"]])),
            once=tuple((name, int(rows["epoch"].max()), float(value)) for name, value in once.items()),
            failed=failed > 0,
            kind=shown,
        )
    return facts


def _count(column: pd.Series) -> str:
    """The largest count over layers; a failed estimate has none."""
    return "none" if column.isna().all() else str(int(column.max()))


def _cell(cell: tuple, facts: _Facts, points: tuple, note: str) -> RunRecord:
    """One network under one law."""
    network, beta, seed, split, shift, size = cell
    return RunRecord(
        kind="cell",
        key=f"{network}/b{beta!r}/s{seed}/{name_in(split, f'{shift}/{size!r}')}",
        name=f"{_of(facts.params['data_set'], split)} {facts.kind}b{beta:.3f} {shift} {size:.3f} s{seed}",
        params=facts.params,
        tags=facts.tags | {"mlflow.note.content": note},
        points=points + facts.once,
        laws=facts.laws,
        failed=facts.failed,
    )


def _curve(
    where: tuple, points: pd.DataFrame, facts: dict[tuple, _Facts], data_set: str, measures: set[str]
) -> RunRecord:
    """One network along one family of shifts, at the final epoch, with the index of the size as step."""
    network, beta, seed, split, shift = where
    cells = {cell[5]: fact for cell, fact in facts.items() if cell[:5] == where}
    index = {size: int(fact.params["shift_size_index"]) for size, fact in cells.items()}
    last = cells[max(cells)]
    wanted = at_final_epoch(points)
    measured = wanted["name"].str.startswith(tuple(f"{name}/" for name in measures))
    wanted = wanted[(wanted["name"].str.startswith(ON_CURVES) | measured) & ~wanted["name"].isin(BESIDE)]
    along = wanted.assign(name="curve_" + wanted["name"], step=wanted["size"].map(index))
    on_axis = tuple(("shift_size", step, float(size)) for size, step in index.items())
    same = {
        "data_set",
        "part",
        "setting",
        "architecture",
        "beta",
        "seed",
        "shift_family",
        "shift_metric",
        "n_passes",
        "draws",
        "n_atoms",
    }
    return RunRecord(
        kind="curve",
        key=f"{network}/b{beta!r}/s{seed}/{name_in(split, shift)}",
        name=f"curve {_of(data_set, split)} {last.kind}b{beta:.3f} {shift} s{seed}",
        params={name: value for name, value in last.params.items() if name in same},
        tags={"sizes": " ".join(repr(float(size)) for size in index)},
        points=_triples(along) + on_axis,
        laws=last.laws[:1],
        failed=any(cell.failed for cell in cells.values()),
    )


def _of(data_set: str, split: str) -> str:
    """A part of a data set, as runs are called."""
    return data_set if split == "all" else f"{data_set} {split}"


def _triples(points: pd.DataFrame) -> tuple[tuple[str, int, float], ...]:
    return tuple(zip(points["name"], points["step"].tolist(), points["value"].tolist(), strict=True))


def _cell_notes(good: pd.DataFrame, final: pd.DataFrame) -> dict[tuple, str]:
    """The description shown on a cell's page: its layers at the final epoch, as a Markdown table."""
    columns = ["value", "lower", "upper", "stderr"]
    rows = middles(good[good["estimator"] == "upper"]).set_index([*RUN, "layer", "quantity"])[columns]
    information, change = (rows.xs(quantity, level="quantity") for quantity in ("I_X_T", "dI_X_T"))
    # Bounds may tie, at size zero all do.
    tightest = (
        final[final["tightest"]]
        .drop_duplicates([*RUN, "layer"])
        .set_index([*RUN, "layer"])[["theorem", "bound", "vacuous"]]
    )
    joined = information.join(change.add_suffix("_change")).join(tightest)
    notes = {}
    for cell, layers in joined.groupby(level=RUN):
        lines = ["| layer | I(X;T) in nats, bracket | change | smallest bound |", "|---|---|---|---|"]
        for index, row in layers.iterrows():
            lines.append(f"| {index[-1]} | [{row['lower']:.3f}, {row['upper']:.3f}] | {_change(row)} | {_bound(row)} |")
        notes[cell] = "\n".join(lines)
    return notes


def _change(row: pd.Series) -> str:
    return "" if math.isnan(row["value_change"]) else f"{row['value_change']:+.4f} ± {row['stderr_change']:.4f}"


def _bound(row: pd.Series) -> str:
    if not isinstance(row["theorem"], str):
        return ""
    return f"{row['bound']:.3f} ({row['theorem']}{', vacuous' if row['vacuous'] else ''})"


def _sweep_run(record: SweepRecord, runs: list[RunRecord]) -> RunRecord:
    """The run that holds the totals, and later the files; its content covers them all."""
    information, bounds, worst_case = (getattr(record.tables, name) for name in ("information", "bounds", "worst_case"))
    deviation = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    totals = {
        "n_cells": sum(run.kind == "cell" for run in runs),
        "n_estimates": int((information["status"] == "ok").sum()),
        "n_failed": int((information["status"] != "ok").sum()),
        "n_bounds": len(deviation),
        "n_vacuous": int(deviation["vacuous"].sum()),
        "n_violated": len(violated(deviation)) + len(violated(worst_case)),
        "slack_min": float(deviation["slack"].min()),
    }
    settings = pd.json_normalize(dict(record.tables.config)).iloc[0]
    return record.own_run(
        params={name: str(value)[:500] for name, value in settings.items()},
        totals={name: float(value) for name, value in totals.items() if np.isfinite(value)},
        laws=tuple(record.tables.laws["law"]),
        failed=totals["n_failed"] > 0,
    )
