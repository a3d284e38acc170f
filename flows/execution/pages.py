"""Where people see a run: addresses of the pages that `ibshift ui` shows, or a server of the user's own."""

import shlex
from contextlib import suppress
from pathlib import Path

from tasks.environment import tracking_address
from tasks.local_server import HOST

MLFLOW_PORT = 5000


def mlflow_pages(workspace: Path) -> str | None:
    """Address of MLflow's pages: of the server that the user named, or where `ibshift ui` shows the workspace's own;
    None for a database that somebody else serves."""
    named = tracking_address()
    if named is None:
        return f"http://{HOST}:{mlflow_port(workspace)}"
    return named.rstrip("/") if named.startswith("http") else None


def mlflow_port(workspace: Path, chosen: int | None = None) -> int:
    """The port of `ibshift ui` for MLflow's pages: the one that is chosen, which is remembered, or the last one."""
    note = workspace / "mlflow" / "port"
    if chosen is not None:
        with suppress(OSError):  # a full disk: only the address that a run prints is then another
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(str(chosen))
        return chosen
    try:
        port = int(note.read_text())
    except (OSError, ValueError):
        return MLFLOW_PORT
    return port if 0 < port < 2**16 else MLFLOW_PORT


def ui_command(workspace: Path) -> str:
    """What somebody types in this folder to see the pages of a workspace."""
    here = workspace.resolve() == Path("workspace").resolve()
    return "ibshift ui" if here else f"ibshift ui -w {shlex.quote(str(workspace))}"
