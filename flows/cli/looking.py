"""Commands that look: what is planned, what is stored, in what state and why. They make nothing."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from flows.cli.app import WORKSPACE, Overrides, Sweep, Workspace, app, console
from flows.cli.stage_table import stage_table
from flows.execution.afford import check_affordable
from flows.execution.plan import Plan, State, build_plan, survey
from flows.execution.results import Variant, variants
from flows.settings.describe import describe_settings
from flows.settings.load import load_config, parse_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.settings.study import STUDIES, study_named
from tasks.engine.make import failure
from tasks.store.store import Damaged, Store


@app.command()
def plan(
    sweep: Sweep,
    workspace: Workspace = WORKSPACE,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every unit as JSON.")] = False,
) -> None:
    """Show what a run would make, why, and what it would cost."""
    planned = build_plan(load_config(sweep, parse_overrides(overrides or [])))
    states = survey(planned, Store(workspace))
    if as_json:
        sys.stdout.write(json.dumps([_as_json(state) for state in states], indent=1) + "\n")
        return
    console.say(sweep)
    console.print(stage_table(planned, states))
    reasons: dict[tuple[str, str], Counter[str]] = {}
    for state in states:
        if state.state != "ready":
            reasons.setdefault((state.state, state.reason), Counter())[state.unit.stage] += 1
    for (name, reason), stages in list(reasons.items())[:20]:
        where = "of all stages" if len(stages) == sum(map(bool, planned.stages.values())) > 1 else ", ".join(stages)
        console.say(f"  {stages.total():5} x {where} {name}: {reason}")
    if len(reasons) > 20:
        console.say(f"  and {len(reasons) - 20} more reasons: --json lists every unit")
    check_affordable(planned.config, states, workspace, planned.config.resources.workers or os.cpu_count() or 1)


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
    """Show every sweep of the workspace: what is ready, failed or damaged, and where its results are."""
    store = Store(workspace)
    found = variants(store)
    if not found:
        console.say(f"no sweep was run in {workspace} yet: ibshift run szt")
    for variant, known in _known_plans(found):
        console.say(f"{variant.sweep} {variant.name}")
        console.print(stage_table(known, survey(known, store)))
        console.say(f"  report: {variant.report or 'not yet'}")


def _known_plans(found: list[Variant]) -> Iterator[tuple[Variant, Plan]]:
    """The plans of all variants of sweeps, with the settings of their last run."""
    for variant in found:
        try:
            folder = None if variant.last.folder is None else Path(variant.last.folder)
            yield variant, build_plan(parse_config(variant.last.config, "plan.json", folder))
        except ConfigError as error:  # a file or a family that it names is gone: the others are still to be shown
            console.warn(f"sweep {variant.sweep} {variant.name} cannot be planned again: {error}")


@app.command()
def why(
    cell: Annotated[str, typer.Argument(help="Label of a unit (or the end of one), or the beginning of an identity.")],
    workspace: Workspace = WORKSPACE,
) -> None:
    """Say what a unit is made from, what state it is in and why, and how it went."""
    store = Store(workspace)
    found = [
        state
        for _, known in _known_plans(variants(store))
        for state in survey(known, store)
        if state.unit.label.endswith(cell) or state.unit.identity.startswith(cell)
    ]
    if not found:
        raise ConfigError(
            f"cell must name a unit of a sweep in {workspace} (ibshift plan szt --json lists them), got {cell!r}"
        )
    journal = store.journal()
    for state in found[:5]:
        unit = state.unit
        console.say((f"{unit.stage} {unit.label}", "bold"), f"  {unit.identity}")
        console.say(f"  state     {state.state}  {state.reason}")
        console.say(f"  settings  {json.dumps(unit.settings)[:2000]}")
        for name, source in list(unit.inputs.items())[:20]:
            console.say(f"  input     {name}: {source.stage} {source.label} {source.identity}")
        for name, digest in unit.code.code.items():
            console.say(f"  code      {name} {digest}")
        for name, version in unit.code.libraries.items():
            console.say(f"  library   {name} {version}")
        for entry in (entry for entry in journal if entry.get("identity") == unit.identity):
            when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["time"]))
            console.say(f"  journal   {when} {entry['event']} {entry.get('seconds', '')}")
        failed = failure(store, unit.identity)
        if failed:
            console.say(failed.traceback or failed.message)
    if len(found) > 5:
        console.say(f"and {len(found) - 5} more units end like this: give more of the label")


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
