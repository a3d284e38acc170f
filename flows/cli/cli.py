"""The command `ibshift`."""

import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from flows.cli.console import Terminal
from flows.execution.plan import Plan, State, build_plan, survey
from flows.execution.results import lost_units, planned_settings, publish, sweep_folder
from flows.settings.describe import describe_settings
from flows.settings.load import lasting_name, load_config, parse_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.settings.study import entrypoint, studies, study_named
from tasks.engine.make import failure
from tasks.environment import WrongEnvironment
from tasks.store.store import Damaged, Store

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How the information I(X;T_l) in a noisy network reacts when the input law shifts.\n\n"
    "Start with [bold]ibshift plan szt[/], then [bold]ibshift run szt[/]. Everything is kept in the workspace: after a "
    "crash, a kill or a change of a setting the same command makes only what is missing.",
)
console = Terminal()

Sweep = Annotated[str, typer.Argument(help="Name of a sweep that comes with ibshift (szt), or path of a YAML file.")]
Workspace = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="IBSHIFT_WORKSPACE", help="Folder of all results.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: training.epochs=2000, shifts.0.sizes=[0,0.1].")
]
WORKSPACE = Path("workspace")


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
    console.print(_stage_table(planned, sweep, states))
    reasons = Counter((state.unit.stage, state.state, state.reason) for state in states if state.state != "ready")
    for (stage, name, reason), count in list(reasons.items())[:20]:
        console.say(f"  {count:5} x {stage} {name}: {reason}")
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


def _stage_table(planned: Plan, title: str, states: list[State]) -> Table:
    """Counts by stage and state, and what is left to do."""
    table = Table(title=title, title_justify="left")
    for column in ("stage", "units", "ready", "missing", "stale", "failed", "damaged", "core s", "MB"):
        table.add_column(column, justify="left" if column == "stage" else "right", no_wrap=True)
    for stage in planned.stages:
        table.add_row(stage, *_figures([state for state in states if state.unit.stage == stage]))
    table.add_section()
    table.add_row("all", *_figures(states))
    return table


def _figures(states: list[State]) -> list[str]:
    counts = Counter(state.state for state in states)
    left = [state.unit for state in states if state.state != "ready"]
    shown = [len(states), *(counts[name] for name in ("ready", "missing", "stale", "failed", "damaged"))]
    costs = [unit.cost() for unit in left]
    return [
        *map(str, shown),
        f"{sum(cost.seconds for cost in costs):.0f}",
        f"{sum(cost.bytes for cost in costs) / 1e6:.0f}",
    ]


@app.command()
def settings(
    study: Annotated[str, typer.Argument(help=f"One of {', '.join(studies())}.")] = "shift_sweep",
) -> None:
    """List every setting of a study: its name for --set, its default and meaning."""
    table = Table("setting", "default", "meaning")
    for row in describe_settings(study_named(study).settings):
        table.add_row(*row)
    console.print(table)


@app.command()
def status(workspace: Workspace = WORKSPACE) -> None:
    """Show every sweep of the workspace: what is ready, failed or damaged, and where its results are."""
    store, plans = Store(workspace), list(_known_plans(workspace))
    if not plans:
        console.say(f"no sweep was run in {workspace} yet: ibshift run szt")
    for known in plans:
        console.print(_stage_table(known, known.config.name, survey(known, store)))
        report = sweep_folder(workspace, known.config.name) / "report.html"
        console.say(f"  report: {report if report.exists() else 'not yet'}")


def _known_plans(workspace: Path) -> list[Plan]:
    """The plans of all sweeps that were run in a workspace, with the settings of their last run."""
    plans = []
    for path in sorted((workspace / "sweeps").glob("*/plan.json")):
        name = path.parent.name
        try:
            if values := planned_settings(Store(workspace), name):
                plans.append(build_plan(parse_config(values, "plan.json")))
        except ConfigError as error:  # a file or a family that it names is gone: the others are still to be shown
            console.warn(f"sweep {name} cannot be planned again: {error}")
    return plans


@app.command()
def why(
    cell: Annotated[str, typer.Argument(help="Label of a unit (or the end of one), or the beginning of an identity.")],
    workspace: Workspace = WORKSPACE,
) -> None:
    """Say what a unit is made from, what state it is in and why, and how it went."""
    store = Store(workspace)
    found = [
        state
        for known in _known_plans(workspace)
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
def sync(sweep: Sweep, workspace: Workspace = WORKSPACE, overrides: Overrides = None) -> None:
    """Bring MLflow up to date with the results on disk; makes everything anew if its database is gone."""
    known = _finished(sweep, workspace, overrides)
    from flows.execution.mirror import mirror
    from tasks.tracking.sync import TrackingError

    store = Store(workspace.resolve())
    try:
        publish(store, known.config.name, known.shown)
        result = mirror(known, store)
    except (TrackingError, Damaged, OSError) as error:
        console.say(("failed", "bold red"), f": {error}")
        raise typer.Exit(1) from error
    console.say(f"{result.written} runs written, {result.whole} were up to date, {result.seconds:.1f} s: ibshift ui")


def _finished(sweep: str, workspace: Path, overrides: list[str] | None) -> Plan:
    """The plan of a sweep whose report is stored, with all its units or without those that failed."""
    config, store = load_config(sweep, parse_overrides(overrides or [])), Store(workspace)
    planned = build_plan(config)
    for known in (planned, planned.without(lost_units(store, config.name))):
        if store.get(known.shown[-1].stage, known.shown[-1].identity):
            return known
    raise ConfigError(f"{sweep} has no finished results in {workspace} for these settings: ibshift run {sweep}")


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
    opened.lost = set(lost_units(opened.store, config.name))
    code = Launch(opened, sweep, {}, console, use_prefect=False).execute()
    if code == 0 and browse:
        typer.launch(str(opened.folder / "report.html"))
    raise typer.Exit(code)


@app.command()
def ui(
    workspace: Workspace = WORKSPACE,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the MLflow page.")] = 5000,
) -> None:
    """Show the MLflow and Prefect pages of the workspace on loopback, until Ctrl-C."""
    from flows.cli.launch import writable
    from flows.cli.pages import show_pages

    raise typer.Exit(show_pages(writable(workspace), port, console))


@app.command()
def serve(
    sweep: Sweep,
    workspace: Workspace = WORKSPACE,
    overrides: Overrides = None,
    cron: Annotated[str | None, typer.Option(help='When to run: five fields, in UTC, as in "0 3 * * *".')] = None,
    every: Annotated[float | None, typer.Option(min=1, max=1e8, help="Seconds between runs.")] = None,
) -> None:
    """Run a sweep on a schedule, and on demand from the Prefect page, until Ctrl-C."""
    settings = parse_overrides(overrides or [])
    flow = entrypoint(load_config(sweep, settings).study)
    from flows.cli.launch import writable
    from flows.serving.serve import serve_sweep

    named = lasting_name(sweep)
    raise typer.Exit(serve_sweep(named, writable(workspace), settings, flow, cron=cron, every=every))


@app.command()
def doctor(workspace: Workspace = WORKSPACE) -> None:
    """Check this machine, and start all that a run starts. Exit code 1 if something would break or hide a run."""
    from flows.cli.doctor import examine
    from flows.serving.process import EXIT, signals
    from tasks.engine.progress import Stop, Stopped

    stop, good = Stop(), True
    stop.patience = 2.0
    with signals(stop):
        try:
            for name, fine, found in examine(workspace, stop):
                console.say(("ok   ", "green") if fine else ("bad  ", "red"), f"{name}: {found}")
                good &= fine
        except Stopped:
            os._exit(EXIT[stop.why])
    if not good:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: a wrong setting is one line and exit code 2, a disk that refuses is one line and exit code 1."""
    try:
        app()
    except (ConfigError, WrongEnvironment) as error:
        sys.stderr.write(f"ibshift: {error}\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"ibshift: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
