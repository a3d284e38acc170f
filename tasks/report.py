"""The report of a sweep: its figures as PNG files and one self-contained HTML page, made from its tables alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ib_core.estimate import WIDTH
from tasks import audit
from tasks import report_tables as parts
from tasks.figures import draw
from tasks.page import write_page
from tasks.report_tables import at_size, number, span
from tasks.store import Result
from tasks.sweep_view import Case, View, title
from tasks.tables import SweepTables, load_tables

TITLES = {
    "shift_response": "Information against the size of the shift",
    "deviation": "Deviation against its bounds",
    "information_plane": "Information plane over training",
    "information_by_epoch": "Information and loss by epoch",
    "signals": "Signals of the deepest layer by class",
    "tightness": "How tight the bounds are",
    "worst_case": "The worst law in a ball",
    "attribution": "Where the change comes from",
    "relative_deviation": "Relative change by layer and size",
    "reference_brackets": "Brackets, caps and data processing under the reference law",
}


def write_report(tables: SweepTables, out: Path) -> None:
    """Write out/report.html and out/figures/*.png; the same tables give the same bytes."""
    view = View(tables)
    write_page(
        out,
        "report.html",
        tables.sweep,
        draw(view),
        TITLES,
        view=view,
        facts=parts.facts(view),
        findings=findings(view),
        violated=parts.violated(view),
        failed=parts.failed(view),
        brackets=parts.bracket_table(view),
        processing=parts.processing_table(view),
        laws=parts.law_table(view),
        audit=audit.words(view),
        summary=audit.summary(view),
        bounds=audit.tables(view),
        balls=audit.ball_table(view),
        risks=parts.risk_table(view),
        accuracy=parts.accuracy_table(view),
        curves=set(view.tables.bottleneck["rule"]),
        gap=f"{view.tables.bottleneck['gap'].max():.1g}",
        settings=json.dumps(view.tables.config, indent=2, ensure_ascii=False, default=str),
    )


def findings(view: View) -> list[tuple[str, list[str]]]:
    """What the numbers say: a heading and its sentences for the whole sweep and for each noise level."""
    cases = [(case.label, [*clean_findings(view, case), *shift_findings(view, case)]) for case in view.cases]
    return [("Overall", overall_findings(view)), *cases]


def overall_findings(view: View) -> list[str]:
    """Bounds, zero shifts and data processing, counted over all epochs."""
    said = []
    bounds = view.tables.bounds
    bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    smallest = view.smallest[view.smallest["size"] > 0]
    if len(bounds):
        broken = len(view.violated)
        said.append(
            f"Over all epochs, {bounds['vacuous'].sum()} of {len(bounds)} bounds on the deviation are vacuous; for "
            f"{smallest['vacuous'].sum()} of {len(smallest)} deviations even the smallest bound is."
        )
        said.append(f"Violated bounds: {broken}, see above." if broken else _unviolated(view))
    still = view.deviation[view.deviation["size"] == 0]
    if len(still):
        zero = ((still["lower"] == 0) & (still["upper"] == 0)).sum()
        said.append(f"A shift of size 0 gives a deviation of exactly 0 in {zero} of {len(still)} estimates.")
    margins = view.processing["margin"]
    if len(margins):
        said.append(
            "Data processing (no layer above an earlier one) is respected within the brackets in "
            f"{(margins >= 0).sum()} of {len(margins)} comparisons over all epochs and laws."
        )
    return said


def _unviolated(view: View) -> str:
    """What it means that no bound was violated: a bracket shows only what goes beyond it."""
    change = view.deviation[view.deviation["size"] > 0]
    half = (change["upper"] - change["lower"]).median() / 2
    return (
        "No bracket of a deviation lies wholly beyond a bound. Half their width is "
        f"{number(half)} nats in the median: a violation smaller than that could not have been seen."
    )


def clean_findings(view: View, case: Case) -> list[str]:
    """The information of the first and the last layer under the reference law."""
    clean = view.final(case.of(view.information))
    clean = clean[clean["shift"] == "reference"]
    ends = [rows for layer, rows in clean.groupby("layer") if layer in (clean["layer"].min(), clean["layer"].max())]
    words = [
        f"{span(pd.Series([rows['lower'].min(), rows['upper'].max()]), 2)} nats in layer {rows['layer'].iloc[0]} "
        f"({100 * rows['saturation'].mean():.0f} % of H(X))"
        for rows in ends
    ]
    return [f"Clean inputs, epoch {view.epoch}, brackets over seeds: {' and '.join(words)}."] if words else []


def shift_findings(view: View, case: Case) -> list[str]:
    """The largest relative change under each family, with the smallest bound on it."""
    relative, limits = case.of(view.relative), case.of(view.final(view.smallest))
    said = []
    for family, metric in view.families.items():
        changes = relative[relative["shift"] == family]
        clear = changes[changes["clear"]]
        if clear.empty:
            if len(changes):
                said.append(f"No change under {title(family)} exceeds three standard errors in every seed.")
            continue
        most = clear.loc[clear["percent"].abs().idxmax()]
        same = (limits[["shift", "size", "layer"]] == most[["shift", "size", "layer"]].values).all(axis=1)
        best = limits[same].sort_values("bound").iloc[0]
        spread = f"by seed {span(pd.Series([most['least'], most['most']]))}; " if len(view.seeds) > 1 else ""
        limit = f"{number(best['bound'])} nats ({best['theorem']}{', vacuous' if best['vacuous'] else ''})"
        said.append(
            f"Layer {most['layer']} {'lost' if most['change'] < 0 else 'gained'} {number(abs(most['change']))} nats "
            f"({abs(most['percent']):.1f} %; {spread}brackets reach ± {number(WIDTH * most['stderr'])}) under "
            f"{at_size(family, most['size'], metric)}; smallest bound {limit}."
        )
    return said


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Stage `report`: write report.html and figures/*.png from the tables of the stage before."""
    inputs["tables"].verify()
    write_report(load_tables(inputs["tables"].folder), out)
