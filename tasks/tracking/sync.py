"""MLflow shows a sweep: a projection of what lies on disk, which can be thrown away and made again at any time.

The only file that imports mlflow, and only when needed: the import takes two seconds. One process writes at a time. A
run is found again by its tags and is closed last, so a closed run with the right `content` is whole and is left alone;
everything else is completed or made again. Times come from the results, so a replay writes equal points.
"""

import argparse
import hashlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.environment import DATABASES, for_mlflow
from tasks.store.locks import Busy, Lock
from tasks.tracking.landing import VIEWS, Listed, landing_page, shown_by, sweep_note, where_from
from tasks.tracking.record import RunRecord, Span, StudyRecord, sha256
from tasks.tracking.views import OURS, TAG, tag_of
from tasks.urls import sqlite_url

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CLOSED = ("FINISHED", "FAILED")
NOTE = "mlflow.note.content"
BATCH, PARAMS = 900, 100  # metric points and params in one request, of which MLflow takes 1000 and 100
# Larger files are logged by reference only: copying them would double the workspace.
LARGEST_COPY = 32 * 2**20
DIGEST = 8  # hexadecimal digits of a data set that are shown
LONGEST_NOTE = 8000  # characters of a run's tag


class TrackingError(Exception):
    """MLflow could not be brought up to date; the results on disk are whole."""


@dataclass(frozen=True)
class SyncResult:
    """What a sync did: runs written, runs found whole, runs of killed writers closed."""

    experiment_id: str
    written: int
    whole: int
    reaped: int
    seconds: float

    @property
    def page(self) -> str:
        """Address of the landing page, to put behind the server's."""
        return f"/#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"


def default_uri(workspace: Path) -> str:
    """The workspace's own SQLite store."""
    return sqlite_url(_database(workspace))


def sync(
    record: StudyRecord,
    workspace: Path,
    tracking_uri: str | None = None,
    patience: float = 60.0,
    check: Callable[[], None] = lambda: None,
) -> SyncResult:
    """Make MLflow show this study: one experiment, its runs, the study's own run with the files, views, a landing page.

    Args:
        record: the finished study.
        workspace: holds the lock, and the database and artifacts if there is no tracking server.
        tracking_uri: an MLflow server; the workspace's SQLite file if not given.
        patience: seconds to wait for another writer.
        check: called between two runs; may raise to stop, the next sync goes on.

    Raises:
        TrackingError: the server does not answer, the disk is full, another writer holds on: sync again later.
    """
    began = time.monotonic()
    runs = record.runs()
    for_mlflow(own=tracking_uri is None)
    with _one_writer(workspace, patience, check), _one_clear_error(tracking_uri or str(_database(workspace))):
        projection = _Projection(record, workspace, tracking_uri)
        written = projection.write_runs(runs, check)
        reaped = projection.close_abandoned()
    seconds = time.monotonic() - began
    return SyncResult(projection.experiment, written, len(runs) - written, reaped, seconds)


def prepare_in_background(workspace: Path, tracking_uri: str | None = None) -> subprocess.Popen[bytes] | None:
    """Create the workspace's database in another process while the sweep computes; None if it is there already."""
    if tracking_uri or _database(workspace).exists():
        return None
    command = ["nice", "-n", "10", sys.executable, "-P", "-m", "tasks.tracking.sync", str(workspace)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def prepare(workspace: Path, tracking_uri: str | None = None, patience: float = 60.0) -> None:
    """Create the workspace's database, which takes two to seven seconds, unless it is there; or ask a named server.

    Raises:
        TrackingError: it cannot be written, or does not answer.
    """
    for_mlflow(own=tracking_uri is None)
    with _one_writer(workspace, patience), _one_clear_error(tracking_uri or str(_database(workspace))):
        _open(workspace, tracking_uri).search_experiments(max_results=1)


class _Projection:
    """One sweep written through one client, by the one process that holds the lock."""

    def __init__(self, record: StudyRecord, workspace: Path, tracking_uri: str | None) -> None:
        self.record, self.client = record, _open(workspace, tracking_uri)
        # Of a workspace's own database one process is the writer at a time, wherever the workspace lies.
        host = f"{socket.gethostname()}:{workspace.resolve()}:" if tracking_uri else ""
        self.writer = hashlib.sha256(f"{host}{record.sweep}".encode()).hexdigest()[:12]
        # A tracking server decides for itself where artifacts go.
        served = tracking_uri is not None and not tracking_uri.startswith(DATABASES)
        artifact_root = None if served else _artifacts(workspace)
        name = f"ibshift/{record.sweep}"
        found = self.client.get_experiment_by_name(name)
        if found is None:
            self.experiment = self.client.create_experiment(name, artifact_location=artifact_root)
        else:
            self.experiment = found.experiment_id
            if found.lifecycle_stage == "deleted":
                self.client.restore_experiment(self.experiment)
        self.experiment_tags: dict[str, str] = found.tags if found else {}

    def write_runs(self, runs: list[RunRecord], check: Callable[[], None]) -> int:
        """Write what is missing or not whole; returns how many were written.

        The sweep's own run is made first, since all others lead to it, and closed last.
        """
        there: dict[str, list[Run]] = {}
        for found in self._search(f"tags.sweep = '{self.record.sweep_id}'"):
            there.setdefault(found.data.tags.get("key", ""), []).append(found)
        *others, own = runs
        own_run = self._choose(own, there.pop(own.key, []))
        own_id = own_run.info.run_id if own_run else self._create(own, sweep_note(self.record))
        first_line, written = where_from(self.record, self.experiment, own_id), 0
        for run in others:
            check()
            note = "\n\n".join(filter(None, [first_line, run.tags.get(NOTE)]))
            chosen = self._choose(run, there.pop(run.key, []))
            if chosen is None or chosen.info.status not in CLOSED:
                self._write(run, chosen.info.run_id if chosen else self._create(run, note))
                written += 1
            elif chosen.data.tags.get(NOTE) != note:  # which led to an own run that is no more
                self.client.set_tag(chosen.info.run_id, NOTE, note)
        if own_run is None or own_run.info.status not in CLOSED:
            self._write(own, own_id)
            written += 1
        for leftover in [each for runs_there in there.values() for each in runs_there]:
            self.client.delete_run(leftover.info.run_id)
        self._write_views(runs, own_id)
        return written

    def _choose(self, run: RunRecord, found: "list[Run]") -> "Run | None":
        """Of the runs under one key keep the first with the right content, if there is one, and delete the others."""
        keep = next((each for each in found if each.data.tags.get("content") == run.content), None)
        for each in found:
            if each is not keep:
                self.client.delete_run(each.info.run_id)
        return keep

    def _create(self, run: RunRecord, note: str) -> str:
        tags = self._tags(run) | {NOTE: note[:LONGEST_NOTE]}
        return self.client.create_run(self.experiment, self._span(run).began, tags, run.name).info.run_id

    def _span(self, run: RunRecord) -> Span:
        return run.span or Span(self.record.created_ms, self.record.created_ms)

    def _write(self, run: RunRecord, run_id: str) -> None:
        """Complete a run, and close it."""
        from mlflow.entities import Metric, Param

        params = [Param(name, value) for name, value in run.params.items()]
        points = [Metric(name, value, self.record.created_ms + step, step) for name, step, value in run.points]
        for k in range(max(-(-len(params) // PARAMS), -(-len(points) // BATCH))):
            some, more = points[k * BATCH : (k + 1) * BATCH], params[k * PARAMS : (k + 1) * PARAMS]
            self.client.log_batch(run_id, some, params=more)
        if inputs := [each for law in run.laws for each in self._data_set(law)]:
            self.client.log_inputs(run_id, datasets=inputs)
        if run.kind == "sweep":
            self._log_files(run_id)
        self.client.set_terminated(run_id, "FAILED" if run.failed else "FINISHED", self._span(run).ended)

    def _tags(self, run: RunRecord) -> dict[str, str]:
        commit = {"mlflow.source.git.commit": self.record.git_commit} if self.record.git_commit else {}
        return {
            **{"kind": run.kind, "sweep": self.record.sweep_id, "key": run.key, "content": run.content},
            **{"writer": self.writer, "mlflow.source.name": "ibshift", "mlflow.source.type": "LOCAL"},
            **commit,
            **run.tags,
        }

    def _data_set(self, law: str) -> list[Any]:
        """A law as MLflow's data set; none if the record knows none."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        known = self.record.data_set_of(law)
        if known is None:
            return []
        data_set = Dataset(
            name=known.name,
            digest=known.digest[:DIGEST],
            source_type="local",
            source=json.dumps({"uri": known.source}),
            profile=json.dumps(known.profile),
        )
        return [DatasetInput(data_set, [InputTag("mlflow.data.context", known.kind)])]

    def _log_files(self, run_id: str) -> None:
        """Report, figures, settings, plan, tables as CSV and checkpoints as artifacts; Parquet by reference."""
        references = [dict(reference) for reference in self.record.references]
        for name, path in self.record.files.items():
            references.append({"path": f"sweeps/{self.record.sweep}/{self.record.variant}/{name}", **_identify(path)})
            if path.suffix != ".parquet" and path.stat().st_size <= LARGEST_COPY:
                inside = "tables" if path.suffix == ".csv" else name.rpartition("/")[0] or None
                self.client.log_artifact(run_id, str(path), inside)
        with tempfile.TemporaryDirectory() as scratch:
            extra = {"plan": self.record.plan, "environment": self.record.environment, "references": references}
            for title, value in extra.items():
                path = Path(scratch, f"{title}.json")
                path.write_text(json.dumps(value, indent=1), encoding="utf-8")
                self.client.log_artifact(run_id, str(path))
            for label, checkpoint in self.record.checkpoints.items():
                path = Path(scratch, label)
                path.symlink_to(checkpoint.resolve())
                self.client.log_artifact(run_id, str(path), "checkpoints")

    def _write_views(self, runs: list[RunRecord], own_run: str) -> None:
        """Write this sweep's views, and the landing page of all sweeps of the experiment; set only tags that differ."""
        views = self.record.views({name for run in runs for name, _, _ in run.points})
        listed = []
        for run in self._search("tags.kind = 'sweep'"):
            if run.info.status not in CLOSED:
                continue  # what a killed writer left
            tags, mine = dict(run.data.tags), run.info.run_id == own_run
            if mine and tags.get(VIEWS) != shown_by(views):
                tags[VIEWS] = shown_by(views)
                self.client.set_tag(own_run, VIEWS, tags[VIEWS])
            listed.append(Listed.read(run.info.run_id, run.info.run_name, _minute(run.info.end_time), tags))
        listed.sort(key=lambda each: each.created, reverse=True)
        kept = {tag_of(digits) for each in listed for digits in each.digits}
        wanted = dict(view.tag() for view in views)
        wanted[NOTE] = landing_page(self.record, self.experiment, listed)
        for name, value in wanted.items():
            if self.experiment_tags.get(name) != value:
                self.client.set_experiment_tag(self.experiment, name, value)
        for name in self.experiment_tags:
            if name.startswith(TAG + OURS) and name not in kept:
                self.client.delete_experiment_tag(self.experiment, name)

    def close_abandoned(self) -> int:
        """Close what a killed writer of this sweep left RUNNING under an older identity."""
        abandoned = self._search(f"attributes.status = 'RUNNING' and tags.writer = '{self.writer}'")
        for run in abandoned:
            self.client.set_terminated(run.info.run_id, "KILLED")
        return len(abandoned)

    def _search(self, query: str) -> "list[Run]":
        found: list[Run] = []
        token = None
        while page := self.client.search_runs([self.experiment], query, max_results=1000, page_token=token):
            found += page
            if not (token := page.token):
                break
        return found


def _database(workspace: Path) -> Path:
    return workspace.resolve() / "mlflow" / "mlflow.db"


def _artifacts(workspace: Path) -> str:
    return (workspace.resolve() / "mlflow" / "artifacts").as_uri()


def _minute(ms: int | None) -> str:
    return datetime.fromtimestamp((ms or 0) / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def find_artifacts(workspace: Path) -> None:
    """Let the workspace's database say where its artifacts lie: the workspace may have been moved or copied."""
    here, database = _artifacts(workspace), _database(workspace)
    if not database.exists():
        return
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        known = "select distinct artifact_location from experiments where name like 'ibshift/%'"
        for (there,) in connection.execute(known).fetchall():
            if there != here and there.startswith("file:"):
                connection.execute(
                    "update runs set artifact_uri = ? || substr(artifact_uri, ?) where substr(artifact_uri, 1, ?) = ?",
                    (here, len(there) + 1, len(there) + 1, f"{there}/"),
                )
                connection.execute(
                    "update experiments set artifact_location = ? where artifact_location = ?", (here, there)
                )


def _open(workspace: Path, tracking_uri: str | None) -> "MlflowClient":
    """A client; the workspace's database is made under another name first, so that a kill leaves no half of it."""
    from mlflow import MlflowClient

    database = _database(workspace)
    if not tracking_uri and not database.exists():
        new = database.with_name("new.db")
        database.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        MlflowClient(sqlite_url(new)).search_experiments(max_results=1)
        new.replace(database)
    if not tracking_uri:
        find_artifacts(workspace)
    return MlflowClient(tracking_uri or default_uri(workspace))


@contextmanager
def _one_writer(workspace: Path, patience: float, check: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the workspace's lock on MLflow."""
    folder = workspace / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = Lock(folder / "mlflow.lock").wait(patience, check)
    except Busy:
        raise TrackingError(f"another process has been writing to MLflow for {patience:.0f} s") from None
    with lock:
        yield


@contextmanager
def _one_clear_error(place: str) -> Iterator[None]:
    """Turn what MLflow, its database and the disk can raise into one line without passwords."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, ImportError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0][:200]
        message = f"MLflow at {place} could not be brought up to date: {reason}"
        raise TrackingError(re.sub("//[^/@ ]*@", "//***@", message)) from error


def _identify(path: Path) -> dict[str, Any]:
    return {"sha256": sha256(path), "bytes": path.stat().st_size}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Create the MLflow database of a workspace.")
    parser.add_argument("workspace", type=Path)
    prepare(parser.parse_args().workspace)
