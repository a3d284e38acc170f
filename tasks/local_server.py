"""A server on this machine's loopback: its port, its process, and the wait until it answers."""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
POLL_S = 0.1
SAY_EVERY_S = 5.0
STOP_S = 10.0
LOG_TAIL_LINES = 3


class ServerUnavailable(RuntimeError):
    """No server answers; the study itself can go on without one."""


def listen(port: int, or_any: bool = False) -> socket.socket:
    """A loopback socket on this port, or on any where that is taken.

    Raises:
        ServerUnavailable: it is taken. Its owner would answer in place of ours.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        if not or_any:
            listener.close()
            raise ServerUnavailable(f"port {port} is taken ({error.strerror}), try --port") from error
        listener.bind((HOST, 0))
    return listener


def ask(url: str, body: bytes | None = None, ours: bool = True) -> bytes:
    """What a server answers to a GET, or to a POST of JSON.

    Raises:
        OSError, http.client.HTTPException: nothing; or another service has taken the port.
    """
    # A proxy from the environment cannot reach this machine's loopback.
    handlers = [urllib.request.ProxyHandler({})] if ours else []
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {})
    with urllib.request.build_opener(*handlers).open(request, timeout=2) as answer:
        return answer.read()


class LocalServer(ABC):
    """A server by name, with its log in its folder. Who starts it says how it is asked, and how long it lives."""

    name: str

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root, self.port = root, port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the pages for people."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @abstractmethod
    def answers(self) -> bool:
        """Whether it is there and well; what `ask` raises means no."""

    def alive(self) -> bool:
        """Whether it may still come to answer."""
        return self.process is not None and self.process.poll() is None

    def advice(self) -> str:
        """Where to look when it never answers."""
        return f"see {self.log}"

    def spawn(self, command: Sequence[str], environment: dict[str, str], **options: Any) -> None:
        """Start it as `python -m ...`, with all that it prints in its log."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **options,
            )

    def wait(
        self,
        timeout: float = 60.0,
        check: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda text: None,
    ) -> Self:
        """Return once the server answers; `check` is called meanwhile and may raise to stop, `say` tells of the wait.

        Raises:
            ServerUnavailable: it ended, or did not answer in `timeout` seconds.
        """
        began = said = time.monotonic()
        while not self._well():
            now = time.monotonic()
            if not self.alive():
                raise ServerUnavailable(f"the {self.name} server ended while starting: {self._last_words()}")
            if now - began > timeout:
                unheard = f"no {self.name} server answers at {self.url} after {timeout:.0f} s"
                raise ServerUnavailable(f"{unheard} ({self.advice()})")
            if now - said > SAY_EVERY_S:
                said = now
                say(f"waiting for the {self.name} server at {self.url}: {now - began:.0f} of at most {timeout:.0f} s")
            check()
            time.sleep(POLL_S)
        return self

    def stop(self) -> None:
        """End the process that we started."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def _well(self) -> bool:
        try:
            return self.answers()
        except (OSError, http.client.HTTPException, ValueError):
            return False

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-LOG_TAIL_LINES:]) or f"{self.log} is empty"


def end_with_parent() -> None:
    """In the child, before its program starts: the kernel sends it SIGTERM when the parent dies, even of SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def inherited(*without: str) -> dict[str, str]:
    """The environment less the variables that begin so, which belong to some other server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(without)}
