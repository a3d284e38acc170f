"""Flow runs on a Prefect server: who owns them, how they are stopped, taken up again and cleared away.

Import it once `PrivateServer.client_environment` is in `os.environ`: Prefect reads its settings at its first import.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from prefect import runtime, tags
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, StateType
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.states import Crashed

from flows.serving.prefect_server import PrivateServer
from flows.serving.process import beside, run_lock
from tasks.engine.progress import Stop
from tasks.store.locks import Lock

TAG = "ibshift"
OPEN_STATES = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
STOP_STATES = {StateType.CANCELLING, StateType.CANCELLED}
PAGE = 200  # the most that a Prefect server returns to one question
DIED = (
    "The process ended without reporting (killed, out of memory or power loss). Finished work is kept: {} to continue."
)


class Adopted(NamedTuple):
    """A flow run that waits for its retry, and the lock that makes it ours."""

    flow_run: FlowRun
    lock: Lock


def next_step(deployment_id: object) -> str:
    """How a run goes on that was stopped: Prefect's pages have Retry, as they have Cancel, for runs of a deployment;
    others belong to a terminal."""
    return "run the same command again" if deployment_id is None else "press Retry"


def run_id_of(flow_run: FlowRun) -> str:
    """The id its lock goes by: from the tag `run:<8 hex>` of a run started here, else from the flow run's own id."""
    return next((tag[4:] for tag in flow_run.tags if tag.startswith("run:")), flow_run.id.hex[:8])


@contextlib.contextmanager
def owned_run(workspace: Path) -> Iterator[str]:
    """Around the call of a flow: its run carries our tags, and this process the lock that proves it alive.

    Yields:
        The run's id, 8 hexadecimal digits.
    """
    run_id = secrets.token_hex(4)
    with run_lock(workspace, run_id), tags(TAG, f"run:{run_id}"):
        yield run_id


@contextlib.contextmanager
def served_run(workspace: Path) -> Iterator[None]:
    """Inside a flow's body: a run that a runner or worker started holds its own lock, and a lease on the server.

    A run started by `owned_run` has both already, from the process around it.
    """
    if runtime.deployment.id is None:
        yield
        return
    run_id = UUID(str(runtime.flow_run.id)).hex[:8]
    # Never closed: the lease ends with this process, after the flow's final state was reported.
    PrivateServer(workspace / "prefect").start()
    with run_lock(workspace, run_id):
        yield


def _all_flow_runs(client: SyncPrefectClient, wanted: FlowRunFilter) -> list[FlowRun]:
    found: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=wanted, limit=PAGE, offset=len(found)):
        found += page
    return found


def reap(workspace: Path) -> list[str]:
    """Mark as Crashed what died without reporting: open runs whose lock file lies here and is free.

    A run of another workspace or machine has no lock file here and is left alone.

    Returns:
        The names of the flow runs that were closed.
    """
    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]), state=FlowRunFilterState(type=FlowRunFilterStateType(any_=OPEN_STATES))
    )
    closed = []
    with get_client(sync_client=True) as client:
        for flow_run in _all_flow_runs(client, wanted):
            lock = run_lock(workspace, run_id_of(flow_run))
            if not lock.abandoned():
                continue
            with lock:
                _close_run(client, flow_run)
            closed.append(flow_run.name)
    return closed


def _close_run(client: SyncPrefectClient, flow_run: FlowRun) -> None:
    """Crashed, for a flow run and the task runs it left open."""
    crashed: State = Crashed(message=DIED.format(next_step(flow_run.deployment_id)))
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
    left_open = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=OPEN_STATES)))
    for task_run in client.read_task_runs(flow_run_filter=of_run, task_run_filter=left_open):
        client.set_task_run_state(task_run.id, crashed, force=True)
    client.set_flow_run_state(flow_run.id, crashed, force=True)


def waiting_retries(workspace: Path) -> list[FlowRun]:
    """Runs of this workspace, started from the command line, for which somebody pressed Retry: no runner owns them."""
    wanted = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[TAG]),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["AwaitingRetry"])),
        deployment_id=FlowRunFilterDeploymentId(is_null_=True),
    )
    with get_client(sync_client=True) as client:
        found = _all_flow_runs(client, wanted)
    # A server may be shared by several workspaces.
    return [flow_run for flow_run in found if flow_run.parameters.get("workspace") == str(workspace)]


def adopt_retry(workspace: Path, wanted: Callable[[FlowRun], bool]) -> Adopted | None:
    """Make a waiting run ours, to be continued under its id by `run_flow(flow, flow_run=..., parameters=...)`.

    Args:
        workspace: where its lock lies.
        wanted: which of the waiting runs will do, as `lambda run: run.parameters == parameters`.

    Returns:
        The run and its lock, already held; None where no run waits.
    """
    for flow_run in waiting_retries(workspace):
        lock = run_lock(workspace, run_id_of(flow_run))
        if wanted(flow_run) and lock.acquire():
            return Adopted(flow_run, lock)
    return None


def drain(flow_run_id: UUID, n_tasks: int, timeout: float = 15.0) -> bool:
    """Wait until the server has stored the logs and final task states of a run: it queues them in memory.

    Args:
        flow_run_id: the run that has ended.
        n_tasks: how many task runs it made.
        timeout: seconds.

    Returns:
        Whether all arrived.
    """
    deadline = time.monotonic() + timeout
    APILogWorker.drain_all(timeout=timeout / 3)
    EventsWorker.drain_all(timeout=timeout / 3)
    question = {
        "flow_runs": {"id": {"any_": [str(flow_run_id)]}},
        "task_runs": {"state": {"type": {"any_": sorted(state.value for state in TERMINAL_STATES)}}},
    }
    with get_client(sync_client=True) as client:
        while client.request("POST", "/task_runs/count", json=question).json() < n_tasks:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
    return True


@contextlib.contextmanager
def watch_for_cancel(
    flow_run_id: UUID, stop: Stop, every: float = 2.0, say: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Within it, Cancel in the UI asks the run to stop: nobody else tells a process that was started by hand.

    Args:
        flow_run_id: that may be cancelled.
        stop: is asked.
        every: seconds between two questions to the server.
        say: tells people on the page, before the run has come to its end.
    """

    def poll(done: threading.Event) -> None:
        with get_client(sync_client=True) as client:
            while not done.wait(every):
                # An unreachable server cannot cancel a run; the next question may be answered.
                with contextlib.suppress(Exception):
                    state = client.read_flow_run(flow_run_id).state
                    if state is not None and state.type in STOP_STATES:
                        stop("cancelled")
                        say()
                        return

    with beside("watch-for-cancel", poll):
        yield
