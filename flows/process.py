"""A run as a process: the lock that proves it alive, and the signals that ask it to stop. Needs no Prefect."""

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Self

from tasks.progress import Stop


class RunLock:
    """Held by a living run under its id; the kernel drops it with the process, however that ends."""

    def __init__(self, workspace: Path, run_id: str) -> None:
        self.path = workspace / "locks" / f"run-{run_id}.lock"
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A holder unlinks the file before it lets go: a lock on an unlinked file would protect nothing.
            if self.path.stat().st_ino == os.fstat(fd).st_ino:
                self._fd = fd
                return True
        os.close(fd)
        return False

    def abandoned(self) -> bool:
        """Take the lock of a run that died here; False for a living one, and for one that this workspace never saw."""
        return self.path.exists() and self.acquire()

    def release(self) -> None:
        if self._fd is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        if self._fd is None and not self.acquire():
            raise RuntimeError(f"{self.path} is held: this run is already going on in another process")
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextlib.contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM ask to stop; a second one ends the process at once with 128 + its number.

    Enter it inside the flow's body: Prefect sets its own SIGTERM handler before that, whose exception Ray swallows.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.event.is_set():
            os._exit(128 + number)
        stop(signal.Signals(number).name)

    # Ctrl-C reaches a runner and its run alike. The runner answers with SIGTERM, and two signals would mean "at once".
    on_interrupt = signal.SIG_IGN if "PREFECT__FLOW_RUN_ID" in os.environ else on_signal
    wanted = {signal.SIGINT: on_interrupt, signal.SIGTERM: on_signal}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
