"""A study of three units that are kept in the workspace; the last one fails without the file `allowed`.

Where `patient` exists it waits for it instead, and where `deaf` exists it does so without looking at the stop.
"""

import json
import os
import time
from pathlib import Path

from prefect import flow, runtime, task
from prefect.exceptions import CancelledRun
from prefect.states import Cancelled

from flows.serving.prefect_runs import served_run, watch_for_cancel
from flows.serving.process import signals
from tasks.engine.progress import Stop, Stopped


def make(unit: Path, stop: Stop) -> str:
    """Make one unit, unless it is there."""
    if unit.exists():
        return "reused"
    while unit.name == "2" and not unit.with_name("allowed").exists():
        if not unit.with_name("patient").exists():
            raise RuntimeError("not allowed")
        if not unit.with_name("deaf").exists():
            stop.check()
        time.sleep(0.1)
    unit.touch()
    return "computed"


@task
def stage(folder: Path, stop: Stop):
    try:
        return [make(folder / name, stop) for name in "012"]
    except Stopped as stopped:
        return Cancelled(message=str(stopped))


@flow
def study(sweep: str, settings: dict, workspace: str):
    stop = Stop()
    folder = Path(workspace)
    with served_run(folder), signals(stop), watch_for_cancel(runtime.flow_run.id, stop, every=0.5):
        (folder / "started").write_text(str(os.getpid()))
        try:
            states = stage(folder, stop)
            stop.check()
        except (Stopped, CancelledRun):
            return Cancelled(message=f"stopped by {stop.why}")
    line = json.dumps({"states": states, "run": str(runtime.flow_run.id), "count": runtime.flow_run.run_count})
    with (folder / "runs.jsonl").open("a") as log:
        log.write(line + "\n")
