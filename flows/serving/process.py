"""A run as a process: the lock that proves it alive, and the signals that ask it to stop. Needs no Prefect."""

import contextlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tasks.engine.progress import Stop
from tasks.store.locks import Lock

# Exit codes of a run by what ended it, see `Stop.why`.
EXIT = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143, "cancelled": 130}


def run_lock(workspace: Path, run_id: str) -> Lock:
    """Held by a living run under its id; the file of one that died lies there unlocked."""
    folder = workspace / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return Lock(folder / f"run-{run_id}.lock")


@contextlib.contextmanager
def beside(name: str, work: Callable[[threading.Event], None], patience: float | None = 0.0) -> Iterator[None]:
    """Within it a thread does this work, which ends soon once its event is set; `patience` seconds are left to it."""
    done = threading.Event()
    thread = threading.Thread(target=work, args=(done,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(patience)


@contextlib.contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP ask to stop. The process ends with 128 + its number, at once, when a second one comes,
    and when an orderly end takes longer than `stop.patience`.

    Enter it inside the flow's body: Prefect sets its own SIGTERM handler before that, whose exception Ray swallows.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.event.is_set():
            if number != signal.SIGHUP:  # a terminal that closes may send two
                _end(128 + number)
            return
        if number == signal.SIGHUP:
            _leave_terminal()
        stop(signal.Signals(number).name)
        threading.Thread(target=_end_in_time, args=(stop, number), daemon=True).start()

    # Ctrl-C reaches a runner and its run alike. The runner answers with SIGTERM, and two signals would mean "at once".
    on_interrupt = signal.SIG_IGN if "PREFECT__FLOW_RUN_ID" in os.environ else on_signal
    wanted: dict[signal.Signals, Any] = {signal.SIGINT: on_interrupt, signal.SIGTERM: on_signal}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup asks us to outlive the terminal
        wanted[signal.SIGHUP] = on_signal
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    stop.scopes += 1
    try:
        yield
    finally:
        stop.scopes -= 1
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _end_in_time(stop: Stop, number: int) -> None:
    """End the process once its patience is over; a thread can, where the main one waits for a library."""
    # The next signal is for the main thread: taken by this one, it would not interrupt what that waits for.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
    began = time.monotonic()
    while stop.scopes:
        time.sleep(0.05)
        if time.monotonic() - began > stop.patience:
            with contextlib.suppress(OSError):
                os.write(1, f"{stopped(stop.why)}\n".encode())
            _end(128 + number)


def _end(code: int) -> None:
    """End the process now; a bar may have hidden the cursor of its terminal."""
    with contextlib.suppress(OSError):
        if os.isatty(1):
            os.write(1, b"\x1b[?25h")
    os._exit(code)


def stopped(why: str) -> str:
    """What a run says last when it was asked to stop."""
    return f"stopped ({why}): finished work is kept, the same command goes on"


def _leave_terminal() -> None:
    """Nobody reads any more, and writing to a terminal that is gone would raise."""
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISCHR(os.fstat(stream).st_mode):  # isatty says no of a terminal that is gone
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)
