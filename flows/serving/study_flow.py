"""Any study within a Prefect flow: one task per stage, progress and tables as artifacts, stoppable from the UI.

The study itself is `flows.execution.run.run_study`; here is what Prefect adds to it. The flows are in the modules that
bear the names of the studies.
"""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Failed

from flows.execution.afford import check_affordable
from flows.execution.pages import ui_command
from flows.execution.plan import survey
from flows.execution.run import EXPECTED, InputDamaged, Run, open_run, run_study, summary
from flows.serving.prefect_page import PrefectObserver, plan_artifact, refusal, summary_artifact, without_repetition
from flows.serving.prefect_runs import next_step, served_run, watch_for_cancel
from flows.serving.process import signals
from flows.settings.load import load_config
from flows.settings.settings import ConfigError
from tasks.engine.progress import Observers, Stopped
from tasks.store.store import Damaged

LONGEST_NAME = 80
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
    """The sweep's name, also where it was given as a path, and the settings that were changed for this run."""
    given = runtime.flow_run.parameters
    return name_of(Path(given["sweep"]).stem, given.get("settings") or {})


def name_of(sweep: str, settings: Mapping[str, Any]) -> str:
    """A name such as "szt epochs=400 betas=[0.1,0.2]": each setting by as much of its name as tells it from the others.

    A name that is cut ends with a digest of what was changed, so that two of them differ.
    """
    told = [f"{short}={_value(settings[key])}" for key, short in _short(list(settings)).items()]
    name = " ".join([sweep, *told])
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:4]
    return f"{name[: LONGEST_NAME - 8]}... {digest}"


def _short(keys: list[str]) -> dict[str, str]:
    """The shortest end of each dotted name that no other has, by name."""
    found = {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
        others = [other for other in keys if other != key]
        found[key] = next((end for end in ends if not any(f".{o}".endswith(f".{end}") for o in others)), key)
    return found


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)


def run_in_flow(sweep: str, settings: dict[str, Any] | None, workspace: str) -> State | None:
    """The body of every flow: the study that the settings name, stage by stage. What is expected to go wrong, a wrong
    setting among it, ends it with one line."""
    without_repetition()
    run = _prepared.get()
    try:
        run = run or _opened(sweep, settings, Path(workspace))
    except ConfigError as error:
        return refusal(str(error))
    page = PrefectObserver(run.config.name)
    run.observer = Observers([run.observer, page])
    logger, cancelled = get_run_logger(), how_to_continue("cancelled")
    if runtime.deployment.id is None:
        logger.info(in_a_terminal(run.config.command, run.store.workspace))
    watched = watch_for_cancel(runtime.flow_run.id, run.stop, say=lambda: logger.info(cancelled))
    with served_run(run.store.workspace), signals(run.stop), watched:
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
            return Cancelled(message=how_to_continue(str(stopped)))
        except EXPECTED as error:
            run.refused = error
            return refusal(str(error))
        finally:
            run.pool.close()
        page.message(f"results: {run.folder}")
        summary_artifact(run.config.name, results(run))
    return None


def _opened(sweep: str, settings: dict[str, Any] | None, workspace: Path) -> Run:
    """A run from what stands in the form of its deployment, refused where this machine cannot hold it."""
    run = open_run(load_config(sweep, settings), workspace)
    if not run.config.resources.ray_address:
        check_affordable(run.config, survey(run.plan(), run.store), workspace, run.pool.workers)
    return run


def how_to_continue(why: str) -> str:
    """The last word of a run that was stopped."""
    return f"Stopped ({why}). Finished work is kept: {next_step(runtime.deployment.id)} to continue."


def in_a_terminal(command: str, workspace: Path) -> str:
    """What somebody should know who looks for Cancel and Retry on the page of a run that a command started."""
    served = shlex.join(["ibshift", "serve", *shlex.split(command)[2:], "-w", str(workspace)])
    return (
        "Started in a terminal: Ctrl-C stops it there, and the same command goes on."
        f" Prefect's pages have Cancel and Retry for runs that they start, once a terminal has: {served}"
    )


def as_task(name: str, work: Callable[[], None]) -> None:
    """Run one stage as a Prefect task. The store decides what is made again, so Prefect's cache is off.

    It does not inherit the run's tags: with any, Prefect first asks the server for a slot, which takes two seconds.
    """
    refused: list[Exception] = []

    @task(name=name, task_run_name=name, cache_policy=NO_CACHE, persist_result=False)
    def stage() -> State | None:
        try:
            work()
        except Stopped as stopped:
            return Cancelled(message=how_to_continue(str(stopped)))
        except (*EXPECTED, InputDamaged, Damaged) as error:  # one line in place of Prefect's traceback
            refused.append(error)
            return Failed(message=str(error))
        return None

    with TagsContext(current_tags=set()):
        stage()
    if refused:
        raise refused[0]


def results(run: Run) -> str:
    """What the run found and did, for its page: the words of the report, and where everything is."""
    units = [f"| {row['stage']} | {row['ready']} of {row['units']} |" for row in summary(run) if row["units"]]
    counts = ", ".join(f"{count} {state}" for state, count in run.counts.items())
    links = [
        f"* {name}: [{address}]({address}) while `{ui_command(run.store.workspace)}` is open"
        for name, address in run.pages.items()
    ]
    return "\n".join(
        [
            run.summary.strip() or f"# {run.config.name}",
            "",
            f"* Report: `{run.folder / 'report.html'}`",
            f"* Tables and figures: `{run.folder}`",
            *links,
            "",
            *["| stage | units ready |", "|---|---|", *units],
            "",
            f"{counts}.",
        ]
    )
