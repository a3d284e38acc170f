"""Many units over many workers: a bounded window of Ray tasks, retries by kind of failure, and a way to stop.

With `workers=0` the units run in this process, one after the other: the same results without Ray.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.engine.make import Ended, make, record_failure
from tasks.engine.progress import Stop
from tasks.engine.ray_start import Cluster, PoolDied, first_line
from tasks.engine.recipe import Recipe
from tasks.store.locks import Busy
from tasks.store.store import Store

ATTEMPTS = 4  # a worker that dies (killed, out of memory) is tried this often, a unit that raises only once
# Ray holds a signal's exception back until a wait is over.
WAIT_S = 0.2
# Nobody at work for so long: workers of our own do not start; those of a cluster may be busy with other people's work.
# The second time longer, since a loaded machine may need that only to import what a worker needs.
IDLE_S = (60, 180)
IDLE_CLUSTER_S = 3600
SAY_EVERY_S = 20
LOOK_AFTER_S = 10


class _NobodyWorks(Exception):
    """Recipes are handed out, and no process holds the lock of any."""


class Pool:
    """Workers for units. Started when first needed, or early with `start`, so that it overlaps other start-up costs.

    Args:
        workspace: folder of the store, reachable by every worker.
        workers: processes at once; 0 for none.
        gpus: fraction of a GPU that each unit which computes on one asks for.
        address: Ray cluster to join ("auto", "ray://..."); None starts one on this machine for this run.

    Attributes:
        say: tells people what is waited for.
    """

    def __init__(self, workspace: Path, workers: int, gpus: float = 0.0, address: str | None = None) -> None:
        self.workspace, self.workers, self.gpus = workspace, workers, gpus
        self.say: Callable[[str], None] = lambda text: None
        self._cluster = Cluster(workspace, workers, address)
        self._make: Any = None
        self._pending: deque[tuple[Recipe, int]] = deque()  # a unit, and which attempt at it comes next
        self._running: dict[Any, tuple[Recipe, int]] = {}
        self._restarted = False

    def start(self, check: Callable[[], None] = lambda: None) -> None:
        """Start Ray, unless units run in this process or it is started already; `check` may raise to stop.

        Raises:
            PoolDied: it did not start, twice.
            WrongEnvironment: no folder will do for its sockets.
        """
        if self.workers == 0 or self._cluster.up:
            return
        self._cluster.say = self.say
        self._cluster.start(check)
        import ray

        self._make = ray.remote(num_cpus=1, max_retries=0, max_calls=0)(make)
        if self.gpus and not self._cluster.address and not self._cluster.fits(self.gpus):
            # Nobody will join a Ray of our own: units find no card, and say so.
            self.say(f"no card here for resources.gpus={self.gpus:g}: cells are made on the CPU")
            self.gpus = 0.0

    def close(self) -> None:
        """Stop Ray and its workers; one that is still starting ends with this process."""
        self._cluster.close()

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
        """Work, and once more on a fresh Ray where the first one dies."""
        from ray.exceptions import LocalRayletDiedError, RaySystemError

        self._pending = deque((unit, 1) for unit in units)
        self._restarted = False
        while self._pending or self._running:
            try:
                yield from self._work(stop)
            except (RaySystemError, LocalRayletDiedError, _NobodyWorks) as error:
                if self._restarted:
                    raise PoolDied("Ray died twice; finished work is kept, the same command goes on") from error
                self._restarted = True
                self.say(f"Ray died ({first_line(error)}): starting it once more")
                self._pending.extend(self._running.values())
                self._running.clear()
                self.close()
                self.start(stop.check)

    def _work(self, stop: Stop) -> Iterator[Ended]:
        """Keep a window of tasks with Ray until every unit has ended."""
        import ray

        last_news, said = time.monotonic(), 0.0
        while self._pending or self._running:
            stop.check()
            while self._pending and len(self._running) < 2 * self._cluster.slots():
                unit, attempt = self._pending.popleft()
                asked = self._make.options(num_gpus=self.gpus if unit.on_card else 0)
                self._running[asked.remote(unit, str(self.workspace))] = (unit, attempt)
            done, _ = ray.wait(list(self._running), num_returns=1, timeout=WAIT_S)
            now = time.monotonic()
            if not done and (idle := now - last_news) > LOOK_AFTER_S:
                if self._goes_on(idle):
                    last_news = now
                elif now - said > SAY_EVERY_S:
                    said = now
                    self.say(f"waiting for workers of Ray to begin, for {idle:.0f} s")
            for reference in done:
                last_news, result = now, _result(reference)
                if ended := self._verdict(*self._running.pop(reference), result, stop):
                    yield ended

    def _goes_on(self, idle: float) -> bool:
        """Whether somebody works, though nothing has ended for so many seconds.

        Raises:
            PoolDied: nobody ever will, for want of a place.
            _NobodyWorks: it has been too long.
        """
        if self._at_work():
            return True
        if idle > IDLE_S[0] and not self._cluster.fits(self.gpus):
            raise PoolDied(
                f"no worker offers 1 CPU and {self.gpus} GPU: lower resources.gpus, or join a cluster that has them"
            )
        if idle > (IDLE_CLUSTER_S if self._cluster.address else IDLE_S[self._restarted]):
            raise _NobodyWorks(f"no worker began within {idle:.0f} s")
        return False

    def _verdict(self, unit: Recipe, attempt: int, result: Any, stop: Stop) -> Ended | None:
        """How a unit ended; None where it is still to be made, as its worker died or another process makes it."""
        if not isinstance(result, Ended):  # the worker died: a unit that raises comes back as an `Ended`
            if attempt < ATTEMPTS:
                self._pending.append((unit, attempt + 1))
                return None
            message = f"its worker died {attempt} times ({type(result).__name__}): too large for memory?"
            record_failure(Store(self.workspace), unit, message, str(result))
            result = Ended(unit.label, unit.identity, "failed", message=message)
        if result.state == "busy":
            self._pending.append((unit, attempt))
            stop.event.wait(0.1)
            return None
        result.attempts = attempt
        return result

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
