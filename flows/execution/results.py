"""The folders of a sweep that people open: tables, figures and report, and which results they came from.

workspace/sweeps/szt/7491b5cd/    one folder for each choice of settings, `StudyConfig.variant`
workspace/sweeps/szt/latest       a link to the one that was finished last
"""

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field

from flows.execution.provenance import provenance
from flows.settings.settings import StudyConfig
from tasks.engine.recipe import Recipe
from tasks.page.gallery import gallery_page
from tasks.page.provenance import Provenance, filled
from tasks.store.locks import Busy
from tasks.store.store import IDENTITY, Result, Store, copy_file, matches, write_text

LATEST = "latest"


def results_folder(workspace: Path, config: StudyConfig) -> Path:
    """Where people find the tables, figures and report of a sweep with these settings."""
    return workspace / "sweeps" / config.name / config.variant


def publish(store: Store, config: StudyConfig, units: Iterable[Recipe]) -> None:
    """Make the folder of these settings hold the files of these units and no others, each copied in one atomic step.

    Raises:
        Damaged: a file does not match its manifest.
    """
    folder = results_folder(store.workspace, config)
    sources = [Result(store, unit.stage, unit.identity) for unit in units]
    wanted = {name for source in sources for name in source.manifest["files"]} | {"plan.json", "results.json"}
    identities = {source.stage: source.identity for source in sources}
    with _alone(store, config.name):
        before = published(store, folder)
        if before and before.units == identities and before.provenance:
            made = before.provenance  # nothing was made since: it was that code, on that machine
        else:
            finished = max(source.manifest["created_ms"] for source in sources) / 1000
            made = made_by(store, folder, config.command, finished)
        for source in sources:
            for name, entry in source.manifest["files"].items():
                if name.endswith(".html"):
                    page = filled(source.file(name).read_text(encoding="utf-8"), made)
                    write_text(store.make_way(folder / name), page)
                elif not matches(folder / name, entry):
                    copy_file(source.file(name), store.make_way(folder / name))
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            if path.relative_to(folder).as_posix() not in wanted:
                path.unlink()  # a figure of earlier code, or half a file of a run that was killed
        note_published(store, folder, Published(units=identities, provenance=made))


def lead_to(store: Store, folder: Path) -> None:
    """Let the link `latest` beside a folder lead to it, in one step."""
    link, new = folder.with_name(LATEST), folder.with_name(f".{LATEST}")
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name)
    new.replace(link if link.is_symlink() else store.make_way(link))


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
    index = previous_index(store, config)
    for stage, units in planned.items():
        published, before = store.published(stage), index.get(stage, {})
        now = {label: name if name in published else before.get(label) for label, name in units.items()}
        index[stage] = {label: name for label, name in now.items() if name is not None}
    path = store.make_way(_last_plan(store, config))
    text = {
        "sweep": config.name,
        "time": round(time.time(), 3),
        "command": config.command,
        "config": config.model_dump(),
        "differs": config.differing(),
        "folder": config.folder,
        "lost": sorted(lost),
        "units": index,
    }
    with _alone(store, config.name):
        write_text(path, json.dumps(text, indent=1))


def previous_index(store: Store, config: StudyConfig) -> dict[str, dict[str, str]]:
    """Identities that stood for each stage and label after the last run with these settings; if there was none, after
    the last run of the sweep with any."""
    mine = _last_run(store, _last_plan(store, config))
    if mine is None:
        runs = [_last_run(store, path) for path in _plans(store.workspace, config.name)]
        mine = max((run for run in runs if run is not None), key=lambda run: run.time, default=LastRun())
    return mine.units


def lost_units(store: Store, config: StudyConfig) -> frozenset[str]:
    """Units that the last run with these settings left out of the tables because they failed."""
    last = _last_run(store, _last_plan(store, config))
    return frozenset(last.lost) if last else frozenset()


class Published(BaseModel):
    """What results.json says of the files beside it: identities by stage, and where they come from."""

    units: dict[str, str] = {}
    differs: dict[str, Any] = {}
    provenance: Provenance | None = None


def made_by(store: Store, folder: Path, command: str, seconds: float) -> Provenance:
    """What the pages of a folder say of where they come from, being complete at this time."""
    return provenance(command, seconds, os.path.relpath(gallery_page(store.workspace), folder))


def note_published(store: Store, folder: Path, what: Published) -> None:
    """Say what a folder holds now, and let `latest` lead to it."""
    write_text(store.make_way(folder / "results.json"), what.model_dump_json(indent=1))
    lead_to(store, folder)


def published(store: Store, folder: Path) -> Published | None:
    """What a folder of results holds; None where nothing was finished."""
    return store.note(folder / "results.json", Published)


class LastRun(BaseModel):
    """What plan.json says of the last run with some settings."""

    time: float = 0.0
    command: str = ""
    config: dict[str, Any] = {}
    differs: dict[str, Any] = {}
    folder: str | None = None
    lost: list[str] = []
    units: dict[str, dict[str, Annotated[str, Field(pattern=f"^{IDENTITY.pattern}$")]]] = {}


@dataclass(frozen=True)
class Variant:
    """A sweep with one choice of settings, as it was run last.

    Attributes:
        sweep: its name.
        folder: of its results; the last part of the path tells the variants of a sweep apart.
        latest: whether it was finished last among the variants of its sweep.
        last: when and how it was run.
    """

    sweep: str
    folder: Path
    latest: bool
    last: LastRun

    @property
    def name(self) -> str:
        """Eight hexadecimal digits."""
        return self.folder.name

    @property
    def report(self) -> Path | None:
        """Its report, if it was ever finished."""
        return page if (page := self.folder / "report.html").is_file() else None


def variants(store: Store) -> list[Variant]:
    """All sweeps that were run in the workspace with all their settings, by name and time."""
    found = []
    for path in _plans(store.workspace):
        if (last := _last_run(store, path)) and last.config:
            folder = path.parent
            link = folder.with_name(LATEST)
            latest = link.is_symlink() and link.readlink().name == folder.name
            found.append(Variant(folder.parent.name, folder, latest, last))
    return sorted(found, key=lambda each: (each.sweep, each.last.time))


def _last_run(store: Store, path: Path) -> LastRun | None:
    return store.note(path, LastRun)


def _last_plan(store: Store, config: StudyConfig) -> Path:
    return results_folder(store.workspace, config) / "plan.json"


def _plans(workspace: Path, sweep: str = "*") -> list[Path]:
    """What the last runs left of all variants of a sweep, or of all sweeps."""
    return sorted(path for path in (workspace / "sweeps").glob(f"{sweep}/*/plan.json") if path.parent.name != LATEST)
