"""Ray at its start: what fails is tried again once, what hangs is given up, and what is waited for is said."""

import threading

import pytest

from tasks.engine import pool as fanout
from tasks.engine.pool import Pool, PoolDied, PoolHung
from tasks.engine.progress import Stop, Stopped


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


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Start a pool whose Ray behaves as told; returns the pool, that Ray and what was said."""
    monkeypatch.setattr(fanout.os, "environ", {})

    def start(*errors, check=lambda: None):
        fake, said, pool = FakeRay(*errors), [], Pool(tmp_path, workers=1)
        pool.say = said.append
        monkeypatch.setattr(fanout, "_Ray", fake)
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


def test_a_start_that_hangs_is_said_and_given_up(started, monkeypatch):
    monkeypatch.setattr(fanout, "START_S", 0.5)
    monkeypatch.setattr(fanout, "SAY_EVERY_S", 0.1)
    error, ray, said = started(None)
    assert type(error) is PoolHung and ray.starts == 1
    assert said and all("waiting for Ray to start" in line for line in said)


def test_a_stop_does_not_wait_for_ray(started):
    stop = Stop()
    stop("SIGINT")
    error, ray, _ = started(None, check=stop.check)
    assert type(error) is Stopped and ray.joined == 0
