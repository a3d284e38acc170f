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


def mlflow_port(workspace: Path) -> int:
    """The port at which `ibshift ui` shows MLflow's pages unless it is told another: the last one."""
    try:
        port = int(_port_note(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return MLFLOW_PORT
    return port if 0 < port < 2**16 else MLFLOW_PORT


def remember_port(workspace: Path, port: int) -> None:
    """Let runs and the next `ibshift ui` know of a port."""
    with suppress(OSError):  # a full disk: only the address that a run prints is then another
        _port_note(workspace).write_text(str(port), encoding="utf-8")


def _port_note(workspace: Path) -> Path:
    return workspace / "mlflow" / "port"


def ui_command(workspace: Path) -> str:
    """What somebody types in this folder to see the pages of a workspace."""
    here = workspace.resolve() == Path("workspace").resolve()
    return "ibshift ui" if here else f"ibshift ui -w {shlex.quote(str(workspace))}"
