"""Ray at its start, and at work: what fails is tried again once, what hangs is given up, what is waited for is said.

A stand-in for Ray makes every ending come at once; the faults of the real one are in tests/faults.
"""

import itertools
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import pytest

from tasks.engine import pool as fanout
from tasks.engine import ray_start
from tasks.engine.make import Ended
from tasks.engine.pool import ATTEMPTS, Pool
from tasks.engine.progress import Stop, Stopped
from tasks.engine.ray_start import PoolDied, PoolHung
from tasks.store.store import Store


class FakeRay:
    """Stands for the thread that starts Ray: `errors` is what comes of each start, None where nothing ever does."""

    def __init__(self, *errors):
        self.errors, self.starts, self.joined = list(errors), 0, 0

    def __call__(self, options):
        self.started, self.leave = threading.Event(), threading.Event()
        return self

    def start(self):
        self.starts += 1
        self.error = self.errors.pop(0)
        if self.error is not None:
            self.started.set()

    def join(self, timeout):
        assert self.leave.is_set()
        self.joined += 1


class RayError(Exception):
    """A worker died."""


class RaySystemError(RayError):
    """Ray died."""


class LocalRayletDiedError(RayError):
    """Ray died, as told by one of its tasks."""


class RayModule(ModuleType):
    """Stands for `ray`: the n-th task (from 0) ends as `ends(n, unit)` says, with a result, an error, or None: never.

    An unlimited clock is shown to the pool: each wait for what never ends costs it a second.
    """

    def __init__(self, ends, offers):
        super().__init__("ray")
        self.ends, self.offers, self.count, self.seconds = ends, offers, itertools.count(), 0.0
        self.exceptions = ModuleType("ray.exceptions")
        for kind in (RayError, RaySystemError, LocalRayletDiedError):
            setattr(self.exceptions, kind.__name__, kind)
        self.handed_out, self.cancelled, self.shares = [], [], []

    def remote(self, **options):
        return lambda make: SimpleNamespace(options=self._asked)

    def _asked(self, num_gpus):
        self.shares.append(num_gpus)
        return SimpleNamespace(remote=self._submit)

    def _submit(self, unit, workspace):
        number = next(self.count)
        self.handed_out.append(unit.label)
        return (number, unit)

    def wait(self, references, num_returns, timeout):
        for reference in references:
            if (end := self.ends(*reference)) is not None:
                if isinstance(end, RaySystemError):
                    raise end
                return [reference], []
        self.seconds += 1
        return [], references

    def get(self, reference):
        end = self.ends(*reference)
        if isinstance(end, Exception):
            raise end
        return end

    def cancel(self, reference, force):
        self.cancelled.append(reference)

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return self.offers


class Unit(NamedTuple):
    label: str
    identity: str
    stage: str = "toy"

    @property
    def on_card(self):
        return self.label == "b"


def computed(unit):
    return Ended(unit.label, unit.identity, "computed")


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """Map three units over a pool whose Ray ends tasks as told; what came of it, that Ray and what was said."""

    def run(ends, offers=None, gpus=0.0, address=None, seen=lambda ended: None):
        units = [Unit(name, name * 24) for name in "abc"]
        ray, said, starts = RayModule(ends, offers or {"CPU": 1.0}), [], FakeRay(*[""] * 9)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setitem(sys.modules, "ray.exceptions", ray.exceptions)
        monkeypatch.setattr(ray_start, "_Ray", starts)
        monkeypatch.setattr(ray_start.os, "environ", {})
        monkeypatch.setattr(fanout, "time", SimpleNamespace(monotonic=lambda: ray.seconds))
        pool, found = Pool(tmp_path, 1, gpus, address), []
        pool.say = said.append
        try:
            for ended in pool.map(units, Stop()):
                found.append(ended)
                seen(ended)
        except PoolDied as error:
            found.append(error)
        return SimpleNamespace(found=found, ray=ray, said=said, starts=starts.starts, store=Store(tmp_path))

    return run


def test_all_units_end_and_no_more_than_a_window_is_handed_out(mapped):
    handed_out = []
    run = mapped(
        lambda number, unit: computed(unit), seen=lambda ended: handed_out.append(len(sys.modules["ray"].handed_out))
    )
    assert [ended.label for ended in run.found] == ["a", "b", "c"] and run.starts == 1
    assert handed_out == [2, 3, 3]  # two for one worker, so that it never waits


def test_where_nobody_works_ray_is_started_once_more_and_then_given_up(mapped):
    run = mapped(lambda number, unit: None)
    (error,) = run.found
    assert type(error) is PoolDied and "the same command goes on" in str(error) and run.starts == 2
    assert sum("starting it once more" in line for line in run.said) == 1
    assert any("waiting for workers of Ray to begin" in line for line in run.said)
    assert run.ray.handed_out == ["a", "b", "c", "a"]  # what was lost comes after what waited


def test_after_the_one_restart_everything_is_made(mapped):
    run = mapped(lambda number, unit: computed(unit) if number >= 2 else None)
    assert sorted(ended.label for ended in run.found) == ["a", "b", "c"] and run.starts == 2


def test_somebody_at_work_is_waited_for(mapped, tmp_path):
    """A unit's lock is held: whoever holds it works, for however long."""
    with Store(tmp_path).lock("a" * 24):
        run = mapped(lambda number, unit: computed(unit) if sys.modules["ray"].seconds > 500 else None)
    assert [ended.state for ended in run.found] == ["computed"] * 3 and run.starts == 1 and not run.said


def test_what_ends_is_news_from_which_idleness_counts_anew(mapped):
    run = mapped(lambda number, unit: computed(unit) if sys.modules["ray"].seconds > 50 * (number + 1) else None)
    assert len(run.found) == 3 and run.ray.seconds > 150 and run.starts == 1


@pytest.mark.parametrize("kind", [RaySystemError, LocalRayletDiedError])
def test_a_ray_that_dies_is_replaced_once(mapped, kind):
    run = mapped(lambda number, unit: kind("raylet gone\nand more") if number == 1 else computed(unit))
    assert sorted(ended.label for ended in run.found) == ["a", "b", "c"] and run.starts == 2
    assert run.said == ["Ray died (raylet gone): starting it once more"]
    again = mapped(lambda number, unit: kind("gone"))
    assert type(again.found[-1]) is PoolDied and again.starts == 2


def test_a_unit_whose_workers_die_is_tried_again_and_then_failed_and_recorded(mapped):
    tried = []

    def ends(number, unit):
        tried.append(number) if unit.label == "b" and number not in tried else None
        return RayError("killed") if unit.label == "b" else computed(unit)

    run = mapped(ends)
    states = {ended.label: ended for ended in run.found}
    assert {label: ended.state for label, ended in states.items()} == {"a": "computed", "b": "failed", "c": "computed"}
    assert len(tried) == ATTEMPTS and run.starts == 1
    assert f"its worker died {ATTEMPTS} times (RayError)" in states["b"].message
    (entry,) = run.store.journal()
    assert (entry["event"], entry["identity"]) == ("failed", "b" * 24)


def test_a_worker_that_dies_once_costs_an_attempt_and_no_more(mapped):
    run = mapped(lambda number, unit: RayError("killed") if number == 0 else computed(unit))
    assert {ended.label: ended.attempts for ended in run.found} == {"a": 2, "b": 1, "c": 1}


def test_resources_that_never_fit_are_one_line(mapped):
    run = mapped(lambda number, unit: None, offers={"CPU": 8.0, "GPU": 0.0}, gpus=0.5, address="auto")
    (error,) = run.found
    assert type(error) is PoolDied
    assert str(error).startswith("no worker offers 1 CPU and 0.5 GPU: lower resources.gpus")


@pytest.mark.parametrize(("cards", "shares"), [(1.0, [0, 0.5, 0]), (0.0, [0, 0, 0])])
def test_units_that_compute_on_a_card_ask_for_their_share_of_it_where_there_is_one(mapped, cards, shares):
    run = mapped(lambda number, unit: computed(unit), offers={"CPU": 8.0, "GPU": cards}, gpus=0.5)
    assert [ended.state for ended in run.found] == ["computed"] * 3 and run.ray.shares == shares
    expected = [] if cards else ["no card here for resources.gpus=0.5: cells are made on the CPU"]
    assert run.said == expected


def test_a_busy_cluster_is_given_an_hour(mapped):
    ours, theirs = (mapped(lambda number, unit: None, address=address) for address in (None, "auto"))
    assert ours.ray.seconds < 300 < 3600 < theirs.ray.seconds


def test_who_leaves_early_cancels_what_runs(mapped):
    def leave(ended):
        raise PoolDied("enough")

    assert mapped(lambda number, unit: computed(unit), seen=leave).ray.cancelled


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Start a pool whose Ray behaves as told; returns the pool, that Ray and what was said."""
    monkeypatch.setattr(ray_start.os, "environ", {})
    monkeypatch.setitem(sys.modules, "ray", RayModule(None, {}))

    def start(*errors, check=lambda: None):
        fake, said, pool = FakeRay(*errors), [], Pool(tmp_path, workers=1)
        pool.say = said.append
        monkeypatch.setattr(ray_start, "_Ray", fake)
        try:
            pool.start(check)
        except Exception as error:
            return error, fake, said
        return None, fake, said

    return start


def test_a_start_that_fails_is_tried_again_once(started):
    error, ray, said = started("its agent died", "")
    assert error is None and ray.starts == 2 and ray.joined == 1
    assert len(said) == 1 and "its agent died" in said[0]
    error, ray, said = started("its agent died", "and again")
    assert type(error) is PoolDied and "and again" in str(error) and ray.starts == 2


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(ray_start, "START_S", (0.3, 0.6))
    monkeypatch.setattr(ray_start, "ENDED_S", 0.2)
    monkeypatch.setattr(ray_start, "SAY_EVERY_S", 0.1)


def test_a_start_that_hangs_is_ended_and_tried_again_once(started, impatient, monkeypatch):
    monkeypatch.setattr(ray_start, "end_processes", lambda: fakes[-1].started.set())  # its error follows their end
    fakes = []
    real = FakeRay.__call__
    monkeypatch.setattr(FakeRay, "__call__", lambda self, options: fakes.append(self) or real(self, options))
    error, ray, said = started(None, "")
    assert error is None and ray.starts == 2 and ray.joined == 1
    assert [line for line in said if "once more" in line] == ["Ray did not start (not within 0 s): trying once more"]
    error, ray, _ = started(None, None)
    assert type(error) is PoolDied and ray.starts == 2


def test_a_start_that_cannot_even_be_ended_is_said_and_given_up(started, impatient, monkeypatch):
    monkeypatch.setattr(ray_start, "end_processes", lambda: None)
    error, ray, said = started(None)
    assert type(error) is PoolHung and ray.starts == 1
    assert said and all("waiting for Ray to start" in line for line in said)


def test_a_stop_does_not_wait_for_ray(started):
    stop = Stop()
    stop("SIGINT")
    error, ray, _ = started(None, check=stop.check)
    assert type(error) is Stopped and ray.joined == 0
