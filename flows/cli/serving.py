"""Commands that stay: pages, schedules; and the check of what a run needs."""

import os
from typing import Annotated

import typer

from flows.cli.app import WORKSPACE, Overrides, Sweep, Workspace, app, console
from flows.settings.load import lasting_name, load_config
from flows.settings.overrides import parse_overrides
from flows.settings.study import entrypoint


@app.command()
def ui(
    workspace: Workspace = WORKSPACE,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the MLflow page; the last one, or 5000.")
    ] = None,
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
