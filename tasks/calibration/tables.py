"""Stage `tables`: the tidy tables of a calibration: errors, the bounds on them, their slopes, and how many samples."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import yaml
from scipy.stats import beta as beta_law

from ib_core import bounds
from ib_core.calibration.power_laws import crossing, power_slope, straight_slope
from ib_core.estimate import Estimate, holds
from tasks.calibration.bracket import Bracket
from tasks.calibration.error_bounds import error_bounds
from tasks.calibration.risk import Risk
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, write_table

CURVE = ["part", "law", "beta", "d"]
CASE = [*CURVE, "n", "n_passes"]
# Where Monte Carlo makes more than this share of an error, the point says nothing of the error and is not fitted.
MC_SHARE = 1 / 3
DRAWN = ("risk", "sd")  # what Monte Carlo error makes larger, or is taken out of


@dataclass(frozen=True)
class CalibrationTables:
    """Everything a report or a tracking server shows of one calibration, in nats.

    Attributes:
        config: the resolved settings, as plain JSON.
        calibration: mean errors and estimates by case and quantity, with standard errors over replications.
        bounds: one row per measured quantity and theorem.
        slopes: exponents fitted to the curves: over n, n_x, and d.
        complexity: least n for a given risk by law, noise and d.
    """

    config: dict[str, Any]
    calibration: pd.DataFrame
    bounds: pd.DataFrame
    slopes: pd.DataFrame
    complexity: pd.DataFrame


TABLES = tuple(field.name for field in fields(CalibrationTables) if field.type is pd.DataFrame)


def load_calibration(folder: Path) -> CalibrationTables:
    """Read the tables back from the folder that the stage wrote, or where they were published."""
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return CalibrationTables(config, **{name: read_table(folder / f"{name}.parquet").to_pandas() for name in TABLES})


@dataclass(frozen=True)
class Case:
    """Where a case stands: what is estimated, of which law, and how many samples or passes there are."""

    part: str
    law: str
    beta: float
    d: int
    n: int | None
    n_passes: int | None
    replications: int


def case_of(unit: Risk | Bracket) -> Case:
    """The case of a unit."""
    if isinstance(unit, Risk):
        return Case("entropy", unit.law, unit.beta, unit.d, unit.n, None, unit.replications)
    part = "sampled" if unit.sampled else "bracket"
    return Case(part, "chain", unit.beta, unit.d, unit.sampled, unit.passes, unit.replications)


@dataclass(frozen=True, eq=False)
class Tables(Recipe):
    """All tables of a calibration, gathered from its cases.

    Attributes:
        calibration: its name.
        config: its resolved settings, to be shown beside the tables.
        levels: risks (nats) for which the least n is read off.
        fit_from: where the fit of each part's exponents starts.
        n_values: of each coordinate of a chain's inputs.
        cases: with results.
        failed: without.
    """

    stage: ClassVar[str] = "tables"
    calibration: str
    config: Mapping[str, Any]
    levels: tuple[float, ...]
    fit_from: Mapping[str, int]
    n_values: int
    cases: tuple[Risk | Bracket, ...]
    failed: tuple[Case, ...] = ()

    @property
    def label(self) -> str:
        return self.calibration

    def cost(self) -> Cost:
        return Cost(5.0, 2e6)

    def without(self, lost: frozenset[str]) -> Self:
        failed = tuple(case_of(unit) for unit in self.cases if unit.name in lost)
        cases = tuple(unit for unit in self.cases if unit.name not in lost)
        return replace(self, cases=cases, failed=self.failed + failed) if lost else self

    def build(self, out: Path) -> None:
        """Write calibration, bounds, slopes and complexity as Parquet and CSV, and config.yaml."""
        rows = [row for unit in self.cases for row in _measured(unit)] + [_absent(case) for case in self.failed]
        table = pd.DataFrame(rows).astype({"n": "Int64", "n_passes": "Int64", "replications": "Int64"})
        tables = {
            "calibration": table,
            "bounds": pd.DataFrame(list(_held_against(table, self.n_values))),
            "complexity": complexity(table, self.levels),
        }
        tables["slopes"] = slopes(table, tables["complexity"], self.fit_from)
        for name, frame in tables.items():
            write_table(out / f"{name}.parquet", frame.assign(sweep=self.calibration))
            frame.assign(sweep=self.calibration).to_csv(out / f"{name}.csv", index=False)
        (out / "config.yaml").write_text(yaml.safe_dump(dict(self.config), sort_keys=False), encoding="utf-8")


def _measured(unit: Risk | Bracket) -> Iterator[dict[str, Any]]:
    """The rows of one case."""
    place = asdict(case_of(unit))
    frame = read_table(unit.file("replications.parquet")).to_pandas()
    mc = math.sqrt(float((frame["plug_in_stderr"] ** 2).mean()))
    for quantity, (value, stderr) in _summaries(frame, mc, place).items():
        yield place | {
            **{"quantity": quantity, "value": value, "stderr": stderr},
            # Means average it out, and their standard errors count what is left.
            **{"mc_stderr": mc if quantity in DRAWN else math.nan},
            **{"truth": float(frame["truth"].iloc[0]), "status": "ok"},
        }


def _absent(case: Case) -> dict[str, Any]:
    """The row of a case without a result."""
    numbers = dict.fromkeys(("value", "stderr", "mc_stderr", "truth"), math.nan)
    return {**asdict(case), "quantity": "risk", **numbers, "status": "failed"}


def _summaries(frame: pd.DataFrame, mc: float, place: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """What the replications say, with standard errors over replications.

    risk is E|plug-in - truth|; bias the truth minus the mean plug-in (the other way round for an information); sd the
    spread of the plug-in without its Monte Carlo error. Of a bracket also both published ends, and the plain held-out
    end; gap is the width between the published ends, held_out_gap the plug-in less the held-out end, and expected_gap
    what theory says of that for many passes; draws is the error that the draws of `layer_information` add to the
    plug-in of the same passes; missed the share of published brackets without the truth.
    """
    error = frame["plug_in"] - frame["truth"]
    found = {
        "risk": _mean(error.abs()),
        "bias": _mean(-error if place["part"] == "entropy" else error),
        "sd": _root(error - error.mean(), mc, len(frame) - 1),
    }
    if place["part"] == "bracket":
        found |= {name: _mean(frame[name]) for name in ("plug_in", "held_out", "upper", "lower")}
        found["gap"] = _mean(frame["upper"] - frame["lower"])
        found["held_out_gap"] = _mean(frame["plug_in"] - frame["held_out"])
        found["expected_gap"] = 2 * float(frame["bias"].iloc[0]) / place["n_passes"], 0.0
        found["draws"] = _root(frame["upper"] - frame["plug_in"], mc, len(frame))
        missed = int(((frame["truth"] < frame["low"]) | (frame["truth"] > frame["high"])).sum())
        # With the deviation of a uniform prior's posterior, which is not 0 where there were none.
        found["missed"] = missed / len(frame), float(beta_law(missed + 1, len(frame) - missed + 1).std())
    return found


def _mean(values: pd.Series) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / math.sqrt(len(values)))


def _root(deviations: pd.Series, mc: float, freedom: int) -> tuple[float, float]:
    """Root of the mean square, less the mean square of Monte Carlo errors.

    Its standard error is that of the square by the derivative of the root, which ends where the square is no more than
    its own error.
    """
    squares = deviations**2 * (len(deviations) / freedom)
    square, stderr = _mean(squares)
    value = math.sqrt(max(square - mc**2, 0.0))
    return value, min(stderr / (2 * value) if value > 0 else math.inf, math.sqrt(stderr))


def _held_against(table: pd.DataFrame, n_values: int) -> Iterator[dict[str, Any]]:
    """Every theorem against the quantity that it bounds."""
    good = table[table["status"] == "ok"]
    for case, rows in good.groupby(CASE, sort=False, dropna=False):
        place = dict(zip(CASE, case, strict=True))
        measured = rows.set_index("quantity")
        for bound in error_bounds(place, n_values):
            theorem = bound.theorem
            value, stderr, mc = measured.loc[theorem.quantity, ["value", "stderr", "mc_stderr"]]
            # E|error + noise| is at most E|error| + E|noise|; means are unbiased, and sd has the noise taken out.
            noise = mc if theorem.quantity == "risk" else 0.0
            yield place | {
                **{"quantity": theorem.quantity, "theorem": theorem.name, "upper": theorem.above, "bound": bound.value},
                **{"measured": value, "measured_stderr": stderr},
                **{"slack": bound.value - value if theorem.above else value - bound.value, "cap": bound.cap},
                **{"vacuous": bound.vacuous, "proven": theorem.proven},
                "holds": holds(bound.value, Estimate(value, stderr), theorem.above, noise),
            }


def complexity(table: pd.DataFrame, levels: Sequence[float]) -> pd.DataFrame:
    """The least n whose risk stays below a level, by law, noise and d: 0 below the smallest n, inf above the largest.

    Beside it `lower`, up to where no law-free guarantee can hold, and `upper`, from where the sharp bound gives one.
    """
    rows = []
    risks = table[(table["part"] == "entropy") & (table["quantity"] == "risk") & (table["status"] == "ok")]
    for (law, beta, d), curve in risks.groupby(["law", "beta", "d"], sort=False):
        n, risk, stderr = (curve[name].to_numpy(dtype=np.float64) for name in ("n", "value", "stderr"))
        for level in levels:
            least = crossing(n, risk, level)
            known = 0 < least < math.inf
            ends = [crossing(n, np.maximum(risk + sign * stderr, 1e-12), level) for sign in (-1, 1)] if known else []
            doubt = [abs(math.log(end / least)) for end in ends if 0 < end < math.inf]
            on_cube = law != "gaussian"
            rows.append(
                {
                    **{"law": law, "beta": beta, "d": d, "level": level, "n": least},
                    "relative_stderr": max(doubt) if doubt else math.nan,
                    "lower": bounds.sample_complexity(d, level, beta) if on_cube else math.nan,
                    "upper": bounds.samples_enough(d, level, beta) if on_cube else math.nan,
                }
            )
    return pd.DataFrame(rows, columns=["law", "beta", "d", "level", "n", "relative_stderr", "lower", "upper"])


def slopes(table: pd.DataFrame, least: pd.DataFrame, fit_from: Mapping[str, int]) -> pd.DataFrame:
    """Fitted exponents: of risk, bias and sd over n, of the gaps over n_x, and bits per dimension of the least n.

    A risk or spread that is mostly Monte Carlo error is left out.
    """
    rows = []
    usable = table[
        (table["status"] == "ok") & (table["stderr"] > 0) & ~(table["mc_stderr"] > MC_SHARE * table["value"])
    ]
    gaps = ("gap", "held_out_gap")
    for part, axis, quantities in (("entropy", "n", ("risk", "bias", "sd")), ("bracket", "n_passes", gaps)):
        mine = table[(table["part"] == part) & table["quantity"].isin(quantities)]
        for (*curve, quantity), _ in mine.groupby([*CURVE, "quantity"], sort=False):
            same = (usable[[*CURVE, "quantity"]] == [*curve, quantity]).all(axis=1)
            points = usable[same & (usable[axis] >= fit_from[part])]
            x, y, stderr = (points[name].to_numpy(dtype=np.float64) for name in (axis, "value", "stderr"))
            fit = power_slope(x, y, stderr)
            rows.append({**dict(zip(CURVE, curve, strict=True)), "quantity": quantity, "over": axis, **fit._asdict()})
    for (law, beta, level), curve in least.groupby(["law", "beta", "level"], sort=False):
        known = curve[np.isfinite(curve["n"]) & (curve["n"] > 0) & curve["relative_stderr"].notna()]
        bits = np.log2(known["n"].to_numpy()), known["relative_stderr"].to_numpy() / math.log(2)
        fit = straight_slope(known["d"].to_numpy(dtype=np.float64), *bits)
        place = {"part": "complexity", "law": law, "beta": beta, "d": pd.NA, "level": level}
        gamma = math.nan if law == "gaussian" else bounds.sample_complexity_exponent(beta)  # of laws on the cube
        rows.append({**place, "quantity": "least n", "over": "d", **fit._asdict(), "gamma": gamma})
    columns = [*CURVE, "level", "quantity", "over", "value", "stderr", "points", "gamma"]
    return pd.DataFrame(rows, columns=columns).astype({"d": "Int64"})
