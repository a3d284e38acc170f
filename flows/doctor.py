"""What a run needs of a machine, checked one by one."""

import fcntl
import importlib.metadata
import os
import shutil
import socket
import sys
from pathlib import Path

from packaging.version import Version

from flows.config import ConfigError
from flows.launch import writable

FREE_BYTES = 2 * 10**9
# Newer ones install without a word and break Prefect's server or, silently, its schedules.
CEILINGS = {"fastapi": "0.151", "sqlalchemy": "2.1"}
NEEDED = ("torch", "numpy", "scipy", "numba", "pyarrow", "ray", "prefect", "mlflow")


def examine(workspace: Path) -> list[tuple[str, bool, str]]:
    """Checks as (name, good, found)."""
    rows = [("Python 3.11 or newer", sys.version_info >= (3, 11), sys.version.split()[0])]
    rows += [_package(name) for name in (*NEEDED, *CEILINGS)]
    rows += [_workspace(workspace), _loopback(), ("cores", True, str(os.cpu_count()))]
    return rows


def _package(name: str) -> tuple[str, bool, str]:
    ceiling = CEILINGS.get(name)
    wanted = f"{name} below {ceiling}" if ceiling else name
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return wanted, False, "not installed: pip install -c constraints.txt -e ."
    return wanted, ceiling is None or Version(version) < Version(ceiling), version


def _workspace(workspace: Path) -> tuple[str, bool, str]:
    """Writable, with room, on a file system whose locks work."""
    name = f"workspace {workspace}"
    try:
        folder = writable(workspace)
    except ConfigError as error:
        return name, False, str(error)
    free = shutil.disk_usage(folder).free
    probe = folder / f".probe.{os.getpid()}"
    try:
        with probe.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return name, False, f"file locks do not work here ({error.strerror}): choose a local disk"
    finally:
        probe.unlink(missing_ok=True)
    return name, free > FREE_BYTES, f"writable, {free / 1e9:.1f} GB free"


def _loopback() -> tuple[str, bool, str]:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            return "loopback", False, str(error)
    return "loopback", True, "a port can be opened on 127.0.0.1"
