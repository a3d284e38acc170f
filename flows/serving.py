"""`ibshift serve`: a sweep on a schedule, with its private server, in one process that can be left alone."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from flows.prefect_server import PrivateServer, ServerUnavailable
from flows.settings import ConfigError


def serve_sweep(
    sweep: str,
    workspace: Path,
    settings: dict[str, Any],
    entrypoint: str,
    cron: str | None = None,
    every: float | None = None,
) -> int:
    """Run a sweep on a schedule, and on demand from the UI, until SIGTERM or Ctrl-C.

    Args:
        sweep: name of a sweep, or path of its YAML file.
        workspace: folder of results.
        settings: settings to change, by dotted name.
        entrypoint: the flow, as `package.module.function`, with the parameters sweep, settings and workspace.
        cron: five fields, in UTC.
        every: seconds between two starts; the first is due one interval from now.

    Returns:
        The exit code: 0 once it was asked to end, 1 if no server could be had.

    Raises:
        ConfigError: `cron` is no cron expression, or both schedules were given.
    """
    if cron and every:
        raise ConfigError("give --cron or --every, not both")
    with PrivateServer(workspace / "prefect") as server:
        server.introduce()  # before the first import of Prefect
        from prefect.flows import load_flow_from_entrypoint
        from prefect.schedules import Cron, Interval

        from flows.sweep_runner import run_on_schedule

        try:
            schedule = Cron(cron) if cron else Interval(timedelta(seconds=every)) if every else None
        except ValueError as error:
            raise ConfigError(f'--cron must be five fields such as "0 3 * * *", got "{cron}" ({error})') from error
        try:
            server.wait()
        except ServerUnavailable as error:
            print(f"ibshift serve needs a Prefect server: {error}", file=sys.stderr)
            return 1
        # Each run has a process, and perhaps a working directory, of its own.
        sweep = str(Path(sweep).resolve()) if Path(sweep).is_file() else sweep
        parameters = {"sweep": sweep, "settings": settings, "workspace": str(workspace.resolve())}
        run_on_schedule(load_flow_from_entrypoint(entrypoint), Path(sweep).stem, workspace, parameters, schedule)
    return 0
