"""Commands that work: make what is missing, and bring report and MLflow up to date."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.app import WORKSPACE, Overrides, Sweep, Workspace, app, console
from flows.execution.plan import Plan, build_plan, survey
from flows.execution.results import lost_units, publish
from flows.settings.load import lasting_name, load_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.settings.study import study_named
from tasks.store.store import Damaged, Store


def _chosen_stages(stages: tuple[str, ...], only: str | None, from_stage: str | None) -> tuple[str, ...]:
    for option, name in (("--only", only), ("--from-stage", from_stage)):
        if name is not None and name not in stages:
            raise ConfigError(f"{option} must be one of {', '.join(stages)}, got {name!r}")
    if only and from_stage:
        raise ConfigError("--only and --from-stage exclude each other")
    if only:
        return (only,)
    return stages[stages.index(from_stage) :] if from_stage else stages


@app.command()
def run(
    sweep: Sweep,
    workspace: Workspace = WORKSPACE,
    overrides: Overrides = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes at once; 0 works in this one, without Ray.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Run this stage alone.")] = None,
    from_stage: Annotated[str | None, typer.Option(help="Start at this stage; earlier ones must be complete.")] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on after failed cells; mark them in the tables.")
    ] = False,
    no_prefect: Annotated[bool, typer.Option("--no-prefect", help="Run without a Prefect server.")] = False,
) -> None:
    """Run a sweep, or go on with it: makes what is missing, then tables, report and MLflow.

    Exit code 0: done. 1: work failed. 2: a setting is wrong. 129, 130 or 143: stopped.
    """
    settings = parse_overrides(overrides or [])
    config = load_config(sweep, settings)
    stages = _chosen_stages(study_named(config.study).stages, only, from_stage)
    from flows.cli.launch import Launch, writable
    from flows.execution.run import open_run

    opened = open_run(config, writable(workspace), workers)
    opened.stages, opened.keep_going = stages, keep_going
    # Retry on the Prefect page may be pressed from another folder.
    code = Launch(opened, lasting_name(sweep), settings, console, use_prefect=not no_prefect).execute()
    if opened.stop.event.is_set():
        # A stop amid the start of Ray can leave its core in a state that aborts the interpreter's own way out.
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    raise typer.Exit(code)


@app.command()
def report(
    sweep: Sweep,
    workspace: Workspace = WORKSPACE,
    overrides: Overrides = None,
    browse: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Bring tables and report up to date with the stored cells, and say where they are."""
    config = load_config(sweep, parse_overrides(overrides or []))
    from flows.cli.launch import Launch, writable
    from flows.execution.run import open_run

    opened = open_run(config, writable(workspace), workers=0)
    opened.stages, opened.keep_going = tuple(kind.stage for kind in opened.study.shown), True
    opened.lost = set(lost_units(opened.store, config))
    code = Launch(opened, sweep, {}, console, use_prefect=False).execute()
    if code == 0 and browse:
        typer.launch(str(opened.folder / "report.html"))
    raise typer.Exit(code)


@app.command()
def sync(sweep: Sweep, workspace: Workspace = WORKSPACE, overrides: Overrides = None) -> None:
    """Bring MLflow up to date with the results on disk; makes everything anew if its database is gone."""
    known = _finished(sweep, workspace, overrides)
    from flows.cli.launch import writable
    from flows.execution.mirror import mirror
    from tasks.tracking.sync import TrackingError

    store = Store(writable(workspace))
    try:
        publish(store, known.config, known.shown)
        result = mirror(known, store)
    except (TrackingError, Damaged, OSError) as error:
        console.say(("failed", "bold red"), f": {error}")
        raise typer.Exit(1) from error
    console.say(f"{result.written} runs written, {result.whole} were up to date, {result.seconds:.1f} s: ibshift ui")


def _finished(sweep: str, workspace: Path, overrides: list[str] | None) -> Plan:
    """The plan of a sweep whose report is stored, with all its units or without those that failed."""
    config, store = load_config(sweep, parse_overrides(overrides or [])), Store(workspace)
    planned = build_plan(config)
    for known in (planned, planned.without(lost_units(store, config))):
        if store.get(known.shown[-1].stage, known.shown[-1].identity):
            return known
    last = survey(planned, store)[-1]
    raise ConfigError(f"{sweep}: {last.unit.stage} is {last.state} in {workspace} ({last.reason}): {config.command}")
