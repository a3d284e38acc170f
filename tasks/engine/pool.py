"""Many units over many workers: a bounded window of Ray tasks, retries by kind of failure, and a way to stop.

With `workers=0` the units run in this process, one after the other: the same results without Ray.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.engine.make import Ended, make, record_failure
from tasks.engine.progress import Stop
from tasks.engine.recipe import Recipe
from tasks.environment import own_ray
from tasks.store.locks import Busy
from tasks.store.store import Store

ATTEMPTS = 4  # a worker that dies (killed, out of memory) is tried this often, a unit that raises only once
START_S = 60  # Ray itself gives up after 35, except where it never does
CLOSE_S = 10
# Nobody at work for so long: workers of our own do not start; those of a cluster may be busy with other people's work.
IDLE_S = 60
IDLE_CLUSTER_S = 3600
SAY_EVERY_S = 20
LOOK_AFTER_S = 10

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


class _NobodyWorks(Exception):
    """Recipes are handed out, and no process holds the lock of any."""


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
            self.error = _line(error)
        self.started.set()
        self.leave.wait()
        with suppress(Exception):
            ray.shutdown()


class Pool:
    """Workers for units. Started when first needed, or early with `start`, so that it overlaps other start-up costs.

    Args:
        workspace: folder of the store, reachable by every worker.
        workers: processes at once; 0 for none.
        gpus: fraction of a GPU that each unit asks for.
        address: Ray cluster to join ("auto", "ray://..."); None starts one on this machine for this run.

    Attributes:
        say: tells people what is waited for.
    """

    def __init__(self, workspace: Path, workers: int, gpus: float = 0.0, address: str | None = None) -> None:
        self.workspace, self.workers, self.gpus, self.address = workspace, workers, gpus, address
        self.say: Callable[[str], None] = lambda text: None
        self._ray: _Ray | None = None
        self._make: Any = None
        self._running: dict[Any, tuple[Recipe, int]] = {}

    def start(self, check: Callable[[], None] = lambda: None) -> None:
        """Start Ray, unless units run in this process or it is started already; `check` may raise to stop.

        Raises:
            PoolDied: it did not start, twice.
            WrongEnvironment: no folder will do for its sockets.
        """
        if self.workers == 0 or self._make is not None:
            return
        options = self._options()
        if error := self._begin(options, check):
            self.say(f"Ray did not start ({error}): trying once more")
            if error := self._begin(options, check):
                raise PoolDied(f"Ray did not start twice ({error}): --workers 0 goes without it")
        import ray

        self._make = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0, max_calls=0)(make)

    def _options(self) -> dict[str, Any]:
        """What `ray.init` is told, with the environment that Ray's processes inherit."""
        if self.address:
            os.environ.update(_environment(self.workspace))
            # A cluster's workers hear of it by a runtime environment; here they inherit it, which starts them sooner.
            return {"address": self.address, "runtime_env": {"env_vars": _ONE_THREAD}}
        folder = own_ray()
        os.environ.update(_environment(self.workspace) | _ONE_THREAD | _OWN)
        return {"num_cpus": self.workers, "include_dashboard": False, "_temp_dir": str(folder / "ray")}

    def _begin(self, options: dict[str, Any], check: Callable[[], None]) -> str:
        """Start Ray and wait for it; returns why it did not start, else nothing."""
        self._ray = _Ray(options)
        self._ray.start()
        began = said = time.monotonic()
        while not self._ray.started.wait(0.05):
            check()
            now = time.monotonic()
            if now - began > START_S:
                raise PoolHung(f"Ray did not start within {START_S} s, nor say why")
            if now - said > SAY_EVERY_S:
                said = now
                self.say(f"waiting for Ray to start, for {now - began:.0f} of at most {START_S} s")
        error = self._ray.error
        if error:
            self.close()
        return error

    def close(self) -> None:
        """Stop Ray and its workers; one that is still starting ends with this process."""
        self._make = None
        if self._ray is not None:
            self._ray.leave.set()
            if self._ray.started.is_set():
                self._ray.join(CLOSE_S)
            self._ray = None

    def map(self, units: Sequence[Recipe], stop: Stop) -> Iterator[Ended]:
        """Make the units and yield each as it ends, in any order; a unit that another process makes is waited for."""
        if self.workers == 0:
            yield from self._map_here(units, stop)
            return
        if not units:
            return
        self.start(stop.check)
        try:
            yield from self._map_ray(units, stop)
        finally:
            self._forget()

    def _map_here(self, units: Sequence[Recipe], stop: Stop) -> Iterator[Ended]:
        pending = deque(units)
        while pending:
            stop.check()
            unit = pending.popleft()
            ended = make(unit, str(self.workspace))
            if ended.state == "busy":
                pending.append(unit)
                stop.event.wait(0.2)
            else:
                yield ended

    def _map_ray(self, units: Sequence[Recipe], stop: Stop) -> Iterator[Ended]:
        import ray
        from ray.exceptions import LocalRayletDiedError, RayError, RaySystemError

        pending = deque((unit, 1) for unit in units)
        restarted, last_news, said = False, time.monotonic(), 0.0
        while pending or self._running:
            stop.check()
            try:
                while pending and len(self._running) < 2 * self._slots():
                    unit, attempt = pending.popleft()
                    self._running[self._make.remote(unit, str(self.workspace))] = (unit, attempt)
                # Ray holds a signal's exception back until this timeout, so it is short.
                done, _ = ray.wait(list(self._running), num_returns=1, timeout=0.2)
                results = {reference: _result(reference) for reference in done}
                if done:
                    last_news = time.monotonic()
                elif (idle := time.monotonic() - last_news) > LOOK_AFTER_S:
                    if self._at_work():
                        last_news = time.monotonic()
                    elif idle > IDLE_S and not self._fits():
                        raise PoolDied(
                            f"no worker offers 1 CPU and {self.gpus} GPU: lower resources.gpus, or join a cluster that"
                            " has them"
                        )
                    elif idle > (IDLE_CLUSTER_S if self.address else IDLE_S):
                        raise _NobodyWorks(f"no worker began within {idle:.0f} s")
                    elif time.monotonic() - said > SAY_EVERY_S:
                        said = time.monotonic()
                        self.say(f"waiting for workers of Ray to begin, for {idle:.0f} s")
            except (RaySystemError, LocalRayletDiedError, _NobodyWorks) as error:
                if restarted:
                    raise PoolDied("Ray died twice; finished work is kept, the same command goes on") from error
                restarted, last_news = True, time.monotonic()
                self.say(f"Ray died ({_line(error)}): starting it once more")
                pending.extend(self._running.values())
                self._running.clear()
                self.close()
                self.start(stop.check)
                continue
            for reference, ended in results.items():
                unit, attempt = self._running.pop(reference)
                if isinstance(ended, RayError):  # the worker died: a unit that raises comes back as an Ended
                    if attempt < ATTEMPTS:
                        pending.append((unit, attempt + 1))
                        continue
                    message = f"its worker died {attempt} times ({type(ended).__name__}): too large for memory?"
                    record_failure(Store(self.workspace), unit, message, str(ended))
                    ended = Ended(unit.label, unit.identity, "failed", message=message)
                if ended.state == "busy":
                    pending.append((unit, attempt))
                    stop.event.wait(0.1)
                    continue
                ended.attempts = attempt
                yield ended

    def _at_work(self) -> bool:
        """Whether a process, here or elsewhere, is making one of the units that were handed out."""
        store = Store(self.workspace)
        for unit, _ in self._running.values():
            try:
                with store.lock(unit.identity):
                    pass
            except Busy:
                return True
        return False

    def _forget(self) -> None:
        """Cancel what still runs when the caller leaves early; a killed worker's unit is made again next time."""
        import ray

        for reference in self._running:
            if ray.is_initialized():
                ray.cancel(reference, force=True)
        self._running = {}

    def _slots(self) -> int:
        if not self.address:
            return self.workers
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1)))

    def _fits(self) -> bool:
        import ray

        total = ray.cluster_resources()
        return total.get("CPU", 0) >= 1 and total.get("GPU", 0) >= self.gpus


def _result(reference: Any) -> Any:
    """How a unit ended, or the error by which its worker died."""
    import ray
    from ray.exceptions import LocalRayletDiedError, RayError

    try:
        return ray.get(reference)
    except LocalRayletDiedError:
        raise
    except RayError as error:
        return error


def _line(error: BaseException) -> str:
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
