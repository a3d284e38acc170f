"""Which MLflow runs a sweep becomes: the tables cut into cells and curves, as plain data.

A **cell** is one network under one law: its metrics run over epochs. A **curve** is one layer of one network: its
metrics run over training, and along each family of shifts; one more curve is of the network as a whole. Runs are flat
and carry every coordinate and every setting, because MLflow's pages hide nested runs, filter on nothing but a run's own
params and tags, and compare what stands there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasks.engine.device import CPU
from tasks.page.tables import violated
from tasks.sweep.laws import name_in
from tasks.sweep.schema import DISTANCES, RUN
from tasks.sweep.tables import SweepTables
from tasks.sweep.tracking.points import (
    CURVE,
    WHOLE,
    Quantities,
    at_final_epoch,
    cell_points,
    curve_points,
    sizes,
)
from tasks.sweep.tracking.views import QUESTIONS, READING, sweep_views
from tasks.tracking.names import label, short, text
from tasks.tracking.record import DataSet, RunRecord, Span, StudyRecord
from tasks.tracking.views import View

NOTE = "mlflow.note.content"
ROUGH = 6  # digits of a distance, which was searched for
# Settings that are coordinates of the runs, are told network by network, or say where files lie.
ELSEWHERE = ("study", "name", "resources.", "network", "training", "shifts", "data.path", "data.source")


@dataclass(frozen=True, kw_only=True)
class SweepRecord(StudyRecord):
    """What MLflow shows of one finished shift sweep.

    Attributes:
        tables: the sweep's tables, as `tasks.sweep.tables.load_tables` reads them.
        data_set: short name that starts the runs' names, for instance "szt".
        law_digests: law id -> sha256 of its stored atoms and weights.
        training: network -> how it was made and trained: setting -> value, as text.
        spans: when estimates were made: (network, beta, seed, law id or layer) -> span.
    """

    tables: SweepTables
    data_set: str
    law_digests: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    spans: Mapping[tuple[str, float, int, str | int], Span] = field(default_factory=dict)

    title = "How information reacts to a shifted input law"
    reading = READING
    questions = QUESTIONS

    @property
    def sweep(self) -> str:
        return self.tables.sweep

    @property
    def label(self) -> str:
        epochs = self.settings.get("training.epochs")
        start = [self.data_set, *([f"{epochs}ep"] if epochs is not None else [])]
        told = {name: value for name, value in self.changes.items() if name not in ("training.epochs", "data.source")}
        return label(*start, changes=told, variant=self.variant)

    def runs(self) -> list[RunRecord]:
        return plan_runs(self)

    def views(self, metrics: set[str]) -> list[View]:
        table = self.tables.information
        many, where = several(table), table[["network", "beta", "split"]].drop_duplicates()
        kinds = [_setting(many, *each) for each in sorted(where.itertuples(index=False, name=None))]
        metric = dict(zip(self.tables.laws["shift"], self.tables.laws["metric"], strict=True))
        families = {family: metric[family] for family, _ in sizes(self.tables)}
        layers = sorted(int(layer) for layer in table["layer"].unique() if layer > 0)
        return sweep_views(self.sweep_id, self.line, kinds, families, layers, metrics)

    def facts(self) -> dict[str, str]:
        table = self.tables.information
        return {
            "networks": ", ".join(f"`{name}`" for name in sorted(table["network"].unique())),
            "noise beta": ", ".join(f"{beta:g}" for beta in sorted(table["beta"].unique())),
            "seeds": ", ".join(str(seed) for seed in sorted(table["seed"].unique())),
        }

    @property
    def common(self) -> dict[str, str]:
        told = [name for name in self.settings if not name.startswith(ELSEWHERE)]
        settings = {_canonical(name): text(self.settings[name]) for name in told}
        return {"source": self.data_set} | settings | super().common

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
    tables, found = record.tables, Quantities.of(record.tables)
    facts = _cell_facts(record)
    notes = _cell_notes(found)
    by_network: dict[tuple, list[_Facts]] = {}
    for cell, fact in facts.items():
        by_network.setdefault(cell[:4], []).append(fact)
    runs = [
        _curve(record, where, _triples(group), by_network[where[:4]])
        for where, group in curve_points(tables, found).groupby(CURVE)
    ]
    by_cell = {cell: _triples(group) for cell, group in cell_points(tables, found).groupby(RUN)}
    runs += [_cell(record, cell, fact, by_cell.get(cell, ()), notes.get(cell, "")) for cell, fact in facts.items()]
    return [*runs, _sweep_run(record, runs, found)]


class _Facts(NamedTuple):
    """What is known of a cell besides its points over epochs.

    Attributes:
        network: params that all cells and curves of the network have.
        params: those of the law.
        once: points at the final epoch.
        law: id of the law.
        failed: layers without an estimate.
    """

    network: dict[str, str]
    params: dict[str, str]
    tags: dict[str, str]
    law: str
    reference: str
    once: tuple[tuple[str, int, float], ...]
    failed: frozenset[int]


def _cell_facts(record: SweepRecord) -> dict[tuple, _Facts]:
    """The facts of every cell."""
    estimates, laws = record.tables.information, record.tables.laws
    final = at_final_epoch(record.tables.bounds)
    final = final[final["concerns"] == "deviation"]
    law_of = {(row["split"], row["shift"], row["size"]): row for row in laws.to_dict("records")}
    references = {split: row["law"] for (split, shift, _), row in law_of.items() if shift == "reference"}
    order = {shift: sorted(rows.unique()) for shift, rows in sizes(record.tables)} | {"reference": [0.0]}
    vacuous = final[final["tightest"] & final["vacuous"]].groupby(RUN)["layer"].unique()
    broken = violated(final).groupby(RUN).size()
    slack = final[np.isfinite(final["slack"])].groupby(RUN)["slack"].min()
    common, many = record.common, several(estimates)
    facts = {}
    for cell, rows in estimates.groupby(RUN):
        network, beta, seed, split, shift, size = cell
        law, layered, any_row = law_of[split, shift, size], rows[rows["layer"] > 0], rows.iloc[0]
        index, layers = order[shift].index(size), sorted(vacuous.get(cell, ()))
        failed = rows[rows["status"] != "ok"]
        once = {"shift_size": size, "n_vacuous": len(layers), "n_violated": broken.get(cell, 0)}
        once |= {"slack_min": slack[cell]} if cell in slack else {}
        facts[cell] = _Facts(
            network={
                **common,
                **record.training.get(network, {}),
                **{"data_set": record.data_set, "part": split, "setting": _setting(many, network, beta, split)},
                **{"architecture": network, "beta": text(float(beta)), "seed": str(seed)},
                **{"device": ", ".join(sorted({each for each in layered["device"] if each})) or CPU},
                **{"code": any_row["code"]},
            },
            params={
                **{"shift_family": shift, "shift_metric": any_row["metric"], "shift_size": text(float(size))},
                **{"shift_size_index": str(index), "n_atoms": str(law["n_atoms"])},
                **{"n_passes": _count(layered["n_passes"]), "draws": _count(layered["draws"])},
                **{name: text(float(law[name]), ROUGH) for name in DISTANCES},
                **{f"{name}_how": str(law[f"{name}_how"]) for name in DISTANCES},
            },
            tags={
                "vacuous": " ".join(f"L{layer}" for layer in layers) or "none",
                "largest": "yes" if shift != "reference" and index == len(order[shift]) - 1 else "no",
                "failed": str(len(failed)),
            },
            law=law["law"],
            reference=references[split],
            once=tuple((name, int(rows["epoch"].max()), float(value)) for name, value in once.items()),
            failed=frozenset(failed["layer"]),
        )
    return facts


def _count(column: pd.Series) -> str:
    """The largest count over layers; a failed estimate has none."""
    return "none" if column.isna().all() else str(int(column.max()))


def _cell(record: SweepRecord, cell: tuple, facts: _Facts, points: tuple, note: str) -> RunRecord:
    """One network under one law."""
    network, beta, seed, split, shift, size = cell
    law = shift if shift == "reference" else f"{shift} {short(size)}"
    return RunRecord(
        kind="cell",
        key=f"{network}/b{beta!r}/s{seed}/{name_in(split, f'{shift}/{size!r}')}",
        name=f"{record.label} {facts.network['setting']} {law} s{seed}",
        params=facts.network | facts.params,
        tags=facts.tags | {NOTE: note},
        points=points + facts.once,
        laws=tuple(dict.fromkeys([facts.reference, facts.law])),
        failed=bool(facts.failed),
        span=record.spans.get(
            (network, beta, seed, facts.law), record.spans.get((network, beta, seed, facts.reference))
        ),
    )


def _curve(record: SweepRecord, where: tuple, points: tuple, cells: list[_Facts]) -> RunRecord:
    """One layer of one network, or the network as a whole."""
    network, beta, seed, split, layer = where
    from tasks.page.figure_style import colour

    named = "network" if layer == WHOLE else f"L{layer}"
    mine = [span for key, span in record.spans.items() if key[:3] == where[:3] and (layer == WHOLE or key[3] == layer)]
    return RunRecord(
        kind="curve",
        key=f"{network}/b{beta!r}/s{seed}/{name_in(split, named)}",
        name=f"curve {record.label} {cells[0].network['setting']} {named} s{seed}",
        params=cells[0].network | {"layer": named},
        tags={} if layer == WHOLE else {"mlflow.runColor": colour(layer)},
        points=points,
        failed=any(cell.failed if layer == WHOLE else layer in cell.failed for cell in cells),
        span=Span.over(mine),
    )


def several(table: pd.DataFrame) -> bool:
    """Whether there are several kinds of networks, which have to be told apart."""
    return table["network"].nunique() > 1


def _setting(many: bool, network: str, beta: float, split: str) -> str:
    """What charts must not mix: "b0.1", "erm b0.1 test"."""
    return " ".join([*([network] if many else []), f"b{text(float(beta))}", *([] if split == "all" else [split])])


def _canonical(setting: str) -> str:
    """A setting as a param: without its section where no other is called so."""
    section, _, name = setting.partition(".")
    if section in ("data", "estimator") and name not in ("seed", "part"):
        return name.replace(".", "_")
    return setting.replace(".", "_")


def _triples(points: pd.DataFrame) -> tuple[tuple[str, int, float], ...]:
    return tuple(zip(points["name"], points["step"].tolist(), points["value"].tolist(), strict=True))


def _cell_notes(found: Quantities) -> dict[tuple, str]:
    """The description shown on a cell's page: its layers at the final epoch, as a Markdown table."""
    columns = ["value", "lower", "upper", "stderr"]
    information, change = (
        at_final_epoch(rows).set_index([*RUN, "layer"])[columns] for rows in (found.information, found.change)
    )
    smallest = found.smallest.set_index([*RUN, "layer"])[["theorem", "bound", "vacuous"]]
    joined = information.join(change.add_suffix("_change")).join(smallest)
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


def _sweep_run(record: SweepRecord, runs: list[RunRecord], found: Quantities) -> RunRecord:
    """The run that holds the totals, and later the files; its content covers them all."""
    accuracy = at_final_epoch(found.accuracy)
    information, bounds, worst_case = (getattr(record.tables, name) for name in ("information", "bounds", "worst_case"))
    deviation = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    totals = {  # pages that compare begin with the first
        "acc": float(accuracy[accuracy["shift"] == "reference"]["value"].mean()),
        "largest change": float(found.relative["value"].max()),
        "largest tightness": float(found.smallest["tightness"].max()),
        "slack_min": float(deviation["slack"].min()),
        "n_cells": sum(run.kind == "cell" for run in runs),
        "n_estimates": int((information["status"] == "ok").sum()),
        "n_failed": int((information["status"] != "ok").sum()),
        "n_bounds": len(deviation),
        "n_vacuous": int(deviation["vacuous"].sum()),
        "n_violated": len(violated(deviation)) + len(violated(worst_case)),
    }
    return record.own_run(
        params={name: text(value)[:500] for name, value in record.settings.items()},
        totals={name: float(value) for name, value in totals.items() if np.isfinite(value)},
        laws=tuple(record.tables.laws["law"]),
        failed=totals["n_failed"] > 0,
    )
