"""One private Prefect server for each workspace, alive exactly as long as somebody needs it.

Kernel locks hold the truth, because the kernel drops them however a process dies; there are no pid files to go stale:

    server.lease   shared, by every client          somebody needs the server
    server.start   exclusive, for milliseconds      only one client launches it
    server.alive   exclusive, by the server         it lives (handed over, locked, by the client that launched it)

A server that sees nobody on the lease keeps it for itself and ends, so a newcomer waits those few moments and starts a
fresh one instead of attaching to a dying one. Imports neither Prefect nor Ray: a client spawns the server first, does
its own slow imports meanwhile, and waits last.
"""

import asyncio
import contextlib
import fcntl
import http.client
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tasks.environment import own_prefect, prefect_address
from tasks.urls import sqlite_url

LINGER_S = 1.5  # how long the server outlives a last client that was killed; one that closes takes the server with it
HEALTH_POLL_S = 0.1
PRIVATE_S = 60.0  # a server of our own has to start
FOREIGN_S = 10.0  # one that is named has only to answer
SAY_EVERY_S = 5.0
LOG_TAIL_LINES = 3

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
# What a client may still choose for itself in its environment.
CLIENT_DEFAULTS = {
    # The terminal belongs to our own console. PREFECT_LOGGING_LEVEL would empty the Logs tab of the UI as well.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ibshift",
}


class ServerUnavailable(RuntimeError):
    """No Prefect server answers; the study itself can go on without one."""


class PrivateServer:
    """The Prefect server of one workspace, seen from a client that needs it.

    A `PREFECT_API_URL` in the environment wins: then nothing is started, and `wait` asks that server for its health.
    """

    def __init__(self, root: Path):
        """Args: root: the folder for locks, log and database, as `<workspace>/prefect`.

        Raises:
            WrongEnvironment: PREFECT_API_URL is no address.
        """
        self.root = root.resolve()
        self.api_url = prefect_address()
        # Runs served from this workspace inherit its private address: they are clients like any other.
        self.private = self.api_url in ("", _api_url(_last_port(self.root)))
        self._lease: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the pages for people."""
        return self.api_url.removesuffix("/api")

    def start(self) -> Self:
        """Spawn the server, or attach to the one that is there, and return without waiting for it to answer."""
        if not self.private:
            return self
        self.root.mkdir(parents=True, exist_ok=True)
        self._lease = _open(self.root / "server.lease")
        fcntl.flock(self._lease, fcntl.LOCK_SH)
        with _opened(self.root / "server.start") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            with _opened(self.root / "server.alive") as alive:
                if _try_lock(alive):
                    self._launch(alive)
            self.api_url = _api_url(_last_port(self.root))
        return self

    def wait(
        self,
        timeout: float | None = None,
        check: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> Self:
        """Return once the server answers; `check` is called meanwhile and may raise to stop, `say` tells of the wait.

        Raises:
            ServerUnavailable: it ended, or did not answer in `timeout` seconds.
        """
        timeout = timeout or (PRIVATE_S if self.private else FOREIGN_S)
        began = said = time.monotonic()
        while not _healthy(self.api_url, self.private):
            now = time.monotonic()
            if self.private and not self._alive():
                raise ServerUnavailable(f"the Prefect server ended while starting: {self._last_words()}")
            if now - began > timeout:
                whose = f"see {self.root / 'server.log'}" if self.private else "PREFECT_API_URL asks for that server"
                raise ServerUnavailable(f"no Prefect server answers at {self.api_url} after {timeout:.0f} s ({whose})")
            if now - said > SAY_EVERY_S:
                said = now
                say(f"waiting for the Prefect server at {self.api_url}: {now - began:.0f} of at most {timeout:.0f} s")
            check()
            time.sleep(HEALTH_POLL_S)
        return self

    def revive(self) -> None:
        """Start the server again if it died, on the same port and database: clients that retry never notice."""
        if self.private and self._lease is not None and not self._alive():
            with _opened(self.root / "server.start") as gate:
                fcntl.flock(gate, fcntl.LOCK_EX)
                with _opened(self.root / "server.alive") as alive:
                    if _try_lock(alive):
                        self._launch(alive)

    def close(self) -> None:
        """Release the server; the last client ends it and returns when it is gone."""
        if self._lease is None:
            return
        # Alone on the lease? Then newcomers queue behind this lock until the old server is gone.
        if _try_lock(self._lease) and self._alive():
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(_read_state(self.root)["pid"], signal.SIGTERM)
            deadline = time.monotonic() + 5
            while self._alive() and time.monotonic() < deadline:
                time.sleep(0.02)
        os.close(self._lease)
        self._lease = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def client_environment(self) -> dict[str, str]:
        """What must be in `os.environ` before the first `import prefect`: later changes are ignored without a word."""
        chosen = {name: os.environ.get(name, value) for name, value in CLIENT_DEFAULTS.items()}
        forced = {"PREFECT_API_URL": self.api_url, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false", **QUIET}
        if self.private:
            forced |= _home(self.root)
        return chosen | forced

    def introduce(self) -> None:
        """Make this process a client: call it before the first `import prefect`."""
        wanted = self.client_environment()
        if self.private:
            own_prefect()
        os.environ.update(wanted)

    def _launch(self, alive: int) -> None:
        """Spawn the server with a bound socket and the locked `server.alive`."""
        with _listen(_last_port(self.root)) as listener, (self.root / "server.log").open("wb") as log:
            port = listener.getsockname()[1]
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "flows.serving.prefect_server",
                    str(self.root),
                    str(listener.fileno()),
                    str(alive),
                ],
                env=_server_environment(self.root, port),
                pass_fds=(listener.fileno(), alive),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal must not reach the server: the final states are still to be reported.
                start_new_session=True,
            )
        state = self.root / "server.json.tmp"
        state.write_text(json.dumps({"port": port, "pid": self._process.pid}))
        state.replace(self.root / "server.json")

    def _alive(self) -> bool:
        """Whether a server process holds `server.alive`."""
        if self._process is not None:
            self._process.poll()  # collects the child once it has ended
        with _opened(self.root / "server.alive") as alive:
            return not _try_lock(alive)

    def _last_words(self) -> str:
        lines = (self.root / "server.log").read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-LOG_TAIL_LINES:]) or f"{self.root / 'server.log'} is empty"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _opened(path: Path):
    fd = _open(path)
    try:
        yield fd
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    """Take the exclusive lock if nobody holds one."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_state(root: Path) -> dict[str, int]:
    """Port and process of the last server; neither where the file is missing or damaged."""
    try:
        state = json.loads((root / "server.json").read_bytes())
        whole = (
            type(state["pid"]) is type(state["port"]) is int and 1 < state["pid"] < 2**31 and 0 < state["port"] < 2**16
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return state if whole else {}


def _last_port(root: Path) -> int:
    return _read_state(root).get("port", 0)


def _api_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/api"


def _listen(port: int) -> socket.socket:
    """Bind a loopback socket: the last port if it is free, so that open pages and bookmarks stay good, else any."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.bind(("127.0.0.1", 0))
    return listener


def _healthy(api_url: str, private: bool) -> bool:
    # A proxy from the environment cannot reach this machine's loopback.
    handlers = [urllib.request.ProxyHandler({})] if private else []
    try:
        with urllib.request.build_opener(*handlers).open(f"{api_url}/health", timeout=2) as answer:
            return answer.status == 200
    except (OSError, http.client.HTTPException):  # another service may have taken the port
        return False


def _home(root: Path) -> dict[str, str]:
    """Prefect's own files stay in the workspace; the home directory may be read-only."""
    return {"PREFECT_HOME": str(root), "PREFECT_PROFILES_PATH": str(root / "profiles.toml")}


def _server_environment(root: Path, port: int) -> dict[str, str]:
    """The server's environment: the caller's without its Prefect settings, which belong to some other server."""
    pages = f"http://127.0.0.1:{port}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return inherited | {
        **_home(root),
        **QUIET,
        "PREFECT_API_DATABASE_CONNECTION_URL": sqlite_url(root / "prefect.db", "aiosqlite"),
        # The catalogue of block types, of which we use none, costs a new database 2 s.
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        # Leases kept in memory would be forgotten with the server, and a killed run then block its deployment for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",  # until a queued run asks again
        # The default lies inside site-packages, which may be read-only.
        "PREFECT_UI_STATIC_DIRECTORY": str(root / "ui"),
        "PREFECT_UI_API_URL": f"{pages}/api",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # Other web pages open in the same browser have no business here; the default admits them all.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{pages},http://localhost:{port}",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING",
    }


def _watch_lease(root: Path) -> None:
    """End this server once nobody has held the lease for LINGER_S."""
    with _opened(root / "server.lease") as lease:
        free_since: float | None = None
        while free_since is None or time.monotonic() - free_since < LINGER_S:
            time.sleep(0.25)
            if not _try_lock(lease):
                free_since = None
                continue
            fcntl.flock(lease, fcntl.LOCK_UN)
            free_since = free_since or time.monotonic()
        fcntl.flock(lease, fcntl.LOCK_EX)
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

    import uvicorn
    from prefect.server.api.server import create_app

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
