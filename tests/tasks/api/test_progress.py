"""Whoever waits is told how long, and nobody else is."""

import pytest

from tasks.api import progress
from tasks.api.progress import Progress, in_words


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_time_that_is_left_is_said_of_work_that_takes_more_than_seconds(clock, capsys):
    work = Progress([100.0, 100.0, 200.0], quiet=False)
    work.begin("layer 1")
    clock[0] = 240.0  # more than twice as long as it should have taken
    work.begin("layer 2")
    clock[0] = 241.0
    work.begin("layer 3")
    first, second = capsys.readouterr().err.splitlines()  # and nothing more a second later
    assert first == "ibshift: layer 1 (1 of 3), about 7 min left"
    assert second == "ibshift: layer 2 (2 of 3), about 11 min left"


@pytest.mark.parametrize(("costs", "quiet"), [([1.0, 2.0], False), ([100.0, 200.0], True)])
def test_short_work_and_quiet_work_say_nothing(costs, quiet, clock, capsys):
    work = Progress(costs, quiet)
    for each in range(2):
        clock[0] = each * costs[0]
        work.begin("layer")
    found = capsys.readouterr()
    assert found.err == found.out == ""


def test_durations_are_said_as_people_say_them():
    assert [in_words(each) for each in (4.2, 99, 100, 3570, 7800)] == [
        "4 s",
        "99 s",
        "2 min",
        "1 h 0 min",
        "2 h 10 min",
    ]
