"""The folder of a sweep that people open: its tables, figures and report, and which results they came from."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from flows.settings.settings import StudyConfig
from tasks.engine.recipe import Recipe
from tasks.store.locks import Busy
from tasks.store.store import IDENTITY, Result, Store, copy_file, matches, write_text


def sweep_folder(workspace: Path, sweep: str) -> Path:
    """Where people find the tables, figures and report of a sweep."""
    return workspace / "sweeps" / sweep


def publish(store: Store, sweep: str, units: Iterable[Recipe]) -> None:
    """Make the folder of the sweep hold the files of these units and no others, each copied in one atomic step.

    Raises:
        Damaged: a file does not match its manifest.
    """
    folder = sweep_folder(store.workspace, sweep)
    sources = [Result(store, unit.stage, unit.identity) for unit in units]
    wanted = {name for source in sources for name in source.manifest["files"]} | {"plan.json", "results.json"}
    with _alone(store, sweep):
        for source in sources:
            for name, entry in source.manifest["files"].items():
                if not matches(folder / name, entry):
                    copy_file(source.file(name), store.make_way(folder / name))
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            if path.relative_to(folder).as_posix() not in wanted:
                path.unlink()  # a figure of earlier settings, or half a file of a run that was killed
        write_text(
            store.make_way(folder / "results.json"), json.dumps({source.stage: source.identity for source in sources})
        )


@contextmanager
def _alone(store: Store, sweep: str) -> Iterator[None]:
    """Two runs of one sweep may end together: one of them at a time writes to its folder."""
    while True:
        try:
            with store.lock(f"sweep-{sweep}"):
                yield
            return
        except Busy:
            time.sleep(0.05)


def write_index(store: Store, config: StudyConfig, planned: dict[str, dict[str, str]], lost: Iterable[str]) -> None:
    """Remember which result stands for each label, so that the next plan can say what changed.

    Args:
        planned: identity by stage and label; one that is not stored leaves the earlier one in its place.
        lost: units left out of the tables because they failed.
    """
    index = previous_index(store, config.name)
    for stage, units in planned.items():
        published, before = store.published(stage), index.get(stage, {})
        now = {label: name if name in published else before.get(label) for label, name in units.items()}
        index[stage] = {label: name for label, name in now.items() if name is not None}
    path = store.make_way(_last_plan(store, config.name))
    text = {
        "sweep": config.name,
        "config": config.model_dump(),
        "folder": config.folder,
        "lost": sorted(lost),
        "units": index,
    }
    with _alone(store, config.name):
        write_text(path, json.dumps(text, indent=1))


def previous_index(store: Store, sweep: str) -> dict[str, dict[str, str]]:
    """Identities that stood for each stage and label after the last run of this sweep."""
    return _last_run(store, sweep).units


def planned_settings(store: Store, sweep: str) -> tuple[dict[str, Any], Path | None]:
    """The settings of the last run of this sweep, empty if there was none, and the folder of their file."""
    last = _last_run(store, sweep)
    return last.config, None if last.folder is None else Path(last.folder)


def lost_units(store: Store, sweep: str) -> frozenset[str]:
    """Units that the last run left out of the tables because they failed."""
    return frozenset(_last_run(store, sweep).lost)


class LastRun(BaseModel):
    """What plan.json says of the last run of a sweep."""

    config: dict[str, Any] = {}
    folder: str | None = None
    lost: list[str] = []
    units: dict[str, dict[str, Annotated[str, Field(pattern=f"^{IDENTITY.pattern}$")]]] = {}


def _last_run(store: Store, sweep: str) -> LastRun:
    return store.note(_last_plan(store, sweep), LastRun) or LastRun()


def _last_plan(store: Store, sweep: str) -> Path:
    return sweep_folder(store.workspace, sweep) / "plan.json"
