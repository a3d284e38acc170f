"""MLflow as a mirror of a finished study: what to show, taken from the plan and the store."""

from collections.abc import Callable, Mapping
from typing import Any

from flows.execution.plan import Plan
from flows.execution.provenance import environment, git_commit
from flows.settings.load import load_config
from flows.settings.settings import ConfigError, StudyConfig
from tasks.engine.recipe import Recipe, reading
from tasks.environment import tracking_address
from tasks.page.summary import headline
from tasks.store.store import Result, Store
from tasks.tracking.record import Span
from tasks.tracking.sync import SyncResult, sync


def mirror(plan: Plan, store: Store, check: Callable[[], None] = lambda: None) -> SyncResult:
    """Make MLflow show the results of a study as the store has them; `check` may raise to stop.

    Raises:
        Damaged: a result is missing or does not match its manifest; it was set aside.
        TrackingError: MLflow cannot be reached or written.
        WrongEnvironment: MLFLOW_TRACKING_URI is no address.
    """
    results = {unit: Result(store, unit.stage, unit.identity) for unit in plan}
    config = plan.config
    files = {name: results[unit].file(name) for unit in plan.shown for name in results[unit].manifest["files"]}
    told = files["summary.md"].read_text(encoding="utf-8") if "summary.md" in files else ""
    with reading(store):
        record = plan.study.record(
            plan.shown[0],
            files=files,
            plan=plan.index(),
            variant=config.variant,
            settings=config.everything(),
            differs=config.differing(),
            changes=_changes(config),
            command=config.command,
            headline=headline(told),
            summary=told,
            made=_made(results),
            identity=plan.shown[0].identity,
            created_ms=results[plan.shown[0]].manifest["created_ms"],
            environment=environment(),
            git_commit=git_commit(),
            references=_references(plan, results),
        )
    return sync(record, store.workspace, tracking_address(), check=check)


def _changes(config: StudyConfig) -> dict[str, Any]:
    """What is set otherwise than in the sweep of this name that comes with ibshift; if none does, than by default."""
    try:
        shipped = load_config(config.name, reachable=False)
    except ConfigError:
        return config.differing()
    here, there = config.everything(), shipped.everything()
    names = dict.fromkeys([*here, *there])
    return {
        name: here.get(name)
        for name in names
        if here.get(name, ...) != there.get(name, ...) and not name.startswith("resources.")
    }


def _made(results: Mapping[Recipe, Result]) -> dict[str, Span]:
    """When each stored unit was made."""
    made = {}
    for unit, result in results.items():
        if (result.folder / "manifest.json").exists():
            ended, seconds = result.manifest["created_ms"], result.manifest.get("seconds", 0.0)
            made[unit.name] = Span(ended - round(1000 * seconds), ended)
    return made


def _references(plan: Plan, results: Mapping[Recipe, Result]) -> list[dict[str, object]]:
    """Every stored file that is neither copied nor one of very many small ones: by name, not copied."""
    left_out = {kind.stage for kind in (*plan.study.shown, plan.study.cells)}
    return [
        {"path": f"store/{unit.stage}/{unit.identity}/{name}", "label": unit.label, **entry}
        for unit in plan
        if unit.stage not in left_out and (results[unit].folder / "manifest.json").exists()
        for name, entry in results[unit].manifest["files"].items()
    ]
