"""Ray's life for one run: started when needed, once more where that fails, asked what it offers, stopped."""

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tasks.environment import own_ray

# Ray itself gives up after 35, except where it never does. The second time longer: it may be the load of the machine.
START_S = (60, 180)
ENDED_S = 60  # until Ray's start says that its processes are gone
CLOSE_S = 10
SAY_EVERY_S = 20

# One thread per worker: two processes of one thread beat one of two, and MKL beside numba threads loses half.
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
}
# Without a cluster Ray's processes listen on loopback alone. The variable is named for the systems where that is the
# default; it also spares the connection to an outside address by which Ray finds its own.
_OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # A driver that waits for idle workers of its own waits for ever if one of them dies before it reports.
    "RAY_prestart_worker_first_driver": "0",
}


class PoolDied(Exception):
    """Ray itself went away twice; what was finished is stored."""


class PoolHung(PoolDied):
    """Ray neither starts nor gives up, and this process cannot start another beside it."""


class _Ray(threading.Thread):
    """Ray, started and stopped by one thread that lives as long as it.

    The kernel ends Ray's processes with the thread that started them, and the main thread stays free for signals, which
    Ray's own calls hold back.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(name="ray", daemon=True)
        self.options, self.error = options, ""
        self.started, self.leave = threading.Event(), threading.Event()

    def run(self) -> None:
        try:
            import ray

            logging.getLogger("ray").setLevel(logging.ERROR)
            ray.init(logging_level=logging.ERROR, log_to_driver=False, configure_logging=False, **self.options)
        except BaseException as error:
            self.error = first_line(error)
        self.started.set()
        self.leave.wait()
        with suppress(Exception):
            ray.shutdown()


class Cluster:
    """Ray on this machine for this run, or a cluster of other people's that is joined.

    Args:
        workspace: folder that keeps its token.
        workers: processes at once, where it is ours.
        address: of the cluster to join ("auto", "ray://..."); None for one of our own.

    Attributes:
        say: tells people what is waited for.
    """

    def __init__(self, workspace: Path, workers: int, address: str | None) -> None:
        self.workspace, self.workers, self.address = workspace, workers, address
        self.say: Callable[[str], None] = lambda text: None
        self.up = False
        self._ray: _Ray | None = None

    def start(self, check: Callable[[], None]) -> None:
        """Start it, unless it is up; `check` may raise to stop.

        Raises:
            PoolDied: it did not start, twice.
            WrongEnvironment: no folder will do for its sockets.
        """
        if self.up:
            return
        options = self._options()
        first, second = START_S
        if error := self._begin(options, check, first):
            self.say(f"Ray did not start ({error}): trying once more")
            if error := self._begin(options, check, second):
                raise PoolDied(f"Ray did not start twice ({error}): --workers 0 goes without it")
        self.up = True

    def close(self) -> None:
        """Stop Ray and its workers; one that is still starting ends with this process."""
        self.up = False
        if self._ray is not None:
            self._ray.leave.set()
            if self._ray.started.is_set():
                self._ray.join(CLOSE_S)
            self._ray = None

    def slots(self) -> int:
        """How many units it can make at once."""
        return max(1, int(self._offers("CPU", 1))) if self.address else self.workers

    def fits(self, gpus: float) -> bool:
        """Whether it will ever have a place for one unit."""
        return self._offers("CPU") >= 1 and self._offers("GPU") >= gpus

    def _offers(self, resource: str, else_: float = 0.0) -> float:
        import ray

        return ray.cluster_resources().get(resource, else_)

    def _options(self) -> dict[str, Any]:
        """What `ray.init` is told, with the environment that Ray's processes inherit."""
        if self.address:
            os.environ.update(_environment(self.workspace))
            # A cluster's workers hear of it by a runtime environment; here they inherit it, which starts them sooner.
            return {"address": self.address, "runtime_env": {"env_vars": _ONE_THREAD}}
        folder = own_ray()
        os.environ.update(_environment(self.workspace) | _ONE_THREAD | _OWN)
        return {"num_cpus": self.workers, "include_dashboard": False, "_temp_dir": str(folder / "ray")}

    def _begin(self, options: dict[str, Any], check: Callable[[], None], patience: float) -> str:
        """Start Ray and wait for it; returns why it did not start, else nothing."""
        self._ray = _Ray(options)
        self._ray.start()
        if not self._wait(self._ray, check, patience):
            # A start that hangs ends with an error once its processes are gone, and then another can be made.
            end_processes()
            if not self._wait(self._ray, check, ENDED_S):
                raise PoolHung(f"Ray did not start within {patience + ENDED_S:.0f} s, nor say why")
            self._ray.error = f"not within {patience:.0f} s"
        error = self._ray.error
        if error:
            self.close()
        return error

    def _wait(self, ray: "_Ray", check: Callable[[], None], patience: float) -> bool:
        """Whether its start ends within so many seconds, well or not."""
        began = said = time.monotonic()
        while not ray.started.wait(0.05):
            take_signals_back()
            check()
            now = time.monotonic()
            if now - began > patience:
                return False
            if now - said > SAY_EVERY_S:
                said = now
                self.say(f"waiting for Ray to start, for {now - began:.0f} of at most {patience:.0f} s")
        take_signals_back()
        return True


def end_processes() -> None:
    """Kill what this process has started of Ray, and nothing else."""
    import ray

    home = f"{Path(ray.__file__).parent}{os.sep}"
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(word.startswith((home, "ray::")) for word in child.cmdline()):
                child.kill()


def take_signals_back() -> None:
    """Let Python hear alone of what asks to stop: Ray puts a handler in front that prints the stack of this process."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may handle signals
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(number)
        if handler is not None:  # None: it was not set from Python
            signal.signal(number, handler)


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def _environment(workspace: Path) -> dict[str, str]:
    """Private, quiet Ray: token in the workspace (the home may be read-only), no usage statistics."""
    folder = workspace / "ray"
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "auth_token"
    if not token.exists():
        # Linked into place whole: two runs may start at once, and neither may read half a token.
        draft = folder / f".auth_token.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            token.hardlink_to(draft)
        draft.unlink()
    return {
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_DEDUP_LOGS": "0",
        "DO_NOT_TRACK": "1",
    }
