"""MLflow's pages for a workspace: a server on this machine's loopback, for as long as its caller wants it."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tasks.environment import MLFLOW
from tasks.local_server import HOST, LocalServer, ask, end_with_parent, inherited, listen
from tasks.tracking.sync import default_uri, find_artifacts, prepare_in_background


class Pages(LocalServer):
    """MLflow's server, and the landing page of each study by name."""

    name = "MLflow"

    def __init__(self, workspace: Path, port: int) -> None:
        super().__init__(workspace.resolve() / "mlflow", port)
        self.studies: dict[str, str] = {}

    def answers(self) -> bool:
        query = {"max_results": 1000, "filter": "name LIKE 'ibshift/%'"}
        answer = json.loads(ask(f"{self.url}/api/2.0/mlflow/experiments/search", json.dumps(query).encode()))
        # The plain address of an experiment shows a page for language models.
        self.studies = {
            each["name"]: f"{self.url}/#/experiments/{each['experiment_id']}/runs?workflowType=machine_learning"
            for each in answer.get("experiments", [])
        }
        return True


def serve_ui(
    workspace: Path, port: int = 5000, patience: float = 60.0, check: Callable[[], None] = lambda: None
) -> Pages:
    """Start MLflow's server on the workspace's database, and return once it answers; it ends with this process.

    Raises:
        ServerUnavailable: the port is taken, or the server ended or does not answer within `patience` seconds.
    """
    listen(port).close()
    if creating := prepare_in_background(workspace):
        creating.wait(patience)
    with suppress(sqlite3.Error):  # of a damaged database the server itself says what is wrong
        find_artifacts(workspace)
    pages = Pages(workspace, port)
    artifacts = (pages.root / "artifacts").as_uri()
    places = ("--backend-store-uri", default_uri(workspace), "--artifacts-destination", artifacts)
    pages.spawn(
        ("mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1", *places),
        # Without background jobs the server starts in half the time and a quarter of the memory; the pages need none.
        inherited("MLFLOW_") | MLFLOW | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        preexec_fn=end_with_parent,
    )
    try:
        return pages.wait(patience, check)
    except BaseException:
        pages.stop()
        raise
