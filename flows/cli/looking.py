"""Commands that look: what is planned, what is stored, in what state and why. They make nothing."""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from flows.cli.app import WORKSPACE, Overrides, Sweep, Workspace, app, console
from flows.cli.console import STYLES
from flows.cli.stage_table import stage_table
from flows.cli.variant_table import variant_table
from flows.execution.afford import check_affordable
from flows.execution.forecast import forecast
from flows.execution.plan import Plan, State, build_plan, survey
from flows.execution.quantities import counted, duration, size
from flows.execution.results import Variant, results_folder, variants
from flows.settings.describe import describe_settings
from flows.settings.load import load_config, parse_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.settings.study import STUDIES, study_named
from tasks.engine.make import failure
from tasks.engine.recipe import Recipe, reading
from tasks.store.store import Damaged, Result, Store


@app.command()
def plan(
    sweep: Sweep,
    workspace: Workspace = WORKSPACE,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every unit as JSON.")] = False,
) -> None:
    """Show what a run would make, why, and what it would cost."""
    with console.busy(f"planning {sweep}"):
        planned = build_plan(load_config(sweep, parse_overrides(overrides or [])))
        states = survey(planned, Store(workspace))
    if as_json:
        sys.stdout.write(json.dumps([_as_json(state) for state in states], indent=1) + "\n")
        return
    name, left = (planned.config.name, "bold"), [state for state in states if state.state != "ready"]
    if not left:
        report = results_folder(workspace, planned.config) / "report.html"
        console.say(name, f": nothing to do, all {counted(len(states), 'unit')} are ready: {report}")
        return
    workers = planned.config.resources.workers
    workers = os.cpu_count() or 1 if workers is None else workers
    about = forecast(planned, states, planned.study.stages, workers, servers=True)
    console.say(name, f": {counted(len(states), 'unit')}, {len(left):,} to make, about {about}")
    console.print(stage_table(planned, states))
    _say_reasons(planned, left)
    check_affordable(planned.config, states, workspace, workers or 1)


def _say_reasons(planned: Plan, left: list[State]) -> None:
    """Every reason once, with the number of units and where they are."""
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for state in left:
        reasons.setdefault((state.state, state.reason), Counter())[state.unit.stage] += 1
    for (name, reason), stages in list(reasons.items())[:20]:
        where = "of all stages" if len(stages) == sum(map(bool, planned.stages.values())) > 1 else ", ".join(stages)
        console.say(f"  {stages.total():5} x {where} ", (name, STYLES.get(name, "")), f": {reason}")
    if len(reasons) > 20:
        console.say(f"  and {len(reasons) - 20} more reasons: --json lists every unit")


def _as_json(state: State) -> dict[str, Any]:
    unit = state.unit
    return {
        "stage": unit.stage,
        "unit": unit.label,
        "identity": unit.identity,
        "state": state.state,
        "reason": state.reason,
        "seconds": round(unit.cost().seconds, 3),
        "bytes": round(unit.cost().bytes),
    }


@app.command()
def status(workspace: Workspace = WORKSPACE) -> None:
    """Show every sweep of the workspace: its variants, what is ready, failed or damaged, and where its results are."""
    store = Store(workspace)
    lost: list[tuple[Variant, str]] = []
    with console.busy(f"looking at {workspace}"):
        found = variants(store)
        known = [(variant, planned, survey(planned, store)) for variant, planned in _known_plans(found, lost)]
    if not found:
        console.say(f"no sweep was run in {workspace} yet: ibshift run szt")
    for sweep in dict.fromkeys(variant.sweep for variant, _, _ in known):
        mine = [each for each in known if each[0].sweep == sweep]
        if len(mine) > 1:
            console.say((sweep, "bold"), f": {len(mine)} variants")
            console.print(variant_table(mine))
            console.say()
        # Of several the one that was finished last, or run last where none was.
        variant, planned, states = max(mine, key=lambda each: (each[0].latest, each[0].last.time))
        if all(state.state == "ready" for state in states):
            console.say((sweep, "bold"), f" {variant.name}: all {counted(len(states), 'unit')} are ready")
        else:
            console.say((sweep, "bold"), f" {variant.name}")
            console.print(stage_table(planned, states))
        console.say(f"  report: {variant.report or 'not yet'}")
    for variant, why in lost:
        console.say((variant.sweep, "bold"), f" {variant.name} ", ("cannot be planned again", "yellow"), f": {why}")
        console.say(f"  report: {variant.report or 'not yet'}")


def _known_plans(found: list[Variant], lost: list[tuple[Variant, str]]) -> Iterator[tuple[Variant, Plan]]:
    """The plans of all variants of sweeps, with the settings of their last run; and those of which there is none any
    more, and why."""
    for variant in found:
        try:
            folder = None if variant.last.folder is None else Path(variant.last.folder)
            yield variant, build_plan(parse_config(variant.last.config, "plan.json", folder))
        except ConfigError as error:  # a file or a family that it names is gone: the others are still to be shown
            lost.append((variant, str(error)))


@app.command()
def why(
    cell: Annotated[
        str, typer.Argument(help="Label of a unit, the end of one, a stage, or the beginning of an identity.")
    ],
    workspace: Workspace = WORKSPACE,
    verbose: Annotated[bool, typer.Option("--verbose", help="With hashes of inputs, code and libraries.")] = False,
) -> None:
    """Say in what state a unit is and why, what was found, what it is made from, and how it went."""
    store = Store(workspace)
    lost: list[tuple[Variant, str]] = []
    with console.busy("looking"):
        found = [
            (known, state)
            for _, known in _known_plans(variants(store), lost)
            for state in survey(known, store)
            if cell == state.unit.stage or state.unit.name.endswith(cell) or state.unit.identity.startswith(cell)
        ]
    if not found:
        hidden = "".join(f"; {variant.sweep} cannot be planned again: {why}" for variant, why in lost[:1])
        where = f"a unit of a sweep in {workspace} (ibshift plan szt --json lists them)"
        raise ConfigError(f"cell must name {where}, got {cell!r}{hidden}")
    journal = store.journal()
    # Variants of a sweep share what is the same in both.
    different = {state.unit.identity: (known, state) for known, state in found}
    for known, state in list(different.values())[:5]:
        events = [entry for entry in journal if entry.get("identity") == state.unit.identity]
        _say_unit(known, state, store, events, verbose)
    if len(different) > 5:
        console.say(f"and {len(different) - 5} more units end like this: give more of the label")


def _say_unit(known: Plan, state: State, store: Store, events: list[dict[str, Any]], verbose: bool) -> None:
    """State, reason and what was found first; then where it comes from."""
    unit = state.unit
    result = store.get(unit.stage, unit.identity)
    if state.state == "ready" and not (result and result.is_whole()):
        state = State(unit, "damaged", "a file is not what was written: ibshift verify sets it aside")
    console.say((f"{unit.stage} {unit.label}", "bold"))
    console.say("  ", (state.state, STYLES.get(state.state, "bold green")), f": {state.reason}" if state.reason else "")
    failed = failure(store, unit.identity)
    if state.state == "ready" and result:
        _say_facts(_facts(known, unit, result))
    settings = unit.settings if verbose else _without_digests(unit.settings)
    rows = [("settings", _in_words(settings))] if settings else []
    rows += [("made from", ", ".join(_sources(unit)))] if unit.inputs else []
    for entry in events:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["time"]))
        took = f" in {duration(entry['seconds'])}" if isinstance(entry.get("seconds"), int | float) else ""
        where = f" on {entry['device']}" if entry.get("device") else ""
        rows.append(("journal", f"{when} {entry['event']}{took}{where}"))
    if verbose:
        rows.append(("identity", unit.identity))
        rows += [
            ("input", f"{name}: {source.stage} {source.label} {source.identity}")
            for name, source in unit.inputs.items()
        ]
        rows += [("code", f"{name} {digest}") for name, digest in unit.code.code.items()]
        rows += [("library", f"{name} {version}") for name, version in unit.code.libraries.items()]
    _say_facts(rows)
    if failed:
        console.say(failed.traceback or failed.message)


def _facts(known: Plan, unit: Recipe, result: Result) -> list[tuple[str, str]]:
    """What the study says of a result; of one it says nothing of, its files."""
    try:
        with reading(result.store):
            facts = list(known.study.told(unit))
        return facts or [(name, size(entry["bytes"])) for name, entry in result.manifest["files"].items()]
    except Damaged as error:  # what it is made from
        return [("damaged", str(error))]


def _without_digests(settings: Any) -> Any:
    """Settings that people can read."""
    if isinstance(settings, dict):
        kept = {name: _without_digests(value) for name, value in settings.items()}
        return {name: value for name, value in kept.items() if not _is_digest(value)}
    return [_without_digests(value) for value in settings] if isinstance(settings, list) else settings


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{16,}", value) is not None


def _say_facts(rows: list[tuple[str, str]]) -> None:
    """Names and what they say, in two columns."""
    table = Table.grid(padding=(0, 2), pad_edge=True)
    table.add_column(style="dim", overflow="fold", max_width=40)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, text)
    if rows:
        console.print(table)


def _sources(unit: Recipe) -> list[str]:
    """What a unit is made from, each once; of many, the first."""
    names = list(dict.fromkeys(source.name for source in unit.inputs.values()))
    return names if len(names) <= 8 else [*names[:6], f"and {len(names) - 6:,} more"]


def _in_words(settings: Any) -> str:
    """Settings in one line, without quotes and braces at the outside."""
    text = ", ".join(f"{name} {json.dumps(value)}" for name, value in settings.items())
    return text if len(text) <= 600 else f"{text[:600]}..."


@app.command()
def verify(workspace: Workspace = WORKSPACE) -> None:
    """Read every stored file and check it against its manifest; damaged results are set aside. Exit code 1 if any."""
    store, damaged, checked = Store(workspace), [], 0
    for stage in store.stages():
        for identity in sorted(store.published(stage)):
            try:
                if result := store.get(stage, identity):
                    checked += 1
                    result.verify()
            except Damaged as error:
                damaged.append(str(error))
    for line in damaged:
        console.say(("damaged", "red"), f" {line}")
    console.say(f"{checked} results checked, {len(damaged)} damaged")
    if damaged:
        raise typer.Exit(1)


@app.command()
def settings(
    study: Annotated[str, typer.Argument(help=f"One of {', '.join(STUDIES.names)}.")] = "shift_sweep",
) -> None:
    """List every setting of a study: its name for --set, its default and meaning."""
    table = Table("setting", "default", "meaning")
    for row in describe_settings(study_named(study).settings):
        table.add_row(*row)
    console.print(table)
