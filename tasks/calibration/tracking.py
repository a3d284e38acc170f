"""Which MLflow runs a calibration becomes: a case is one law, noise and dimension; its metrics run over n or n_x."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ib_core.bounds.theorem import Theorem
from ib_core.bounds.theorems import ENTROPY_RISK, ESTIMATION_RISK, INFORMATION_RISK, named
from tasks.calibration.tables import CURVE, CalibrationTables
from tasks.page.tables import violated
from tasks.tracking.names import label, text
from tasks.tracking.record import RunRecord, Span, StudyRecord
from tasks.tracking.views import Question, Section, View, line

TRUTH = 8  # digits of a closed form that people read

READING = """\
## How to read the numbers

* Everything is in **nats** (1 nat = 1.443 bits); `beta` is the standard deviation of the noise.
* A **case** is one law, noise level and dimension. The step of its metrics is the number n of samples (`part` entropy),
of stored passes n_x (`part` bracket), or of sampled inputs with as many passes (`part` sampled).
* `risk` is the mean |plug-in - truth|, `bias` and `sd` are its parts. `upper` and `lower` are the published ends of the
bracket, `gap` is their distance, `missed` the share of brackets that do not contain the truth, `draws` the error that
draws add to the plug-in. `held_out_gap` is the distance of the plain held-out end from the plug-in, `expected_gap` its
first term in theory. `<name>_stderr` is a standard error over replications.
* `bound_<theorem>` is the bound at the same step, `slope_<quantity>` the exponent fitted to the curve.
* The **sweep** run holds report, figures and tables.
"""
QUESTIONS = {
    "entropy": Question("risk over n", "How does the risk of the entropy fall with n, and how do its parts?"),
    "bracket": Question("bracket over n_x", "How fast does the bracket close around the truth?"),
    "sampled": Question("information risk", "How far is the information of sampled inputs off, and what is allowed?"),
    "sweeps": Question("settings and totals", "What differs between the calibrations, and what do they come to?"),
}


def bound_name(theorem: Theorem) -> str:
    """The metric of what a theorem allows."""
    return f"bound_{theorem.name}"


CHARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "entropy": {
        "risk (solid) and what is allowed (dashed), nats, over n": ("risk", bound_name(ENTROPY_RISK)),
        "its parts: bias (solid, where above 0) and spread (dashed), nats, over n": ("bias", "sd"),
    },
    "bracket": {
        "width of the bracket (solid), that of the held-out end (dashed), expected (dotted), nats, over n_x": (
            *("gap", "held_out_gap", "expected_gap"),
        ),
        "upper (solid) and lower (dashed) end, nats, over n_x": ("upper", "lower"),
        "risk (solid) and what is allowed (dashed), nats, over n_x": ("risk", bound_name(ESTIMATION_RISK)),
    },
    "sampled": {"risk (solid) and what is allowed (dashed), nats, over n": ("risk", bound_name(INFORMATION_RISK))},
}


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord(StudyRecord):
    """What MLflow shows of one finished calibration.

    Attributes:
        tables: what it found.
        spans: when its cases were computed, by part, law, beta and dimension.
    """

    tables: CalibrationTables
    spans: Mapping[tuple[str, str, float, int], Span] = field(default_factory=dict)

    title = "The estimator against closed forms"
    reading = READING
    questions = QUESTIONS

    @property
    def sweep(self) -> str:
        return self.tables.config["name"]

    @property
    def label(self) -> str:
        return label(self.sweep, changes=self.changes, variant=self.variant)

    @property
    def common(self) -> dict[str, str]:
        told = [name for name in self.settings if name.startswith(("entropy.", "chain.", "seed"))]
        return {name.replace(".", "_"): text(self.settings[name]) for name in told} | super().common

    def runs(self) -> list[RunRecord]:
        tables = self.tables
        cases = [
            _case(self, key, rows, *(_of(key, frame) for frame in (tables.bounds, tables.slopes)))
            for key, rows in tables.calibration.groupby(CURVE, sort=False)
        ]
        proven = tables.bounds[tables.bounds["proven"]]
        totals = {
            "n_cases": len(cases),
            "n_failed": int((tables.calibration["status"] != "ok").sum()),
            "n_bounds": len(proven),
            "n_vacuous": int(proven["vacuous"].sum()),
            "n_violated": len(violated(proven)),
        }
        params = {name: text(value)[:500] for name, value in self.settings.items()}
        points = {name: float(value) for name, value in totals.items()}
        return [*cases, self.own_run(params, points, failed=totals["n_failed"] > 0)]

    def views(self, metrics: set[str]) -> list[View]:
        parts = set(self.tables.calibration["part"])
        found = [
            View(
                sweep=self.sweep_id,
                question=part,
                setting="",
                title=f"{self.line} · {QUESTIONS[part].short}",
                runs=f"tags.sweep = '{self.sweep_id}' and tags.kind = 'case' and params.part = '{part}'",
                columns=(*(f"params.`{name}`" for name in ("law", "beta", "d")), "metrics.`n_violated`"),
                table=True,
                sections=(
                    Section(
                        "One line for each case; both axes are logarithmic",
                        tuple(line(words, *names, log_x=True, log_y=True) for words, names in charts.items()),
                    ),
                ),
                metrics=frozenset(metrics),
                group_by="case",
                order_by="params.`law`",
            )
            for part, charts in CHARTS.items()
            if part in parts
        ]
        totals = tuple(f"metrics.`{name}`" for name in ("n_cases", "n_failed", "n_vacuous", "n_violated"))
        settings = ("created", "entropy.replications", "entropy.relative_stderr", "chain.replications", "seed")
        compared = View(
            sweep="",
            question="sweeps",
            setting="",
            title=f"compare sweeps · {QUESTIONS['sweeps'].short}",
            runs="tags.kind = 'sweep'",
            columns=(*(f"params.`{name}`" for name in settings), *totals),
            table=True,
            order_by="params.`created`",
            ascending=False,
        )
        return [*found, compared]

    def facts(self) -> dict[str, str]:
        table = self.tables.calibration
        return {
            "laws": ", ".join(f"`{law}`" for law in table["law"].unique()),
            "noise beta": ", ".join(f"{beta:g}" for beta in sorted(table["beta"].unique())),
            "dimensions": ", ".join(str(d) for d in sorted(table["d"].unique())),
        }


def _of(key: tuple, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of one case."""
    return frame[(frame[CURVE] == list(key)).fillna(False).all(axis=1)]


def _case(
    record: CalibrationRecord, key: tuple, rows: pd.DataFrame, bounds: pd.DataFrame, slopes: pd.DataFrame
) -> RunRecord:
    """One law, noise and dimension: its curves, their bounds and exponents."""
    part, law, beta, d = key
    axis = "n" if part == "entropy" else "n_passes"
    good, proven = rows[rows["status"] == "ok"], bounds[bounds["proven"]]
    last = int(rows[axis].max())
    curves = (
        (good["quantity"], good[axis], good["value"]),
        (good["quantity"] + "_stderr", good[axis], good["stderr"]),
        ([bound_name(named(theorem)) for theorem in bounds["theorem"]], bounds[axis], bounds["bound"]),
    )
    points = [
        (str(name), int(step), float(value)) for curve in curves for name, step, value in zip(*curve, strict=True)
    ]
    points += [(f"slope_{row.quantity}", last, float(row.value)) for row in slopes.itertuples()]
    points.append(("n_violated", last, float(len(violated(proven)))))
    points.append(("n_vacuous", last, float(proven["vacuous"].sum())))
    case = f"{part} {law} b{text(float(beta))} d{d}"
    return RunRecord(
        kind="case",
        key=f"{part}/{law}/b{beta!r}/d{d}",
        name=f"{record.label} {case}",
        params={
            **record.common,
            **{"part": part, "law": law, "beta": text(float(beta)), "d": str(d), "case": case},
            "replications": str(int(rows["replications"].max())),
            "truth": text(float(good["truth"].iloc[0]), TRUTH) if len(good) else "none",
            "steps": " ".join(str(step) for step in sorted(rows[axis].unique())),
        },
        tags={"failed": str(int((rows["status"] != "ok").sum()))},
        points=tuple(point for point in points if np.isfinite(point[2])),
        failed=len(good) < len(rows),
        span=record.spans.get((str(part), str(law), float(beta), int(d))),
    )
