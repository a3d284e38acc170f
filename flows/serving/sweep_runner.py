"""Runs that nobody starts by hand: fired by a schedule, or taken up again by Retry in the Prefect UI.

Import this after `PrivateServer.client_environment` is in `os.environ`, and use it while that server is held. Every
such run is a process of its own on the same server and workspace: it makes what is missing there, and nothing else.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import EntrypointType, RunnerDeployment
from prefect.flow_engine import run_flow
from prefect.flows import load_flow_from_entrypoint
from prefect.runner import Runner
from prefect.schedules import Schedule
from prefect.settings import PREFECT_UI_URL

from flows.serving.prefect_runs import TAG, adopt_retry, drain, next_step, reap, waiting_retries
from flows.serving.prefect_server import PrivateServer
from flows.serving.process import beside

POLL_S = 2.0
# A run that has not begun after this many seconds gives its deployment free again.
GRACE_S = 60
# One run at a time. What fires meanwhile waits and then finds its work done; to drop it would drop a Retry as well.
ONE_AT_A_TIME = ConcurrencyLimitConfig(
    limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE, grace_period_seconds=GRACE_S
)
CANCELLED = f"Cancelled. Finished work is kept: {next_step('a deployment')} to continue."


class SweepRunner(Runner):
    """Prefect's runner, stopped on its own event loop.

    The inherited handler blocks that loop until the run in progress has ended, which the loop itself would have to see.
    """

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        self.execute_in_background(self.astop)

    async def _cancel_run(self, flow_run: Any, state_msg: str | None = None) -> None:
        """Cancel in the UI: the last word, which replaces the run's own, says how it goes on."""
        await super()._cancel_run(flow_run, state_msg or CANCELLED)


def run_on_schedule(
    flow: Flow, name: str, workspace: Path, parameters: dict[str, Any], schedule: Schedule | None
) -> None:
    """Serve a flow until SIGTERM or Ctrl-C, which also stop the run in progress.

    Args:
        flow: the flow; its module must be importable, as each run imports it afresh.
        name: of the deployment.
        workspace: where stale runs are looked for.
        parameters: of every run.
        schedule: when to run; None waits for runs started from the UI.
    """
    deployment = RunnerDeployment.from_flow(
        flow,
        name=name,
        schedule=schedule,
        concurrency_limit=ONE_AT_A_TIME,
        parameters=parameters,
        tags=[TAG],
        # A module path works from every working directory.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    reap(workspace)
    with _interrupt_as_sigterm(), continue_retries(workspace, f"{flow.fn.__module__}.{flow.fn.__name__}"):
        asyncio.run(_serve(deployment))


async def _serve(deployment: RunnerDeployment) -> None:
    # A run taken up before its time would hold the deployment while it waits.
    runner = SweepRunner(name="ibshift", query_seconds=POLL_S, prefetch_seconds=0)
    deployment_id = await runner.aadd_deployment(deployment)
    print(f"serving {deployment.name}: {PREFECT_UI_URL.value()}/deployments/deployment/{deployment_id}", flush=True)
    await runner.start()


@contextlib.contextmanager
def _interrupt_as_sigterm() -> Iterator[None]:
    """Ctrl-C and a terminal that closes take the same clean way out as SIGTERM."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    for number in (signal.SIGINT, signal.SIGHUP):
        if before[number] != signal.SIG_IGN or number == signal.SIGINT:
            signal.signal(number, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def continue_retries(workspace: Path, entrypoint: str) -> Iterator[None]:
    """Within it, Retry in the UI works for runs started from the command line too, which no runner owns.

    Args:
        workspace: the workspace whose runs are meant.
        entrypoint: the flow, as `package.module.function`.
    """

    def poll(done: threading.Event) -> None:
        while not done.wait(POLL_S):
            # An unreachable server has no retries to tell of; the next question may be answered.
            with contextlib.suppress(Exception):
                for flow_run in waiting_retries(workspace):
                    command = [
                        sys.executable,
                        "-m",
                        "flows.serving.sweep_runner",
                        str(workspace),
                        entrypoint,
                        str(flow_run.id),
                    ]
                    _run_until(done, command)

    with beside("continue-retries", poll, patience=30):
        yield


def _run_until(done: threading.Event, command: list[str]) -> None:
    """Run a command to its end, or ask it to stop once `done` is set."""
    # In a session of its own, as Ctrl-C here is passed on as one SIGTERM below.
    with subprocess.Popen(command, start_new_session=True) as process:
        while process.poll() is None:
            if done.wait(0.2):
                process.terminate()
                process.wait()


def continue_run(workspace: Path, entrypoint: str, flow_run_id: str) -> None:
    """Take up one run that waits for its retry, under its own id."""
    PrivateServer(workspace / "prefect").start()  # held until this process ends
    adopted = adopt_retry(workspace, lambda flow_run: str(flow_run.id) == flow_run_id)
    if adopted is None:
        return
    flow: Flow = load_flow_from_entrypoint(entrypoint)
    with adopted.lock:
        parameters = flow.validate_parameters(adopted.flow_run.parameters)
        run_flow(flow, flow_run=adopted.flow_run, parameters=parameters, return_type="state")
        drain(adopted.flow_run.id, 0)


if __name__ == "__main__":
    continue_run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
