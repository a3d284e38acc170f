"""MLflow's pages for a workspace: a server on this machine's loopback, for as long as its caller wants it."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tasks.environment import MLFLOW
from tasks.tracking.sync import TrackingError, default_uri, prepare_in_background


@dataclass(frozen=True)
class Pages:
    """A running server: its address, and the landing page of each study by name."""

    process: subprocess.Popen[bytes]
    url: str
    studies: dict[str, str]

    def stop(self) -> None:
        """End the server and its worker."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def serve_ui(workspace: Path, port: int = 5000, patience: float = 60.0) -> Pages:
    """Start MLflow's server on the workspace's database; its log goes to `workspace/mlflow/server.log`.

    Raises:
        TrackingError: the port is taken, or the server ended or does not answer within `patience` seconds.
    """
    # Another server that holds the port would answer in place of ours, with its own workspace.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TrackingError(f"no MLflow page: port {port} is taken ({error.strerror}), try --port") from error
    if creating := prepare_in_background(workspace):
        creating.wait(patience)
    log = workspace.resolve() / "mlflow" / "server.log"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *(
            "--backend-store-uri",
            default_uri(workspace),
            "--artifacts-destination",
            (log.parent / "artifacts").as_uri(),
        ),
    ]
    # Without background jobs the server starts in half the time and a quarter of the memory; the pages need none.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    environment = inherited | MLFLOW | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    pages = Pages(process, f"http://127.0.0.1:{port}", {})
    until = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < until:
        try:
            pages.studies.update(_studies(pages.url))
            return pages
        except (OSError, ValueError):
            time.sleep(0.2)
    pages.stop()
    raise TrackingError(f"MLflow's server did not start on port {port}: see {log}")


def _end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies, even by SIGKILL."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _studies(url: str) -> dict[str, str]:
    """Experiment name -> address of its page. The plain address of an experiment shows a page for language models."""
    query = {"max_results": 1000, "filter": "name LIKE 'ibshift/%'"}
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/experiments/search",
        data=json.dumps(query).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        found = json.load(answer).get("experiments", [])
    return {
        each["name"]: f"{url}/#/experiments/{each['experiment_id']}/runs?workflowType=machine_learning"
        for each in found
    }
