"""Which MLflow runs a calibration becomes: a case is one law, noise and dimension; its metrics run over n or n_x."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ib_core.bounds.theorem import Theorem
from ib_core.bounds.theorems import ENTROPY_RISK, ESTIMATION_RISK, INFORMATION_RISK, named
from tasks.calibration.tables import CURVE, CalibrationTables
from tasks.page.tables import violated
from tasks.tracking.record import RunRecord, StudyRecord
from tasks.tracking.views import View, line

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
    "entropy": ("risk over n", "How does the risk of the entropy fall with n, and how do its parts?"),
    "bracket": ("bracket over n_x", "How fast does the bracket close around the truth?"),
    "sampled": ("information risk", "How far is the information of sampled inputs off, and what is allowed?"),
}


def bound_name(theorem: Theorem) -> str:
    """The metric of what a theorem allows."""
    return f"bound_{theorem.name}"


CHARTS = {
    "entropy": ("risk", "bias", "sd", bound_name(ENTROPY_RISK)),
    "bracket": ("upper", "lower", "gap", "held_out_gap", "expected_gap", "risk", bound_name(ESTIMATION_RISK)),
    "sampled": ("risk", bound_name(INFORMATION_RISK)),
}


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord(StudyRecord):
    """What MLflow shows of one finished calibration."""

    tables: CalibrationTables

    title = "The estimator against closed forms"
    reading = READING

    @property
    def sweep(self) -> str:
        return self.tables.config["name"]

    def runs(self) -> list[RunRecord]:
        tables = self.tables
        cases = [
            _case(key, rows, *(_of(key, frame) for frame in (tables.bounds, tables.slopes)))
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
        settings = pd.json_normalize(tables.config).iloc[0]
        params = {name: str(value)[:500] for name, value in settings.items()}
        points = {name: float(value) for name, value in totals.items()}
        return [*cases, self.own_run(params, points, failed=totals["n_failed"] > 0)]

    def views(self, metrics: set[str]) -> list[View]:
        cases = f"tags.sweep = '{self.sweep_id}' and tags.kind = 'case'"
        parts = set(self.tables.calibration["part"])
        return [
            View(
                slug=f"calibration-{part}",
                short=short,
                title=short,
                answers=answers,
                runs=f"{cases} and params.part = '{part}'",
                columns=(*(f"params.`{name}`" for name in ("law", "beta", "d")), "metrics.`n_violated`"),
                charts={
                    "Over n or n_x, nats, both logarithmic": tuple(
                        line(name, log=True) | {"scaleType": "log"} for name in CHARTS[part]
                    )
                },
                metrics=frozenset(metrics),
                order_by="params.`law`",
            )
            for part, (short, answers) in QUESTIONS.items()
            if part in parts
        ]

    def facts(self) -> dict[str, str]:
        table = self.tables.calibration
        return {
            "Laws": ", ".join(f"`{law}`" for law in table["law"].unique()),
            "Noise beta": ", ".join(f"{beta:g}" for beta in sorted(table["beta"].unique())),
            "Dimensions": ", ".join(str(d) for d in sorted(table["d"].unique())),
        }


def _of(key: tuple, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of one case."""
    return frame[(frame[CURVE] == list(key)).fillna(False).all(axis=1)]


def _case(key: tuple, rows: pd.DataFrame, bounds: pd.DataFrame, slopes: pd.DataFrame) -> RunRecord:
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
    label = f"{part} {law} b{beta:.3f} d{d:02d}"
    return RunRecord(
        kind="case",
        key=f"{part}/{law}/b{beta!r}/d{d}",
        name=label,
        params={
            **{"part": part, "law": law, "beta": repr(float(beta)), "d": str(d), "case": label},
            "replications": str(int(rows["replications"].max())),
            "truth": repr(float(good["truth"].iloc[0])) if len(good) else "none",
            "steps": " ".join(str(step) for step in sorted(rows[axis].unique())),
        },
        tags={"failed": str(int((rows["status"] != "ok").sum()))},
        points=tuple(point for point in points if np.isfinite(point[2])),
        failed=len(good) < len(rows),
    )
