"""MLflow as a mirror of a finished sweep: what to show, taken from the plan and the store."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from flows.plan import Plan
from flows.results import sweep_folder
from tasks.store import Result, Store
from tasks.tables import load_tables
from tasks.tracking import SweepRecord, SyncResult, sync
from tasks.training import checkpoint_name

PACKAGES = ("ibshift", "torch", "numpy", "scipy", "numba", "pyarrow", "ray", "prefect", "mlflow", "POT")


def mirror(plan: Plan, store: Store, check: Callable[[], None] = lambda: None) -> SyncResult:
    """Make MLflow show the published results of a sweep; `check` may raise to stop.

    Raises:
        FileNotFoundError: the sweep has no published results.
        TrackingError: MLflow cannot be reached or written.
    """
    folder = sweep_folder(store.workspace, plan.config.name)
    (bounds,), (report,) = plan.stages["bounds"], plan.stages["report"]
    results = {unit: Result(store, unit.stage, unit.identity) for unit in plan}
    last = max(unit.settings["epoch"] for unit in plan.stages["activations"])
    record = SweepRecord(
        tables=load_tables(folder),
        folder=folder,
        identity=report.identity,
        created_ms=results[report].manifest["created_ms"],
        data_set=plan.config.data.source,
        environment=environment(),
        git_commit=git_commit(),
        law_digests={
            name.removeprefix("law "): results[unit].manifest["files"]["law.parquet"]["sha256"]
            for name, unit in bounds.inputs.items()
            if name.startswith("law ")
        },
        checkpoints={
            f"{unit.label.replace('/', '_')}_{checkpoint_name(last)}": results[unit].file(checkpoint_name(last))
            for unit in plan.stages["training"]
            if unit in bounds.inputs.values()
        },
        references=_references(plan, results),
    )
    return sync(record, store.workspace, os.environ.get("MLFLOW_TRACKING_URI"), check=check)


def _references(plan: Plan, results: dict) -> list[dict[str, object]]:
    """Every stored file of the reference law's data, of the networks and of the activations: by name, not copied."""
    chosen = [*plan.stages["data"], *plan.stages["training"], *plan.stages["activations"]]
    return [
        {"path": f"store/{unit.stage}/{unit.identity}/{name}", "label": unit.label, **entry}
        for unit in chosen
        if (results[unit].folder / "manifest.json").exists()
        for name, entry in results[unit].manifest["files"].items()
    ]


def environment() -> dict[str, object]:
    """Python, machine and package versions of this process."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def git_commit() -> str | None:
    """The commit of the code, where it runs from a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
