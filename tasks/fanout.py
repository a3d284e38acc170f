"""Many units over many workers: a bounded window of Ray tasks, retries by kind of failure, and a way to stop.

With `workers=0` the units run in this process, one after the other: the same results without Ray.
"""

import logging
import os
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tasks.progress import Stop, Stopped
from tasks.store import Store
from tasks.unit import Ended, Unit, make, record_failure

ATTEMPTS = 4  # a worker that dies (killed, out of memory) is tried this often, a unit that raises only once
STUCK_AFTER_S = 120  # with nothing running and nothing to wait for, resources asked for do not exist

# One thread per worker: two processes of one thread beat one of two, and MKL beside numba threads loses half.
_ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
}
# Without a cluster Ray's processes listen on loopback alone. The variable is named for the systems where that is the
# default; it also spares the connection to an outside address by which Ray finds its own.
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


class PoolDied(Exception):
    """Ray itself went away twice; what was finished is stored."""


class Pool:
    """Workers for units. Started when first needed, or early with `start`, so that it overlaps other start-up costs.

    Args:
        workspace: folder of the store, reachable by every worker.
        workers: processes at once; 0 for none.
        gpus: fraction of a GPU that each unit asks for.
        address: Ray cluster to join ("auto", "ray://..."); None starts one on this machine for this run.
    """

    def __init__(self, workspace: Path, workers: int, gpus: float = 0.0, address: str | None = None) -> None:
        self.workspace, self.workers, self.gpus, self.address = workspace, workers, gpus, address
        self._make: Any = None

    def start(self) -> None:
        """Start Ray, unless units run in this process or it is started already."""
        if self.workers == 0 or self._make is not None:
            return
        os.environ.update(_environment(self.workspace))
        if self.address is None:
            os.environ.update(_ONE_THREAD | _LOOPBACK)
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)
        if not ray.is_initialized():
            # A cluster's workers hear of it by a runtime environment; here they inherit it, which starts them sooner.
            local: dict[str, Any] = {"num_cpus": self.workers, "include_dashboard": False}
            remote: dict[str, Any] = {"address": self.address, "runtime_env": {"env_vars": _ONE_THREAD}}
            with _same_signals():
                ray.init(
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                    configure_logging=False,
                    **(remote if self.address else local),
                )
        self._make = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=0, max_calls=0)(make)

    def close(self) -> None:
        """Stop Ray and its workers."""
        if self._make is not None:
            import ray

            self._make = None
            ray.shutdown()

    def map(self, units: Sequence[Unit], stop: Stop) -> Iterator[Ended]:
        """Make the units and yield each as it ends, in any order; a unit that another process makes is waited for."""
        if self.workers == 0:
            yield from self._map_here(units, stop)
            return
        if not units:
            return
        self.start()
        try:
            yield from self._map_ray(units, stop)
        finally:
            self._forget()

    def _map_here(self, units: Sequence[Unit], stop: Stop) -> Iterator[Ended]:
        pending = deque(units)
        while pending:
            stop.check()
            unit = pending.popleft()
            ended = make(unit.job(), str(self.workspace))
            if ended.state == "busy":
                pending.append(unit)
                stop.event.wait(0.2)
            else:
                yield ended

    def _map_ray(self, units: Sequence[Unit], stop: Stop) -> Iterator[Ended]:
        import ray
        from ray.exceptions import LocalRayletDiedError, RayError, RaySystemError

        pending = deque((unit, 1) for unit in units)
        self._running: dict[Any, tuple[Unit, int]] = {}
        restarted, last_news = False, time.monotonic()
        while pending or self._running:
            stop.check()
            try:
                while pending and len(self._running) < 2 * self._slots():
                    unit, attempt = pending.popleft()
                    self._running[self._make.remote(unit.job(), str(self.workspace))] = (unit, attempt)
                # Ray holds a signal's exception back until this timeout, so it is short.
                done, _ = ray.wait(list(self._running), num_returns=1, timeout=0.2)
                results = {reference: _result(reference) for reference in done}
            except (RaySystemError, LocalRayletDiedError) as error:
                if restarted:
                    raise PoolDied("Ray died twice; finished work is kept, the same command goes on") from error
                restarted = True
                pending.extend(self._running.values())
                self._running.clear()
                self.close()
                self.start()
                continue
            if not done and time.monotonic() - last_news > STUCK_AFTER_S and not self._fits():
                raise PoolDied(
                    f"no worker offers 1 CPU and {self.gpus} GPU: lower resources.gpus, or join a cluster that has them"
                )
            for reference, ended in results.items():
                last_news = time.monotonic()
                unit, attempt = self._running.pop(reference)
                if isinstance(ended, RayError):  # the worker died: a unit that raises comes back as an Ended
                    if attempt < ATTEMPTS:
                        pending.append((unit, attempt + 1))
                        continue
                    message = f"its worker died {attempt} times ({type(ended).__name__}): too large for memory?"
                    record_failure(Store(self.workspace), unit.stage, unit.label, unit.identity, message, str(ended))
                    ended = Ended(unit.label, unit.identity, "failed", message=message)
                if ended.state == "busy":
                    pending.append((unit, attempt))
                    stop.event.wait(0.1)
                    continue
                ended.attempts = attempt
                yield ended

    def _forget(self) -> None:
        """Cancel what still runs when the caller leaves early; a killed worker's unit is made again next time."""
        import ray

        for reference in getattr(self, "_running", {}):
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


@contextmanager
def _same_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM: ray.init sets one that leaves with exit code 15."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        import ray

        ray.shutdown()
        raise Stopped("SIGTERM") from None
    finally:
        signal.signal(signal.SIGTERM, before)


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
