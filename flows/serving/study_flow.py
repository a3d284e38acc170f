"""Any study within a Prefect flow: one task per stage, progress and tables as artifacts, stoppable from the UI.

The study itself is `flows.execution.run.run_study`; here is what Prefect adds to it. The flows are in the modules that
bear the names of the studies.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.states import Cancelled

from flows.execution.plan import survey
from flows.execution.run import Run, open_run, run_study, summary
from flows.serving.prefect_page import PrefectObserver, plan_artifact, summary_artifact
from flows.serving.prefect_runs import served_run, watch_for_cancel
from flows.serving.process import signals
from flows.settings.load import load_config
from tasks.engine.progress import Observers, Stopped

CONTINUE = "Stopped ({why}). Finished work is kept: run the same command again to continue."
_prepared: ContextVar[Run | None] = ContextVar("prepared run", default=None)


@contextmanager
def prepared(run: Run) -> Iterator[None]:
    """Within it the flow continues with this run: its workers are up, its terminal is known."""
    token = _prepared.set(run)
    try:
        yield
    finally:
        _prepared.reset(token)


def run_name() -> str:
    """The sweep's name, also where it was given as a path."""
    return Path(runtime.flow_run.parameters["sweep"]).stem


def run_in_flow(sweep: str, settings: dict[str, Any] | None, workspace: str) -> State | None:
    """The body of every flow: the study that the settings name, stage by stage."""
    run = _prepared.get() or open_run(load_config(sweep, settings), Path(workspace))
    run.observer = Observers([run.observer, PrefectObserver(run.config.name)])
    with served_run(run.store.workspace), signals(run.stop), watch_for_cancel(runtime.flow_run.id, run.stop):
        states = survey(run.plan(), run.store)
        plan_artifact(
            run.config.name,
            [
                {"stage": state.unit.stage, "unit": state.unit.label, "state": state.state, "reason": state.reason}
                for state in states
            ],
        )
        try:
            run_study(run, as_task)
        except Stopped as stopped:
            return Cancelled(message=CONTINUE.format(why=stopped))
        finally:
            run.pool.close()
        summary_artifact(run.config.name, _markdown(run))
    return None


def as_task(name: str, work: Callable[[], None]) -> None:
    """Run one stage as a Prefect task. The store decides what is made again, so Prefect's cache is off.

    It does not inherit the run's tags: with any, Prefect first asks the server for a slot, which takes two seconds.
    """

    @task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
    def stage() -> State | None:
        try:
            work()
        except Stopped as stopped:
            return Cancelled(message=CONTINUE.format(why=stopped))
        return None

    with TagsContext(current_tags=set()):
        stage()


def _markdown(run: Run) -> str:
    """What the run did, for its page."""
    lines = [f"| {row['stage']} | {row['ready']} of {row['units']} |" for row in summary(run)]
    counts = ", ".join(f"{count} {state}" for state, count in run.counts.items())
    return "\n".join(["| stage | units ready |", "|---|---|", *lines, "", f"{counts}. Results: `{run.folder}`"])
