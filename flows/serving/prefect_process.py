"""The process of a workspace's Prefect server: it ends once nobody holds the lease, and its database comes at once.

Run as `python -m flows.serving.prefect_process <root> <bound socket> <locked server.alive>`.
"""

import asyncio
import contextlib
import importlib.metadata
import os
import shutil
import signal
import socket
import sqlite3
import sys
import threading
import time
from pathlib import Path

from tasks.store.locks import Lock

LINGER_S = 1.5  # how long the server outlives a last client that was killed; one that closes takes the server with it


def _watch_lease(root: Path) -> None:
    """End this server once nobody has held the lease for LINGER_S."""
    lease = Lock(root / "server.lease", lasting=True)
    free_since: float | None = None
    while free_since is None or time.monotonic() - free_since < LINGER_S:
        time.sleep(0.25)
        if lease.acquire():
            lease.release()
            free_since = free_since or time.monotonic()
        else:
            free_since = None
    lease.acquire(wait=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(0)


def _template() -> Path:
    """An empty database of this Prefect version, in the user's cache: migrations take 5.5 s, a copy nothing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "ibshift" / f"prefect-{importlib.metadata.version('prefect')}.db"


def _copy_template(database: Path) -> bool:
    """Start a new workspace from the template, if there is a sound one."""
    fresh = database.with_suffix(".tmp")
    try:
        shutil.copyfile(_template(), fresh)
        with contextlib.closing(sqlite3.connect(fresh)) as copy:
            if copy.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return False
        fresh.replace(database)
    except (OSError, sqlite3.Error):
        return False
    return True


def _make_template(database: Path) -> None:
    """Leave a copy of the freshly migrated, still empty database; a cache that cannot be written does not matter."""
    fresh = _template().with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError, sqlite3.Error), contextlib.closing(sqlite3.connect(database)) as source:
        fresh.parent.mkdir(parents=True, exist_ok=True)
        source.execute("VACUUM INTO ?", (str(fresh),))
        fresh.replace(_template())


async def _serve(root: Path, listener_fd: int) -> None:
    database = root / "prefect.db"
    migrate = not database.exists() and not _copy_template(database)

    import prefect
    import uvicorn
    from prefect.server.api.server import create_app

    # Of the two versions of its pages, one: the newer asks a host of analytics whatever the settings say, and draws the
    # artifacts of a run black on grey. Old addresses below /v2 lead to the same pages here.
    prefect.__ui_v2_static_path__ = root / "ui" / "not served"

    if migrate:
        from prefect.server.database import provide_database_interface

        await provide_database_interface().create_db()
        _make_template(database)
    config = uvicorn.Config(create_app(final=True), log_level="warning", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[socket.socket(fileno=listener_fd)])


def serve(root: Path, listener_fd: int, alive_fd: int) -> None:
    """Be the server: `alive_fd` stays open and locked until this process is gone."""
    os.set_inheritable(listener_fd, False)
    os.set_inheritable(alive_fd, False)
    threading.Thread(target=_watch_lease, args=(root,), daemon=True).start()
    asyncio.run(_serve(root, listener_fd))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
