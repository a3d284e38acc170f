"""MLflow as a mirror of a finished study: what to show, taken from the plan and the store."""

from collections.abc import Callable, Mapping

from flows.execution.plan import Plan
from flows.execution.provenance import environment, git_commit
from tasks.engine.recipe import Recipe, reading
from tasks.environment import tracking_address
from tasks.store.store import Result, Store
from tasks.tracking.sync import SyncResult, sync


def mirror(plan: Plan, store: Store, check: Callable[[], None] = lambda: None) -> SyncResult:
    """Make MLflow show the results of a study as the store has them; `check` may raise to stop.

    Raises:
        Damaged: a result is missing or does not match its manifest; it was set aside.
        TrackingError: MLflow cannot be reached or written.
        WrongEnvironment: MLFLOW_TRACKING_URI is no address.
    """
    results = {unit: Result(store, unit.stage, unit.identity) for unit in plan}
    with reading(store):
        record = plan.study.record(
            plan.shown[0],
            files={name: results[unit].file(name) for unit in plan.shown for name in results[unit].manifest["files"]},
            plan=plan.index(),
            variant=plan.config.variant,
            settings=plan.config.everything(),
            differs=plan.config.differing(),
            command=plan.config.command,
            identity=plan.shown[-1].identity,
            created_ms=results[plan.shown[-1]].manifest["created_ms"],
            environment=environment(),
            git_commit=git_commit(),
            references=_references(plan, results),
        )
    return sync(record, store.workspace, tracking_address(), check=check)


def _references(plan: Plan, results: Mapping[Recipe, Result]) -> list[dict[str, object]]:
    """Every stored file that is neither copied nor one of very many small ones: by name, not copied."""
    left_out = {kind.stage for kind in (*plan.study.shown, plan.study.cells)}
    return [
        {"path": f"store/{unit.stage}/{unit.identity}/{name}", "label": unit.label, **entry}
        for unit in plan
        if unit.stage not in left_out and (results[unit].folder / "manifest.json").exists()
        for name, entry in results[unit].manifest["files"].items()
    ]
