"""One private Prefect server for each workspace, alive exactly as long as somebody needs it.

Kernel locks hold the truth; there are no pid files to go stale:

    server.lease   shared, by every client          somebody needs the server
    server.start   exclusive, for milliseconds      only one client launches it
    server.alive   exclusive, by the server         it lives (handed over, locked, by the client that launched it)

A server that sees nobody on the lease keeps it for itself and ends, so a newcomer waits those few moments and starts a
fresh one instead of attaching to a dying one. Imports neither Prefect nor Ray: a client spawns the server first, does
its own slow imports meanwhile, and waits last.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tasks.environment import own_prefect, prefect_address
from tasks.local_server import LocalServer, ask, inherited, listen
from tasks.store.locks import Lock
from tasks.urls import sqlite_url

PRIVATE_S = 120.0  # a server of our own has to start, on a loaded machine too
FOREIGN_S = 10.0  # one that is named has only to answer
CLOSE_S = 10.0  # for its own way out; then it is killed

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
# What a client may still choose for itself in its environment.
CLIENT_DEFAULTS = {
    # The terminal belongs to our own console. PREFECT_LOGGING_LEVEL would empty the Logs tab of the UI as well.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ibshift",
}


class PrivateServer(LocalServer):
    """The Prefect server of one workspace, seen from a client that needs it.

    A `PREFECT_API_URL` in the environment wins: then nothing is started, and `wait` asks that server for its health.
    """

    name = "Prefect"

    def __init__(self, root: Path):
        """Args: root: the folder for locks, log and database, as `<workspace>/prefect`.

        Raises:
            WrongEnvironment: PREFECT_API_URL is no address.
        """
        root = root.resolve()
        super().__init__(root, _last_server(root).get("port", 0))
        self._named = prefect_address()
        # Runs served from this workspace inherit its private address: they are clients like any other.
        self.private = self._named in ("", f"{super().url}/api")
        self._lease = Lock(root / "server.lease", lasting=True)

    @property
    def api_url(self) -> str:
        return f"{super().url}/api" if self.private else self._named

    @property
    def url(self) -> str:
        return self.api_url.removesuffix("/api")

    def run_page(self, flow_run_id: object) -> str:
        """Address of the page of one run."""
        return f"{self.url}/runs/flow-run/{flow_run_id}"

    def answers(self) -> bool:
        return bool(ask(f"{self.api_url}/health", ours=self.private))

    def alive(self) -> bool:
        """Whether a server process holds `server.alive`; one that is named is not ours to judge."""
        if not self.private:
            return True
        if self.process is not None:
            self.process.poll()  # collects the child once it has ended
        alive = self._lock("alive")
        try:
            return not alive.acquire()
        finally:
            alive.release()

    def advice(self) -> str:
        return super().advice() if self.private else "PREFECT_API_URL asks for that server"

    def start(self) -> Self:
        """Spawn the server, or attach to the one that is there, and return without waiting for it to answer."""
        if self.private:
            self.root.mkdir(parents=True, exist_ok=True)
            self._lease.acquire(shared=True, wait=True)
            self._launch_unless_alive()
            self.port = _last_server(self.root).get("port", 0)
        return self

    def wait(
        self,
        timeout: float | None = None,
        check: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> Self:
        return super().wait(timeout or (PRIVATE_S if self.private else FOREIGN_S), check, say)

    def revive(self) -> None:
        """Start the server again if it died, on the same port and database: clients that retry never notice."""
        if self._lease.fd is not None and not self.alive():
            self._launch_unless_alive()

    def close(self) -> None:
        """Release the server; the last client ends it and returns when it is gone."""
        # Alone on the lease? Then newcomers queue behind this lock until the old server is gone.
        pid = _last_server(self.root).get("pid")
        if pid is not None and self._lease.fd is not None and self._lease.acquire() and self.alive():
            # Its own way out takes seconds on a loaded machine; SQLite's journal makes a kill of its group as good.
            for send, number in ((os.kill, signal.SIGTERM), (os.killpg, signal.SIGKILL)):
                with contextlib.suppress(ProcessLookupError):
                    send(pid, number)
                deadline = time.monotonic() + CLOSE_S
                while (alive := self.alive()) and time.monotonic() < deadline:
                    time.sleep(0.02)
                if not alive:
                    break
        self._lease.release()

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

    def _lock(self, name: str) -> Lock:
        return Lock(self.root / f"server.{name}", lasting=True)

    def _launch_unless_alive(self) -> None:
        gate, alive = self._lock("start"), self._lock("alive")
        try:
            if gate.acquire(wait=True) and alive.acquire() and alive.fd is not None:
                self._launch(alive.fd)
        finally:
            alive.release()
            gate.release()

    def _launch(self, alive: int) -> None:
        """Spawn the server with a bound socket and the locked `server.alive`."""
        # The last port if it is free, so that open pages and bookmarks stay good.
        with listen(_last_server(self.root).get("port", 0), or_any=True) as listener:
            port = listener.getsockname()[1]
            # Ctrl-C in the terminal must not reach the server: the final states are still to be reported.
            self.spawn(
                ("flows.serving.prefect_process", str(self.root), str(listener.fileno()), str(alive)),
                _server_environment(self.root, port),
                pass_fds=(listener.fileno(), alive),
                start_new_session=True,
            )
        assert self.process is not None
        state = self.root / "server.json.tmp"
        state.write_text(json.dumps({"port": port, "pid": self.process.pid}))
        state.replace(self.root / "server.json")


def _last_server(root: Path) -> dict[str, int]:
    """Port and process of the last server; neither where the file is missing or damaged."""
    try:
        state = json.loads((root / "server.json").read_bytes())
        whole = (
            type(state["pid"]) is type(state["port"]) is int and 1 < state["pid"] < 2**31 and 0 < state["port"] < 2**16
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return state if whole else {}


def _home(root: Path) -> dict[str, str]:
    """Prefect's own files stay in the workspace; the home directory may be read-only."""
    return {"PREFECT_HOME": str(root), "PREFECT_PROFILES_PATH": str(root / "profiles.toml")}


def _server_environment(root: Path, port: int) -> dict[str, str]:
    """The server's environment: the caller's without its Prefect settings, which belong to some other server."""
    pages = f"http://127.0.0.1:{port}"
    return inherited("PREFECT_") | {
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
