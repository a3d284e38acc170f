"""Stage `report`: the report of a calibration, made from its tables alone."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from scipy.stats import norm

from ib_core.bounds.theorems import among, named
from ib_core.estimate import IN_WORDS, WIDTH, Estimate, interval
from tasks.calibration.figures import curves, draw, law_name
from tasks.calibration.tables import CalibrationTables, Tables, load_calibration
from tasks.engine.recipe import Cost, Recipe
from tasks.page.page import write_page
from tasks.page.summary import shortened, summary
from tasks.page.tables import Table, number, series, span
from tasks.page.tables import violated as violated_rows
from tasks.page.theorems import entries, link, with_mentioned

TITLES = {
    "risk_against_n": "Risk of the plug-in entropy over the number of samples",
    "samples_needed": "Samples needed for a given risk",
    "risk_against_bounds": "Risk, bias and spread against every bound",
    "bracket_against_passes": "The bracket closes around the truth",
    "sampled_information": "Error of the information against its bounds",
}


@dataclass(frozen=True, eq=False)
class Report(Recipe):
    """The report of a calibration.

    Attributes:
        tables: what it is made from.
    """

    stage: ClassVar[str] = "report"
    tables: Tables

    @property
    def label(self) -> str:
        return self.tables.label

    def cost(self) -> Cost:
        return Cost(8.0, 3e6)

    def without(self, lost: frozenset[str]) -> Self:
        return replace(self, tables=self.tables.without(lost)) if lost else self

    def build(self, out: Path) -> None:
        """Write report.html, summary.md and the figures."""
        self.tables.result.verify()
        write_calibration_report(load_calibration(self.tables.result.folder), out)


def write_calibration_report(tables: CalibrationTables, out: Path) -> None:
    """Write out/report.html, out/summary.md and out/figures/*; the same tables give the same bytes."""
    title, said = tables.config["name"], [("", [sentence]) for sentence in findings(tables)]
    out.mkdir(parents=True, exist_ok=True)
    text = summary(title, headline(tables), said)
    (out / "summary.md").write_text(text, encoding="utf-8", newline="\n")
    applied = with_mentioned(among(tables.bounds["theorem"]))
    write_page(
        out,
        Path(__file__).with_suffix(".html"),
        title,
        draw(tables),
        TITLES,
        facts=facts(tables),
        headline=headline(tables),
        said=said,
        findings=[],
        replications=replications(tables),
        bounds_shown=link(
            f"Bounds: {', '.join(theorem.label for theorem in applied)}.",
            tuple((theorem.label, theorem.name) for theorem in applied),
        ),
        violated=violated(tables),
        failed=failed(tables),
        slopes=slope_table(tables),
        least=least_table(tables),
        compared=theorem_table(tables),
        **entries(applied),
        brackets=bracket_table(tables),
        files=["calibration", "bounds", "slopes", "complexity"],
        settings=json.dumps(tables.config, indent=2, ensure_ascii=False),
    )


def facts(tables: CalibrationTables) -> list[tuple[str, str]]:
    """What was run, as pairs of a name and a value."""
    entropy, chain = tables.config["entropy"], tables.config["chain"]
    laws = "; ".join(f"{law['law'].replace('_', ' ')} (β {series(law['betas'])})" for law in entropy["laws"])
    good = tables.calibration[tables.calibration["status"] == "ok"]
    said = [
        ("Laws with known entropy", laws),
        ("Dimensions d", series(entropy["dimensions"])),
        ("Samples n", series(entropy["samples"])),
        ("Replications for each n", str(entropy["replications"])),
    ]
    if chain:
        widths = f"d {series(chain['dimensions'])}"
        said += [
            ("Chain", f"{len(chain['slopes'])} tanh neurons, β {series(chain['betas'])}, {widths}"),
            ("Passes n_x", series(chain["passes"])),
            ("Replications for each n_x", str(chain["replications"])),
        ]
    return [
        *said,
        ("Monte Carlo error of one plug-in", f"at most {number(good['mc_stderr'].max(), 4)} nats (root mean square)"),
    ]


def replications(tables: CalibrationTables) -> str:
    """How often each number was measured."""
    entropy, chain = tables.config["entropy"], tables.config["chain"]
    further = f", and {chain['replications']} for each n_x" if chain else ""
    return f"Replications: {entropy['replications']} for each n{further}."


def headline(tables: CalibrationTables) -> str:
    """One sentence for the whole calibration: what failed, what is violated, and what the brackets miss."""
    proven = tables.bounds[tables.bounds["proven"]]
    broken, silent = len(violated_rows(proven)), int(proven["vacuous"].sum())
    failed = int((tables.calibration["status"] != "ok").sum())
    missed = tables.calibration[tables.calibration["quantity"] == "missed"]
    total = int(missed["replications"].sum())
    without = round(float((missed["value"] * missed["replications"]).sum()))
    return shortened([
        f"{failed} case{'s' if failed > 1 else ''} failed" if failed else "",
        f"{broken or 'none'} of {len(proven)} comparisons with proven bounds {'is' if broken < 2 else 'are'} violated "
        f"beyond {IN_WORDS} ({silent} vacuous)" if len(proven) else "",
        f"{without or 'none'} of {total} published brackets miss{'es' * (without < 2)} the truth" if total else "",
    ]) or "Nothing was measured."  # fmt: skip


def findings(tables: CalibrationTables) -> list[str]:
    """What the numbers say, made from the tables."""
    slopes, bounds = tables.slopes, tables.bounds
    fitted = slopes[slopes["value"].notna()]
    said = []
    entropy = fitted[fitted["part"] == "entropy"]
    spread = entropy[(entropy["quantity"] == "sd") & entropy["law"].isin(["skewed_hypercube", "gaussian"])]
    if len(spread):
        laws = " and the ".join(spread["law"].str.replace("_", " ").unique())
        said.append(
            f"For the {laws} the standard deviation of the plug-in entropy falls like n^a with a from "
            f"{span(spread['value'], 2)} (median {number(spread['value'].median(), 2)}; theory: −1/2 for large n)."
        )
    for law, mine in entropy[entropy["quantity"] == "risk"].groupby("law", sort=False):
        said.append(
            f"For the {str(law).replace('_', ' ')} the risk falls like n^a with a from {span(mine['value'], 2)} over "
            f"all d and β (median {number(mine['value'].median(), 2)})."
        )
    for row in fitted[fitted["part"] == "complexity"].itertuples():
        said.append(
            f"{law_name(row.law, row.beta)}: the samples needed for a risk of {row.level:g} nats grow by "
            f"{number(row.value, 2)} ± {number(row.stderr, 2)} bits per dimension"
            + ("." if np.isnan(row.gamma) else f"; γ(β) = {number(row.gamma, 2)}.")
        )
    said += bracket_findings(tables)
    proven = bounds[bounds["proven"]]
    said.append(
        f"{len(proven)} comparisons with proven bounds: {len(violated_rows(proven))} violated beyond {IN_WORDS}, "
        f"{int(proven['vacuous'].sum())} vacuous."
    )
    standing = bounds["theorem"].map(lambda name: named(name).standing)
    others = bounds[standing == "large enough"]
    if len(others):
        names = ", ".join(named(name).label for name in others["theorem"].unique())
        said.append(
            f"Shown for comparison, not counted as proven: {names}. They hold for n large enough, but how large is not "
            f"printed. Of {len(others)} comparisons {len(violated_rows(others))} exceed the bound; "
            f"{int(others['vacuous'].sum())} are vacuous."
        )
    for name, rows in bounds[standing == "misprint"].groupby("theorem"):
        said.append(f"“{named(str(name)).label}” is exceeded in {len(violated_rows(rows))} of {len(rows)} cases.")
    return said


def bracket_findings(tables: CalibrationTables) -> list[str]:
    """How fast the ends close in, how good the plain one's theory is, and how often a published bracket errs."""
    table = curves(tables.calibration, "bracket")
    if table.empty:
        return []
    fits = tables.slopes[(tables.slopes["part"] == "bracket") & tables.slopes["value"].notna()]
    closes = {
        "held_out_gap": ("the gap between plug-in and plain held-out end", "theory: −1 for large n_x"),
        "gap": ("the gap between the published ends", "no theory, since the lower end is the best of three forms"),
    }
    start = tables.config["chain"]["fit_from"]
    said = [
        f"β = {fit.beta:g}, d = {int(fit.d)}: from n_x = {start} on {closes[fit.quantity][0]} falls like n_x^a with "
        f"a = {number(fit.value, 2)} ± {number(fit.stderr, 2)} ({closes[fit.quantity][1]})."
        for fit in fits.itertuples()
    ]
    last = int(table["n_passes"].max())
    wide = table[table["n_passes"] == last].pivot_table(["value", "stderr"], ["beta", "d"], "quantity")
    expected, doubt = wide["value"]["expected_gap"], wide["stderr"]["held_out_gap"]
    information = float((expected / doubt) @ (expected / doubt))
    ratio = float((expected / doubt) @ (wide["value"]["held_out_gap"] / doubt)) / information
    said.append(
        f"At n_x = {last} the gap between plug-in and plain held-out end is {number(ratio, 2)} ± "
        f"{number(information**-0.5, 2)} times c/n_x, the first term in theory."
    )
    draws = table[table["quantity"] == "draws"]["value"]
    missed = table[table["quantity"] == "missed"]
    total = int(missed["replications"].sum())
    without = round(float((missed["value"] * missed["replications"]).sum()))
    said.append(
        f"The draws of layer_information move the upper end from the plug-in of the same passes by "
        f"{number(draws.median(), 4)} nats in the median case and by {number(draws.max(), 4)} nats at most (root mean "
        "square)."
    )
    said.append(
        f"{without or 'None'} of {total} published brackets miss{'es' * (without < 2)} the truth; {IN_WORDS} on either "
        f"side allow for {number(total * 2 * norm.sf(WIDTH), 1)}."
    )
    return said


def violated(tables: CalibrationTables) -> Table:
    """Every proven bound that a measurement breaks."""
    broken = violated_rows(tables.bounds[tables.bounds["proven"]])
    return Table(
        ["case", "d", "n", "n_x", "theorem", "measured", "± 1 s.e.", "bound"],
        [
            [law_name(row.law, row.beta), str(row.d), _count(row.n), _count(row.n_passes), named(row.theorem).label,
             number(row.measured, 4), number(row.measured_stderr, 4), (number(row.bound, 4), "bad")]
            for row in broken.itertuples()
        ],
    )  # fmt: skip


def failed(tables: CalibrationTables) -> Table:
    """Every case without numbers."""
    lost = tables.calibration[tables.calibration["status"] != "ok"]
    rows = [[law_name(r.law, r.beta), str(r.d), _count(r.n), _count(r.n_passes)] for r in lost.itertuples()]
    return Table(["case", "d", "n", "n_x"], rows)


def _count(value: Any) -> str:
    return "–" if pd.isna(value) else str(int(value))


def _fit(row: pd.Series) -> Any:
    """A slope with its standard error below; a dash where too few points say anything."""
    if np.isnan(row["value"]):
        return "–"
    return (number(row["value"], 2), "", f"± {number(row['stderr'], 2)}")


def slope_table(tables: CalibrationTables) -> Table:
    """Exponents over n of risk, bias and spread by law, noise and d."""
    fits = tables.slopes[tables.slopes["part"] == "entropy"].set_index(["law", "beta", "d", "quantity"])
    widths = sorted(set(fits.index.get_level_values("d")))
    rows = []
    for law, beta in dict.fromkeys((law, beta) for law, beta, *_ in fits.index):
        for quantity in ("risk", "bias", "sd"):
            mine = fits.xs((law, beta, quantity), level=("law", "beta", "quantity")).reindex(widths)
            rows.append([law_name(law, beta), quantity, *(_fit(fit) for _, fit in mine.iterrows())])
    start = tables.config["entropy"]["fit_from"]
    caption = f"Exponent of n, fitted to n ≥ {start}; small print: one standard error. {replications(tables)}"
    return Table(["law", "quantity", *(f"d = {int(d)}" for d in widths)], rows, caption)


def least_table(tables: CalibrationTables) -> Table:
    """The least n of each risk by d, what theory says of it for every law, and its growth per dimension."""
    table = tables.complexity
    growth = tables.slopes[tables.slopes["part"] == "complexity"].set_index(["law", "beta", "level"])
    widths = sorted(table["d"].unique())
    smallest, largest = (min(tables.config["entropy"]["samples"]), max(tables.config["entropy"]["samples"]))
    rows = []
    for (law, beta, level), mine in table.groupby(["law", "beta", "level"], sort=False):
        cells: list[Any] = []
        for _, row in mine.set_index("d").reindex(widths).iterrows():
            n = f"≤ {smallest}" if row["n"] == 0 else f"> {largest}" if np.isinf(row["n"]) else f"{row['n']:.0f}"
            range_ = "" if np.isnan(row["upper"]) else f"{row['lower']:.3g} … {row['upper']:.3g}"
            cells.append((n, "faint" if n[0] in "≤>" else "", range_))
        fit = growth.loc[(law, beta, level)]
        rows.append([law_name(law, beta), f"{level:g}", *cells, _fit(fit), number(fit["gamma"], 3)])
    caption = (
        "Least n with this risk, read off the measured curve. Small print, for all laws on the cube: below the first "
        "number the plug-in fails for some law, above the second the sharp bound guarantees this risk. "
        f"{replications(tables)}"
    )
    return Table(["law", "risk, nats", *(f"d = {int(d)}" for d in widths), "bits per d", "γ(β)"], rows, caption)


def theorem_table(tables: CalibrationTables) -> Table:
    """Each theorem: how often it was compared, violated, vacuous, and how far the measurement stays from it."""
    rows = []
    for theorem, mine in tables.bounds.groupby("theorem", sort=False):
        name = named(str(theorem)).label
        clear = interval(Estimate(mine["measured"], mine["measured_stderr"]))[0] > 0
        useful = mine[~mine["vacuous"] & clear]
        ends = ("bound", "measured") if mine["upper"].all() else ("measured", "bound")
        ratio = useful[ends[0]] / useful[ends[1]]
        broken = len(violated_rows(mine))
        rows.append(
            [name if mine["proven"].all() else (name, "faint"), str(mine["quantity"].iloc[0]), str(len(mine)),
             (str(broken), "bad" if broken and mine["proven"].all() else ""), str(int(mine["vacuous"].sum())),
             *(number(ratio.replace(np.inf, np.nan).agg(way), 2) for way in ("min", "median"))]
        )  # fmt: skip
    head = ["theorem", "bounds the", "cases", "violated", "vacuous", "least ratio", "median ratio"]
    caption = (
        f"Ratio: bound over measurement (for a lower bound the other way round), vacuous bounds left out. Grey: for "
        f"comparison, not proven at these n. {replications(tables)}"
    )
    return Table(head, rows, caption)


def bracket_table(tables: CalibrationTables) -> Table:
    """All ends, the truth, and how often a published bracket misses it, by noise, d and n_x."""
    wide = curves(tables.calibration, "bracket").set_index(["beta", "d", "n_passes", "quantity"])
    rows = []
    for (beta, d, passes), mine in wide.groupby(level=[0, 1, 2], sort=False):
        found = mine.droplevel([0, 1, 2])
        low, high, truth = found.loc["lower"], found.loc["upper"], float(found["truth"].iloc[0])
        ends = (interval(Estimate(end["value"], end["stderr"])) for end in (low, high))
        inside = next(ends)[0] <= truth <= next(ends)[1]
        cells = [(number(found.loc[name, "value"], 4), "", f"± {number(found.loc[name, 'stderr'], 4)}")
                 for name in ("lower", "upper", "held_out", "plug_in")]  # fmt: skip
        verdict = "yes" if inside else ("no", "bad")
        runs = int(found["replications"].iloc[0])
        missed = f"{round(found.loc['missed', 'value'] * runs)} of {runs}"
        rows.append([f"β = {beta:g}, d = {d}", _count(passes), *cells, number(truth, 4), verdict, missed])
    head = ["case", "n_x", "lower end", "upper end", "held-out", "plug-in", "truth", "mean inside", "missed"]
    caption = (
        "Nats, means over replications; small print: one standard error. Lower and upper end: as layer_information "
        "publishes them from draws; the held-out end and the plug-in need no draws. Mean inside: the truth lies "
        f"between the mean ends, within {IN_WORDS}. Missed: published brackets that do not contain the truth."
    )
    return Table(head, rows, caption)
