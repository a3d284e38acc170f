"""The audit in words and tables: which theorem is tightest, how far from tight, and how far the worst law goes."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ib_core.bounds.theorems import among, named
from ib_core.estimate import WIDTH
from tasks.page.tables import Table, number
from tasks.sweep.report.arranged import ROUNDING, Arranged, Case
from tasks.sweep.schema import BALL, CELL
from tasks.sweep.sizes import KINDS, METRICS, at_size, title, with_unit

STATES = {"holds": "", "vacuous": "faint", "violated": "bad"}


def percent(share: float) -> str:
    """A share for people: "<0.1 %", "3.4 %", "87 %", on one line."""
    if pd.isna(share):
        return "–"
    value = 100 * share
    digits = "0" if value == 0 else "<0.1" if value < 0.1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"
    return f"{digits}\N{NO-BREAK SPACE}%"


def count(n: int, noun: str, plural: str = "") -> str:
    """ "1 layer", "5 layers"."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def words(arranged: Arranged) -> list[tuple[str, list[str]]]:
    """Paragraphs for each noise level, made from the numbers at the final epoch alone."""
    found = []
    for case in arranged.cases:
        audit = case.of(arranged.audit)
        if len(audit):
            parts = (
                _tightness_words(arranged, audit),
                _worst_words(case.of(arranged.beside_worst)),
                _origin_words(case.of(arranged.final(arranged.tables.attribution))),
            )
            found.append((case.label, [text for text in map(" ".join, parts) if text]))
    return found


def _tightness_words(arranged: Arranged, audit: pd.DataFrame) -> Iterator[str]:
    """What the bounds say: how many are broken or silent, how tight the smallest are, and which those are."""
    scope = [
        count(audit["layer"].nunique(), "layer"),
        count(audit["shift"].nunique(), "family", "families"),
        count(audit["seed"].nunique(), "seed"),
    ]
    yield (
        f"At epoch {arranged.epoch}, {count(int(audit['theorems'].sum()), 'bound')} on {count(len(audit), 'change')} "
        f"({', '.join(scope)}) were checked."
    )
    broken, silent = int(audit["broken"].sum()), int(audit["vacuous"].sum())
    if broken:
        yield (
            f"Violated, with the whole bracket beyond the bound: {broken}. An estimate, a distance or the code is "
            "wrong there; what follows rests on the other bounds."
        )
    else:
        half = WIDTH * audit["measured_stderr"].median()
        yield (
            "None is violated: no bracket lies wholly beyond its bound. The brackets reach "
            f"{number(half)} nats to either side in the median, so smaller violations would not show."
        )
    nothing = int(audit["saying_nothing"].sum())
    every = f"for {silent} of the {len(audit)} changes all are" if silent else "every change has one that is not"
    yield f"{nothing} of the bounds {'is' if nothing == 1 else 'are'} vacuous; {every}."
    unresolved = int((audit["unresolved"] & ~audit["vacuous"]).sum())
    if unresolved:
        yield (
            f"For {count(unresolved, 'change')} the middle of the bracket exceeds the bound: the bracket is too wide "
            "to say how tight the bound is."
        )
    useful = audit[~audit["vacuous"] & audit["tightness"].notna()]
    clear = useful[useful["clear"]]
    if clear.empty:
        yield "No clear change has a bound that is not vacuous, so tightness was not measured."
        return
    most = clear.loc[clear["tightness"].idxmax()]
    yield (
        f"{count(len(clear), 'clear change has', 'clear changes have')} a bound that is not vacuous. The median of "
        f"the tightness is {percent(clear['tightness'].median())}, the largest {percent(most['tightness'])}: "
        f"{number(most['held'])} of {number(most['bound'])} nats by “{named(most['theorem']).label}”, "
        f"layer {most['layer']} under {at_size(most['shift'], most['size'], most['metric'])}."
    )
    parts = []
    for metric, rows in useful.groupby("metric", sort=False):
        theorems = rows["theorem"].value_counts()
        label = named(theorems.index[0]).label
        parts.append(f"“{label}” for {KINDS.get(str(metric), metric)} ({theorems.iloc[0]} of {len(rows)})")
    yield f"Most often the smallest bound is {'; '.join(parts)}."


def _worst_words(beside: pd.DataFrame) -> Iterator[str]:
    """How near the swept families come to the worst law found in a ball of their size, and whose the slack is."""
    if beside.empty:
        yield "No worst law was searched at these sizes, so it is open how much of the slack is due to the shift."
        return
    clear = beside[beside["clear"] & beside["share"].notna()]
    if len(clear):
        top = clear.loc[clear["share"].idxmax()]
        yield (
            "The worst law within the same distance, as far as the search found it, changes the information more: in "
            f"the median a family reaches {percent(clear['share'].median())} of that change, at most "
            f"{percent(top['share'])} ({at_size(top['shift'], top['size'], top['metric'])}, layer {top['layer']})."
        )
        if top["share"] > 1:
            yield (
                "More than 100 % means that the search, which uses passes of its own, missed the worst law, or that "
                "the middle of a bracket is off by as much as the bracket allows."
            )
    balls = beside.drop_duplicates([*CELL, *BALL])
    balls = balls[balls["found_clear"]]
    slack = balls["ball_bound"] / balls[["rise", "fall"]].max(axis=1)
    slack = slack[~balls["ball_vacuous"] & (slack < math.inf)]
    if len(slack):
        yield (
            f"A bound that is not vacuous is {number(slack.median(), 1)} times the change of the worst law in the "
            f"median, {number(slack.min(), 1)} times at least. That part of the slack is due to the theorem or the "
            "search, the rest to the shift."
        )
    yield f"The search for the largest information ends at a duality gap of at most {beside['gap'].max():.1g} nats."


def _origin_words(table: pd.DataFrame) -> Iterator[str]:
    """How well clean data predict the change under reweightings, and what of it is mass."""
    table = table[(table["change_low"] > ROUNDING) | (table["change_high"] < -ROUNDING)]
    if table.empty:
        return
    miss = ((table["change"] - table["predicted"]).abs() / table["change"].abs()).median()
    mass = int((table["mass"].abs() > table["mixing"].abs()).sum())
    yield (
        f"For reweightings ({count(len(table), 'clear change')}) the first-order prediction from clean inputs misses "
        f"the change by {percent(miss)} in the median. The mass term is larger than the mixing term in {mass} of "
        f"{len(table)}."
    )


def summary(arranged: Arranged) -> list[Table]:
    """A row for each family: how tight, by which theorem, how much is vacuous, how near the worst; by noise level."""
    head = [
        "family",
        "correct, %",
        "largest |ΔI| ± 1 s.e.",
        "smallest bound, most often",
        "median tightness",
        "largest",
    ]
    head += ["vacuous bounds", "changes with vacuous bounds only", "of the worst found"]
    found = []
    for case in arranged.cases:
        rows: list[list[Any]] = []
        beside = case.of(arranged.beside_worst)
        for family, metric in arranged.families.items():
            here = case.of(arranged.audit)
            here = here[here["shift"] == family]
            if here.empty:
                continue
            largest = here.loc[here["measured"].idxmax()]
            useful = here[~here["vacuous"] & here["tightness"].notna()]
            clear = useful[useful["clear"]]
            best = useful["theorem"].value_counts()
            most = clear.loc[clear["tightness"].idxmax()] if len(clear) else None
            share = beside.loc[(beside["shift"] == family) & beside["clear"], "share"]
            rows.append(
                [f"{title(family)} ({METRICS.get(metric, metric)})",
                 " → ".join(number(arranged.accuracy_at(case, family, size).mean(), 1)
                           for size in (0.0, here["size"].max())),
                 f"{number(largest['measured'])} ± {number(largest['measured_stderr'])}",
                 f"{named(best.index[0]).label}, {best.iloc[0]} of {len(useful)}" if len(best) else "–",
                 percent(clear["tightness"].median()),
                 "–" if most is None else f"{percent(most['tightness'])}, L{most['layer']} at {most['size']:g}",
                 percent(here["saying_nothing"].sum() / here["theorems"].sum()),
                 (f"{int(here['vacuous'].sum())} of {len(here)}", "faint" if here["vacuous"].all() else ""),
                 percent(share.max())]
            )  # fmt: skip
        found.append(Table(head, rows, case.label))
    return [table for table in found if table.rows]


def tables(arranged: Arranged, case: Case) -> list[Table]:
    """The final epoch's bounds of a case, the worst over seeds: a table per family, a row per layer and size."""
    bounds = case.of(arranged.final(arranged.tables.bounds))
    bounds = bounds[(bounds["concerns"] == "deviation") & (bounds["size"] > 0)]
    keys = ["shift", "layer", "size"]  # the order of the rows
    worst = bounds.groupby([*keys, "theorem"], as_index=False).agg(
        bound=("bound", "min"), vacuous=("vacuous", "all"), holds=("holds", "all"), cap=("cap", "min"),
        measured=("measured", "max"), stderr=("measured_stderr", "max"),
    )  # fmt: skip
    balls = case.of(arranged.beside_worst).groupby(keys)[["rise", "fall"]].mean()
    tightest = case.of(arranged.audit).groupby(keys)["tightness"].max()
    theorems = among(bounds["theorem"])
    head = ["layer", "size", "correct, %", "|ΔI|", "± 1 s.e.", "smallest bound", "tightness", "worst found"]
    head += [*(theorem.label for theorem in theorems), "cap", "state"]
    found = {family: Table(head, [], with_unit(family, metric)) for family, metric in arranged.families.items()}
    for place, group in worst.groupby(keys):
        family, layer, size = place
        by_name = {row.theorem: row for row in group.itertuples()}
        valid = [row for row in by_name.values() if row.holds]
        least = min(valid, key=lambda row: row.bound) if valid else None
        cells = [_bound_cell(by_name[each.name], least) if each.name in by_name else "–" for each in theorems]
        state = "violated" if len(valid) < len(by_name) else "vacuous" if group["vacuous"].all() else "holds"
        ends = f"−{number(balls['fall'][place])} to +{number(balls['rise'][place])}" if place in balls.index else "–"
        first = group.iloc[0]
        found[family].rows.append(
            [str(layer), f"{size:g}", number(arranged.accuracy_at(case, family, size).mean(), 1),
             number(first["measured"]), number(first["stderr"], 4),
             "–" if least is None else named(least.theorem).label,
             percent(tightest.get(place, float("nan"))), ends, *cells, number(first["cap"]), (state, STATES[state])]
        )  # fmt: skip
    return [table for table in found.values() if table.rows]


def _bound_cell(row: Any, least: Any) -> tuple[str, str]:
    """A bound and how it is set: violated, vacuous, smallest or plain."""
    look = "bad" if not row.holds else "faint" if row.vacuous else "best" if row is least else ""
    return number(row.bound), look


def _ball_look(ball: pd.DataFrame) -> str:
    return "bad" if not ball["holds"].all() else "faint" if ball["vacuous"].all() else ""


def ball_table(arranged: Arranged) -> Table:
    """The extremes over every ball at the final epoch, the mean over seeds."""
    found = arranged.final(arranged.tables.worst_case)
    rows = [
        [case.label, METRICS.get(metric, metric), str(layer), f"{size:g}", number(ball["reference"].mean()),
         f"{number(ball['largest'].mean())} ± {number(ball['largest_stderr'].max())}", number(ball["upper"].mean()),
         f"{number(ball['smallest'].mean())} ± {number(ball['smallest_stderr'].max())}", number(ball["lower"].mean()),
         (f"± {number(ball['bound'].mean())}", _ball_look(ball)), named(ball["theorem"].mode()[0]).label,
         f"{ball['gap'].max():.0e}"]
        for case in arranged.cases
        for (metric, layer, size), ball in case.of(found).groupby(["metric", "layer", "size"])
    ]  # fmt: skip
    head = ["network", "metric", "layer", "radius", "I(X; T)", "largest found", "certified ≤", "smallest found"]
    return Table([*head, "certified ≥", "smallest bound", "theorem", "gap"], rows)
