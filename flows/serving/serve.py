"""`ibshift serve`: a sweep on a schedule, with its private server, in one process that can be left alone."""

import asyncio
import math
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from flows.serving.prefect_server import PrivateServer
from flows.settings.settings import ConfigError
from tasks.local_server import ServerUnavailable

NO_CRON = (
    "--cron must be five fields, minute, hour, day of month, month and day of week in UTC, that meet at some time, "
    'as in "0 3 * * *", got "{}"'
)


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
        sweep: name of a sweep, or path of its YAML file, which holds in any folder: each run has a process, and perhaps
            a working directory, of its own.
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
    if cron is not None and every is not None:
        raise ConfigError("give --cron or --every, not both")
    if cron is not None and len(cron.split()) != 5:
        raise ConfigError(NO_CRON.format(cron))
    if every is not None and not math.isfinite(every):
        raise ConfigError(f"--every must be a number of seconds, got {every}")
    with PrivateServer(workspace / "prefect") as server:
        server.introduce()  # before the first import of Prefect
        from prefect.flows import load_flow_from_entrypoint
        from prefect.schedules import Interval

        from flows.serving.sweep_runner import run_on_schedule

        by_time = _cron(cron) if cron is not None else None
        schedule = Interval(timedelta(seconds=every)) if every is not None else by_time
        try:
            server.wait()
        except ServerUnavailable as error:
            print(f"ibshift serve needs a Prefect server: {error}", file=sys.stderr)
            return 1
        parameters = {"sweep": sweep, "settings": settings, "workspace": str(workspace.resolve())}
        run_on_schedule(load_flow_from_entrypoint(entrypoint), Path(sweep).stem, workspace, parameters, schedule)
    return 0


def _cron(fields: str) -> Any:
    """The schedule, if the server's scheduler finds a first time for it: "0 0 30 2 *" has none and would never fire."""
    from prefect.schedules import Cron
    from prefect.server.schemas.schedules import CronSchedule

    try:
        asyncio.run(CronSchedule(cron=fields, timezone="UTC").get_dates(1))
        return Cron(fields)
    except Exception as error:  # the library behind it raises its own types
        raise ConfigError(NO_CRON.format(fields)) from error
