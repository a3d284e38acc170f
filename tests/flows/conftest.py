"""A Prefect server seen from outside, through its HTTP interface only; and a finished tiny sweep."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from tiny import TINY, run_tiny

HERE = Path(__file__).parent


class Workspace:
    """A workspace, the processes that a test starts in it, and what its Prefect server says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.children: list[subprocess.Popen[str]] = []

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """Run a script of this folder in a session of its own."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        child = subprocess.Popen(
            [sys.executable, str(HERE / script), str(self.path), *arguments],
            env=environment | {"PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parents[1])))},  # the code beside us
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.children.append(child)
        return child

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST to the server's API."""
        port = json.loads((self.path / "prefect" / "server.json").read_text())["port"]
        data = json.dumps(body or {}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api{path}", data=data, headers=headers)
        for attempt in range(10):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read())
            except urllib.error.HTTPError as refused:  # its SQLite file was locked: Prefect's client asks again too
                if refused.code != 503 or attempt == 9:
                    raise
                time.sleep(0.5)

    def set_state(self, flow_run_id: str, kind: str, name: str) -> None:
        """What the buttons of the UI do."""
        self.call(f"/flow_runs/{flow_run_id}/set_state", {"state": {"type": kind, "name": name}, "force": True})

    def runs(self) -> dict[str, str]:
        """State names of the flow runs by id."""
        return {run["id"]: run["state_name"] for run in self.call("/flow_runs/filter")}

    def until(self, happened: Callable[[], Any], limit: float = 60) -> Any:
        """Wait for something to become true and return it."""
        deadline = time.monotonic() + limit
        while not (found := happened()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.1)
        return found

    def until_run(self, state: str, limit: float = 60) -> str:
        """Wait for a flow run in this state and return its id."""
        return self.until(lambda: [run for run, name in self.runs().items() if name == state], limit)[0]

    def file(self, name: str) -> Path:
        return self.path / name

    def ended(self, name: str = "runs.jsonl") -> list[dict[str, Any]]:
        """What the completed runs of the study wrote."""
        return (
            [json.loads(line) for line in self.file(name).read_text().splitlines()] if self.file(name).exists() else []
        )

    def processes(self) -> list[psutil.Process]:
        """Everything alive that belongs to the workspace."""
        mine = []
        for process in psutil.process_iter(["cmdline", "environ", "status"]):
            # Fired runs do not name the workspace, but their Prefect home lies in it.
            home = (process.info["environ"] or {}).get("PREFECT_HOME", "")
            here = any(str(self.path) in word for word in [home, *(process.info["cmdline"] or [])])
            if here and process.info["status"] != psutil.STATUS_ZOMBIE:
                mine.append(process)
        return mine

    def alone(self) -> bool:
        """Whether nothing of the workspace lives; what does is printed for the reader of a failed test."""
        for process in (left := self.processes()):
            with contextlib.suppress(psutil.Error):
                print(f"still there: {process.pid} {' '.join(process.cmdline())}")
        return not left


@pytest.fixture
def workspace(tmp_path):
    place = Workspace(tmp_path)
    yield place
    for child in place.children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    place.until(lambda: not place.processes(), limit=20)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory):
    """A folder with the tiny sweep's settings and its finished workspace; copy it before you change it.

    The first process that asks for it makes it for all that run files of tests side by side.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "tiny.yaml").exists():
            run_tiny(folder / "workspace")
            (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return folder


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of the finished tiny sweep."""
    shutil.copytree(finished_once, tmp_path / "finished", symlinks=True)
    return tmp_path / "finished"
