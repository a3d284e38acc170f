"""The command `ibshift` as a user runs it, in processes that tests can kill and account for."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

SWEEP = {
    "name": "small",
    "network": {"widths": [4, 3], "betas": [0.3], "seeds": [0, 1]},
    "training": {"epochs": 60, "checkpoints": 3, "learning_rate": 0.01, "batch_size": 512},
    "shifts": [
        {"family": "contamination", "sizes": [0.0, 0.2]},
        {"family": "hamming_tilt", "sizes": [0.3]},
        {"family": "gaussian_displacement", "sizes": [0.1]},
    ],
    "estimator": {"stored_passes": 4, "own_passes": 20, "target_stderr": 0.1, "max_draws": 8192},
    "worst_case": {"tv": [], "kl": []},
    "resources": {"workers": 2},
}
# What a login shell, a cluster or another program may have left; none of it may change a byte.
FOREIGN = {
    **{"RAY_ADDRESS": "auto", "RAY_TMPDIR": "/nowhere", "RAY_object_store_memory": "much", "RAY_AUTH_MODE": "never"},
    **{"PREFECT_PROFILES_PATH": "/nowhere", "PREFECT_HOME": "/proc/nowhere", "PREFECT_API_REQUEST_TIMEOUT": "soon"},
    **{"MLFLOW_REGISTRY_URI": "nonsense://", "MLFLOW_HTTP_REQUEST_TIMEOUT": "soon", "MLFLOW_EXPERIMENT_ID": "none"},
    **{"OMP_NUM_THREADS": "many", "NUMBA_NUM_THREADS": "-1", "NUMBA_DISABLE_JIT": "1", "TORCH_LOGS": "nonsense"},
    **{"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "gopher://proxy"},
    **{"MPLBACKEND": "nonsense", "WEB_CONCURRENCY": "two", "UVICORN_FD": "3", "OTEL_BSP_SCHEDULE_DELAY": "long"},
    **{"SSL_CERT_FILE": "/nowhere.pem", "PYTHONWARNINGS": "error", "HOME": "", "LC_ALL": "C", "TERM": "nonsense"},
}


def without_provenance(page: bytes) -> bytes:
    """A published page without what says when and where it was made."""
    return re.sub(rb"<header>.*?</header>|<footer>.*?</footer>", b"", page, flags=re.DOTALL)


class Commands:
    """Runs `ibshift` on one workspace; every process it leaves can be found again by a mark in its environment."""

    def __init__(self, folder: Path, foreign: dict[str, str] | None = None) -> None:
        self.foreign = foreign or {}
        self.workspace = folder / "work space[/y]?a=b#c%41&ü"  # every fault is met on an awkward path
        self.sweep = folder / "small.yaml"
        self.sweep.write_text(yaml.safe_dump(SWEEP))
        self.mark = uuid.uuid4().hex

    def start(self, *options: str, **popen: Any) -> subprocess.Popen:
        command = [sys.executable, "-m", "flows", "run", str(self.sweep), "-w", str(self.workspace), *options]
        environment = os.environ | self.foreign | {"IBSHIFT_TEST_MARK": self.mark}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        # Under nohup SIGHUP is ignored, and what is ignored stays so in children.
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        try:
            return subprocess.Popen(command, env=environment, start_new_session=True, **streams | popen)
        finally:
            signal.signal(signal.SIGHUP, before)

    def run(self, *options: str, timeout: float = 240) -> str:
        process = self.start(*options)
        output = process.communicate(timeout=timeout)[0]
        assert process.returncode == 0, output
        return output

    def processes(self) -> list[psutil.Process]:
        """Every living process that descends from a command of ours."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("IBSHIFT_TEST_MARK") == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill_at_birth(self, title: str, seconds: float = 60) -> None:
        """Kill the first process of a command that bears this title, as soon as it does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for process in self.processes():
                with suppress(psutil.Error):
                    if process.cmdline()[:1] == [title]:
                        process.kill()
                        return
        raise TimeoutError(f"no process was ever called {title}")

    def wait_until_alone(self, seconds: float = 20) -> list[str]:
        """Command lines that still run after some seconds: none, if no process survives its run."""
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.2)
        return [" ".join(process.cmdline())[:200] for process in left]

    def wait_for(self, stage: str, count: int, seconds: float = 120) -> None:
        """Wait until so many results of a stage are published."""
        until = time.monotonic() + seconds
        folder = self.workspace / "store" / stage
        while time.monotonic() < until:
            if folder.is_dir() and len(list(folder.iterdir())) >= count:
                return
            time.sleep(0.02)
        raise TimeoutError(f"{stage} never had {count} results")

    def tables(self) -> dict[str, str]:
        """sha256 of every file that people read, but for where the settings lie."""
        folder = self.workspace / "sweeps" / "small" / "latest"
        where = str(self.sweep.parent.resolve()).encode()
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        contents = {path.relative_to(folder).as_posix(): path.read_bytes().replace(where, b"") for path in files}
        # They say when, how and where it was run.
        plan, results = (json.loads(contents[name]) for name in ("plan.json", "results.json"))
        contents["plan.json"] = json.dumps({**plan, "time": 0, "command": ""}).encode()
        contents["results.json"] = json.dumps(results["units"]).encode()
        contents["report.html"] = without_provenance(contents["report.html"])
        return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
