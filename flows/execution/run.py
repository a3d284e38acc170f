"""How every study runs: its stages in order, then MLflow. For the shift sweep: data -> training -> ... -> report.

`run_study` is the table of contents. It knows no server: `flows.serving.study_flow` runs it with every stage as a
Prefect task, `ibshift run --no-prefect` as it is. What the stages consist of stands in `flows.studies`.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from flows.execution.gallery import show_gallery
from flows.execution.pages import mlflow_pages
from flows.execution.plan import Plan, build_plan, survey
from flows.execution.results import publish, results_folder, write_index
from flows.settings.settings import ConfigError, StudyConfig
from flows.settings.study import Study, study_named
from tasks.engine.pool import Pool
from tasks.engine.progress import Observer, Stop, Stopped
from tasks.engine.ray_start import PoolDied
from tasks.engine.recipe import Recipe
from tasks.environment import WrongEnvironment
from tasks.page.summary import headline
from tasks.store.store import Damaged, Store

# A damaged input sends the sweep back to the stage that makes it; more often than this, the disk is to blame.
MAX_REPAIRS = 3
PATIENCE_S = 20.0  # for an orderly end once results are made


class StageFailed(Exception):
    """Units of a stage failed; what finished is stored."""


class NotReady(Exception):
    """A stage that was asked for alone lacks results of earlier stages."""


class InputDamaged(Exception):
    """A result that a unit needed was damaged and set aside; its stage has to make it again."""


# What may end a run and is told in one line.
EXPECTED = (ConfigError, WrongEnvironment, NotReady, StageFailed, PoolDied)


@dataclass
class Run:
    """One execution of a study.

    Attributes:
        config: the settings.
        store: the workspace's results.
        pool: workers.
        stages: names of the stages to run, in order.
        observer: hears of progress.
        stop: a request to stop.
        keep_going: whether to go on after failed units, leaving them out of the tables.
        lost: failed units and all that depend on them, "stage label".
        counts: units computed, reused, failed so far.
        stages_begun: how many times a stage was entered.
        pages: addresses of pages that show it, by the server's name.
        refused: the error of `EXPECTED` that ended it within a flow.
    """

    config: StudyConfig
    store: Store
    pool: Pool
    stages: Sequence[str]
    observer: Observer = field(default_factory=Observer)
    stop: Stop = field(default_factory=Stop)
    keep_going: bool = False
    lost: set[str] = field(default_factory=set)
    stages_begun: int = 0
    counts: dict[str, int] = field(default_factory=lambda: {"computed": 0, "reused": 0, "failed": 0})
    pages: dict[str, str] = field(default_factory=dict)
    refused: Exception | None = None
    _plan: Plan | None = None
    _left: tuple[frozenset[str], Plan] | None = None

    @property
    def study(self) -> Study:
        return study_named(self.config.study)

    @property
    def folder(self) -> Path:
        """Where people find the results."""
        return results_folder(self.store.workspace, self.config)

    @property
    def verdict(self) -> str:
        """What the report says in one sentence; "" where it says none, or is not made yet."""
        return headline(self.summary)

    @property
    def summary(self) -> str:
        """The text of the report's summary; "" where there is none."""
        try:
            return (self.folder / "summary.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def plan(self) -> Plan:
        """The plan, built once, without what was lost."""
        self._plan = self._plan or build_plan(self.config)
        if self._left is None or self._left[0] != self.lost:
            self._left = frozenset(self.lost), self._plan.without(self.lost)
        return self._left[1]


def open_run(config: StudyConfig, workspace: Path, workers: int | None = None) -> Run:
    """A run of all stages in a workspace; workers default to the settings', these to one per core."""
    chosen = next((n for n in (workers, config.resources.workers) if n is not None), os.cpu_count() or 1)
    pool = Pool(workspace, chosen, config.resources.gpus, config.resources.ray_address)
    return Run(config, Store(workspace), pool, study_named(config.study).stages)


StageRunner = Callable[[str, Callable[[], None]], None]


def run_study(run: Run, stage: StageRunner) -> None:
    """Make every missing unit stage by stage, publish tables and report, and bring MLflow up to date.

    Args:
        run: settings, store, workers.
        stage: runs one named stage: `lambda name, work: work()`, or as a Prefect task.

    Raises:
        StageFailed: units failed (with `keep_going`: after everything else was made).
        Stopped: somebody asked.
    """
    run.stop.patience = PATIENCE_S
    run.store.sweep_drafts()
    stage = _counted(run, stage)
    try:
        with_repairs(run, stage)
    finally:
        with suppress(OSError):  # a full disk: the index only explains, and must not hide the error under way
            write_index(run.store, run.config, run.plan().index(), run.lost)
    if run.study.stages[-1] in run.stages:
        show_gallery(run.store)
        stage("tracking", partial(show_in_mlflow, run))
        run.stop.check()
    if run.counts["failed"]:
        raise StageFailed(
            f"{run.counts['failed']} units failed, marked in the tables or left out: ibshift status shows them, "
            "ibshift why what is known of each"
        )


def _counted(run: Run, stage: StageRunner) -> StageRunner:
    def counted(name: str, work: Callable[[], None]) -> None:
        run.stages_begun += 1
        stage(name, work)

    return counted


def with_repairs(run: Run, stage: StageRunner) -> None:
    """Run the stages in order; when a stored input turns out damaged, begin again: all that is whole is reused."""

    def make(kind: type[Recipe]) -> None:
        if kind.stage in run.stages and run.plan().stages[kind.stage]:  # `measures` may have nothing to do
            stage(kind.stage, partial(make_stage, run, kind.stage))
            run.stop.check()

    for attempt in range(MAX_REPAIRS + 1):
        try:
            run.study.body(make)
            return
        except (InputDamaged, Damaged) as error:
            run.observer.message(str(error))
            if attempt == MAX_REPAIRS:
                raise StageFailed(f"stored results keep getting damaged, the disk may be failing: {error}") from error
            _verify(run)


def _verify(run: Run) -> None:
    """Where one result is damaged others may be: set them all aside now, not one at each attempt."""
    for unit in run.plan():
        result = run.store.get(unit.stage, unit.identity)
        if result:
            with suppress(Damaged):
                result.verify()


def make_stage(run: Run, name: str) -> None:
    """Make the missing units of one stage; the last stage also puts tables and report where people look.

    Raises:
        InputDamaged: an input was set aside.
        StageFailed: a unit failed and `keep_going` is off, or nothing of the stage is left.
        NotReady: an earlier stage is incomplete.
    """
    plan = run.plan()
    units = [unit for unit in plan.stages[name] if not _loses(run, unit)]
    if not units and name in {kind.stage for kind in run.study.shown}:
        raise StageFailed(f"{name}: what it is made from failed")
    ready = [unit for unit in units if _whole(run, unit)]
    reused = set(ready)
    missing = [unit for unit in units if unit not in reused]
    _require_inputs(run, missing)
    run.observer.begin(name, len(units), len(ready), {unit.label: unit.cost().seconds for unit in missing})
    run.counts["reused"] += len(ready)
    rows = [{"unit": unit.label, "state": "reused", "seconds": 0.0, "attempts": 0, "message": ""} for unit in ready]
    failed, damaged = [], ""
    # The most expensive first: no worker is left alone with a long unit at the end.
    for ended in run.pool.map(sorted(missing, key=lambda unit: -unit.cost().seconds), run.stop):
        if ended.state == "damaged":
            damaged = ended.message
            continue
        run.counts[ended.state] += 1
        run.observer.advance(name, ended.label, ended.state, ended.seconds)
        rows.append(
            {"unit": ended.label, **{key: getattr(ended, key) for key in ("state", "seconds", "attempts", "message")}}
        )
        if ended.state == "failed":
            failed.append(ended)
            run.lost.add(f"{name} {ended.label}")
            if not run.keep_going:
                break
    run.observer.end(name, rows)
    if damaged:
        raise InputDamaged(damaged)
    if failed and (not run.keep_going or len(failed) == len(units)):
        raise StageFailed(
            f"{name} {failed[0].label}: {failed[0].message} (what is known of it: ibshift why {failed[0].label})"
        )
    if name == run.study.stages[-1]:
        publish(run.store, run.config, plan.shown)


def _loses(run: Run, unit: Recipe) -> bool:
    """Whether a unit, or anything it is made from, failed in this run."""
    if unit.name not in run.lost and any(_loses(run, source) for source in unit.inputs.values()):
        run.lost.add(unit.name)
    return unit.name in run.lost


def _whole(run: Run, unit: Recipe) -> bool:
    """Whether a unit's result is stored; one with a missing or shortened file is set aside."""
    result = run.store.get(unit.stage, unit.identity)
    if result is None:
        return False
    if not result.looks_whole():
        run.observer.message(str(run.store.set_aside(result, "a file is missing or cut short")))
        return False
    return True


def _require_inputs(run: Run, units: list[Recipe]) -> None:
    sources = {source.identity: source for unit in units for source in unit.inputs.values()}
    absent = [source for source in sources.values() if run.store.get(source.stage, source.identity) is None]
    if not absent:
        return
    if absent[0].stage in run.stages:
        raise InputDamaged(f"{absent[0].stage} {absent[0].label} disappeared and will be made again")
    raise NotReady(f"stage {absent[0].stage} has {len(absent)} results missing ({absent[0].label}, ...): run it first")


def show_in_mlflow(run: Run) -> None:
    """Bring MLflow up to date; results never wait for it, so a failure is one line and `ibshift sync` later."""
    from flows.execution.mirror import mirror

    run.observer.begin("tracking", 1, 0, {})
    row = {"unit": run.config.name, "state": "computed", "seconds": 0.0, "attempts": 1, "message": ""}
    try:
        result = mirror(run.plan(), run.store, run.stop.check)
        if address := mlflow_pages(run.store.workspace):
            run.pages["MLflow"] = address + result.page
        row |= {
            "seconds": round(result.seconds, 1),
            "message": f"{result.written} runs written, {result.whole} up to date",
        }
    except Stopped:
        raise
    except Exception as error:  # whatever it is, the results stand and the mirror can be made again
        row |= {"state": "failed", "message": str(error)}
        run.observer.message(f"warning: {error}; the results are whole, run `ibshift sync {run.config.name}` later")
    run.observer.end("tracking", [row])


def summary(run: Run) -> list[dict[str, object]]:
    """States of all units after the run, one row per stage."""
    rows = []
    states = survey(run.plan(), run.store)
    for stage in run.study.stages:
        mine = [state for state in states if state.unit.stage == stage]
        rows.append({"stage": stage, "units": len(mine), "ready": sum(state.state == "ready" for state in mine)})
    return rows
