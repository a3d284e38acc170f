"""Stage `report`: figures as PNG files and one self-contained HTML page, made from the tables of a sweep alone."""

import itertools
import json
import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
from markupsafe import Markup

from ib_core.bounds.theorems import among, named
from ib_core.estimate import WIDTH
from ib_core.estimators.measure import MEASURES
from tasks.engine.recipe import Cost, Recipe
from tasks.page.page import write_page
from tasks.page.summary import summary
from tasks.page.tables import number, span
from tasks.page.theorems import entries, link, with_mentioned
from tasks.sweep.bounds import Bounds
from tasks.sweep.report import audit
from tasks.sweep.report import tables as parts
from tasks.sweep.report.arranged import Arranged, Case, grouped, rows_together
from tasks.sweep.report.claims import claim_table
from tasks.sweep.report.example_figures import pictured_families, shown_part, slug
from tasks.sweep.report.figures import draw
from tasks.sweep.report.phases import phase_table
from tasks.sweep.report.seeds import seeds_in_words
from tasks.sweep.report.verdict import NOTE, SATURATED, Verdict, bullets
from tasks.sweep.report.verdict_figure import draw_verdict
from tasks.sweep.sizes import at_size, title
from tasks.sweep.tables import READ_BY_PEOPLE, SweepTables, load_tables
from tasks.sweep.training import JUDGED

TITLES = {
    "verdict": "The verdict in one figure",
    "shift_response": "Information and accuracy against the size of the shift",
    "deviation": "The change against its bounds",
    "information_plane": "Information plane over training",
    "information_by_epoch": "Information, loss and accuracy by epoch",
    "signals": "Signals of the deepest layer by class",
    "clustering": "Information, clustering and loss on one time axis",
    "cosines": "Cosines between signals within and between classes",
    "bin_widths": "Entropy of the binned layer against the width of the bins",
    "claims": "What other estimators would have claimed",
    "tightness": "How tight the bounds are",
    "worst_case": "The worst law in a ball",
    "attribution": "Where the change comes from",
    "relative_deviation": "Relative change by layer and size",
    "examples": "What the shift looks like",
    "reference_brackets": "Brackets, caps and data processing under the reference law",
}
SECONDS_PER_FIGURE, BYTES_PER_FIGURE = 0.6, 2.5e5


@dataclass(frozen=True, eq=False)
class Report(Recipe):
    """The report of a sweep.

    Attributes:
        tables: what it is made from.
    """

    stage: ClassVar[str] = "report"
    tables: Bounds

    @property
    def label(self) -> str:
        return self.tables.label

    def cost(self) -> Cost:
        figures = number_of_figures(self.tables)
        return Cost(2.0 + SECONDS_PER_FIGURE * figures, 1e6 + BYTES_PER_FIGURE * figures)

    def without(self, lost: frozenset[str]) -> Self:
        return replace(self, tables=self.tables.without(lost)) if lost else self

    def build(self, out: Path) -> None:
        """Write report.html, summary.md and the figures."""
        self.tables.result.verify()
        write_report(load_tables(self.tables.result.folder), out)


def number_of_figures(made: Bounds) -> int:
    """How many figures a report has, if none is left out for want of numbers."""
    families = {shifts.family: shifts.unit for shifts in made.shifts}
    cases = {(each.network.title, each.network.beta, each.law.part.name) for each in made.activations}
    parts = len({part for _, _, part in cases})
    sheets = -(-len(cases) // max(1, rows_together(len(cases), parts)))
    groups = len(grouped(families)) if families else 0
    measures = {each.measure for each in made.measures}
    per_case = 2 + groups + bool(made.worst_cases) + 2 * ("clustering" in measures) + ("claims" in measures)
    per_sheet = 5 + 2 * groups + bool({"clustering", "binning"} & measures)
    pictured = len(families) if any(len(law.shape) > 1 for law in made.laws.values()) else 0
    return sheets * per_sheet + len(cases) * per_case + pictured


def write_report(tables: SweepTables, out: Path) -> None:
    """Write out/report.html, out/summary.md and out/figures/*; the same tables give the same bytes."""
    arranged = Arranged(tables)
    verdict = Verdict(arranged)
    headline, said = verdict.headline, bullets(verdict)
    notes = [("", [NOTE])] if arranged.families else []
    out.mkdir(parents=True, exist_ok=True)
    text = summary(tables.sweep, headline, [*said, *notes])
    (out / "summary.md").write_text(text, encoding="utf-8", newline="\n")
    applied = parts.applied(arranged)
    write_page(
        out,
        Path(__file__).with_suffix(".html"),
        tables.sweep,
        itertools.chain(draw_verdict(verdict), draw(arranged)),
        TITLES,
        arranged=arranged,
        verdict=verdict,
        headline=headline,
        said=said,
        note=NOTE,
        sampled=parts.sampled(arranged),
        bounds_shown=bounds_shown(arranged),
        facts=parts.facts(arranged),
        findings=findings(arranged),
        violated=parts.violated(arranged),
        failed=parts.failed(arranged),
        layers=parts.layer_table(arranged),
        brackets=parts.bracket_table(arranged),
        processing=parts.processing_table(arranged),
        laws=parts.law_table(arranged),
        audit=audit.words(arranged),
        summary=audit.summary(arranged),
        bounds={case.slug: audit.tables(arranged, case) for case in arranged.cases},
        balls=audit.ball_table(arranged),
        risks=parts.risk_table(arranged),
        labels=parts.label_table(arranged),
        **entries(with_mentioned(applied)),
        networks=parts.network_table(arranged),
        accuracy=parts.accuracy_table(arranged),
        phases=phase_table(arranged),
        measures=parts.measure_tables(arranged),
        described={name: MEASURES.find(name).description for name in MEASURES.names},
        claims=claim_table(arranged),
        measures_by_law=parts.measures_by_law(arranged),
        projected_from=partial(parts.projected_from, arranged),
        slices=arranged.tables.config.get("estimator", {}).get("slices", {}).get("kind", "auto"),
        saturated=f"{100 * SATURATED:g}",
        judged=f"{JUDGED:,}".replace(",", "\u202f"),
        shown_part=shown_part(arranged),
        pictured=[f"examples_{slug(family)}" for family in pictured_families(arranged)],
        seeds_shown=seeds_in_words(arranged.seeds),
        curves=set(arranged.tables.bottleneck["rule"]),
        gap=f"{arranged.tables.bottleneck['gap'].max():.1g}",
        files=READ_BY_PEOPLE,
        settings=json.dumps(arranged.tables.config, indent=2, ensure_ascii=False, default=str),
    )


def findings(arranged: Arranged) -> list[tuple[str, list[str]]]:
    """What the numbers say: a heading and its sentences for the whole sweep and for each noise level."""
    said = [("Overall", overall_findings(arranged))]
    return said + [(case.label, clean_findings(arranged, case) + shift_findings(arranged, case))
                   for case in arranged.cases]  # fmt: skip


def bounds_shown(arranged: Arranged) -> Markup:
    """The bounds on a change that figures name, each with a link to its entry."""
    bounds = arranged.tables.bounds
    mine = among(bounds.loc[bounds["concerns"] == "deviation", "theorem"])
    names = tuple((theorem.label, theorem.name) for theorem in mine)
    return link(f"Bounds: {', '.join(theorem.label for theorem in mine)}." if mine else "", names)


def overall_findings(arranged: Arranged) -> list[str]:
    """Bounds, zero shifts and data processing, counted over all epochs."""
    said = []
    bounds = arranged.tables.bounds
    bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    smallest = arranged.smallest[arranged.smallest["size"] > 0]
    if len(bounds):
        broken = len(arranged.violated)
        said.append(
            f"Over all epochs, {bounds['vacuous'].sum()} of {len(bounds)} bounds on a change are vacuous, and every "
            f"bound on {smallest['vacuous'].sum()} of {len(smallest)} changes."
        )
        said.append(f"Violated bounds: {broken}, see above." if broken else _unviolated(arranged))
    still = arranged.deviation[(arranged.deviation["size"] == 0) & (arranged.deviation["shift"] != "reference")]
    if len(still):
        zero = ((still["lower"] == 0) & (still["upper"] == 0)).sum()
        said.append(f"A shift of size 0 changes nothing, to the last digit, in {zero} of {len(still)} estimates.")
    margins = arranged.processing["margin"]
    if len(margins):
        said.append(
            "No layer holds more than an earlier one (data processing), within the brackets, in "
            f"{(margins >= 0).sum()} of {len(margins)} comparisons over all epochs and laws."
        )
    return said


def _unviolated(arranged: Arranged) -> str:
    """What it means that no bound was violated: a bracket shows only what goes beyond it."""
    change = arranged.deviation[arranged.deviation["size"] > 0]
    half = (change["upper"] - change["lower"]).median() / 2
    return (
        "No bracket of a change lies wholly beyond a bound. The brackets reach "
        f"{number(half)} nats to either side in the median, so smaller violations would not show."
    )


def clean_findings(arranged: Arranged, case: Case) -> list[str]:
    """The information of the first and the last layer under the reference law, and the accuracy."""
    clean = arranged.final(case.of(arranged.information))
    clean = clean[clean["shift"] == "reference"]
    entropy = arranged.reference_of(case)["entropy"]
    ends = [rows for layer, rows in clean.groupby("layer") if layer in (clean["layer"].min(), clean["layer"].max())]
    words = [_held(rows, entropy) for rows in ends]
    epoch = int(clean["epoch"].max()) if len(clean) else 0
    seeds = ", over all seeds" if len(arranged.seeds) > 1 else ""
    said = [f"On clean inputs, at epoch {epoch}{seeds}, I(X; T) is {' and '.join(words)}."] if words else []
    wide = sorted({str(layer) for layer in case.of(arranged.wide)["layer"]})
    if wide:
        said.append(
            f"Too wide to be measured whole: layer{'s' if len(wide) > 1 else ''} {', '.join(wide)}. The lower end is "
            "that of a projection, the upper end is H(X)."
        )
    correct = arranged.accuracy_at(case, "reference")
    if len(correct):
        said.append(f"The noisy network classifies {span(correct, 1)} % of the atoms correctly.")
    return said


def _held(rows: pd.DataFrame, entropy: float) -> str:
    """The bracket of a layer over seeds, and the shares of H(X) between which it lies."""
    low, high = rows["lower"].min(), rows["upper"].max()
    shares = f"{100 * low / entropy:.0f} to {100 * high / entropy:.0f}"
    shares = shares.split(" ")[0] if len(set(shares.split(" to "))) == 1 else shares
    values = span(pd.Series([low, high]), 2)
    return f"{values} nats in layer {rows['layer'].iloc[0]} ({shares} % of H(X))"


def shift_findings(arranged: Arranged, case: Case) -> list[str]:
    """The largest relative change under each family, with the smallest bound on it."""
    relative, limits = case.of(arranged.relative), case.of(arranged.final(arranged.smallest))
    clean = arranged.accuracy_at(case, "reference").mean()
    said = []
    for family, metric in arranged.families.items():
        changes = relative[relative["shift"] == family]
        clear = changes[changes["clear"]]
        if clear.empty:
            if len(changes):
                largest = changes["size"].max()
                said.append(
                    f"No change under {title(family)} is clear{_every_seed(arranged)}"
                    f"{_accuracy_words(arranged, case, family, largest, clean)}."
                )
            continue
        most = clear.loc[clear["percent"].abs().idxmax()]
        same = (limits[["shift", "size", "layer"]] == most[["shift", "size", "layer"]].values).all(axis=1)
        best = limits[same].sort_values("bound").iloc[0]
        spread = f", {span(pd.Series([most['least'], most['most']]))} over seeds" if len(arranged.seeds) > 1 else ""
        limit = f"{number(best['bound'])} nats ({named(best['theorem']).label}{', vacuous' if best['vacuous'] else ''})"
        if abs(most["change"]) > best["bound"]:
            limit += ", tighter than the bracket"
        said.append(
            f"Layer {most['layer']} {'loses' if most['change'] < 0 else 'gains'} {number(abs(most['change']))} ± "
            f"{number(WIDTH * most['stderr'])} nats ({abs(most['percent']):.1f} %{spread}) under "
            f"{at_size(family, most['size'], metric)}; smallest bound {limit}"
            f"{_accuracy_words(arranged, case, family, most['size'], clean)}."
        )
    return said


def _every_seed(arranged: Arranged) -> str:
    return " in every seed" if len(arranged.seeds) > 1 else ""


def _accuracy_words(arranged: Arranged, case: Case, family: str, size: float, clean: float) -> str:
    """What becomes of the accuracy, of the mean over seeds."""
    there = arranged.accuracy_at(case, family, size).mean()
    if math.isnan(there) or math.isnan(clean):
        return ""
    return f"; accuracy {number(clean, 1)} → {number(there, 1)} %"
