"""What a run says while it works, on a terminal and elsewhere."""

import io
import re

import pytest

from flows.cli import console
from flows.cli.console import ConsoleObserver, Terminal
from flows.execution.forecast import Forecast

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it on."""
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def a_terminal_like_others(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")


def terminal(width: int, on_terminal: bool = True) -> tuple[Terminal, io.StringIO]:
    written = io.StringIO()
    return Terminal(file=written, width=width, force_terminal=on_terminal), written


def test_elsewhere_than_on_a_terminal_a_line_says_how_far_stage_and_run_are(clock, capsys):
    ahead = {"bounds": {"all": 60.0}, "report": {"all": 30.0}}
    observer = ConsoleObserver(Terminal(), Forecast(ahead, workers=1))
    observer.begin("information", 12, 2, {f"cell{k}": 100.0 for k in range(10)})
    clock[0] = 100.0
    observer.advance("information", "cell0", "computed", 100.0)
    assert capsys.readouterr().out == "  information  3/12, stage 15 min, run 16 min left\n"


def test_a_stage_ends_with_one_line_that_says_what_was_made(clock, capsys):
    observer = ConsoleObserver(Terminal())
    observer.begin("information", 4, 2, {})
    clock[0] = 130.0
    observer.end("information", [{"state": state} for state in ("reused", "reused", "failed", "computed")])
    assert capsys.readouterr().out == "  information  1 computed, 2 reused, 1 failed  2 min 10 s\n"


def frames(written: io.StringIO) -> list[str]:
    return [line.strip() for line in re.split(r"[\r\n]", CONTROLS.sub("", written.getvalue())) if line.strip()]


@pytest.mark.parametrize("stage", ["information", "a_stage_of_somebody_else_with_a_long_name"])
def test_the_bar_is_whole_on_80_columns(stage, clock):
    shown, written = terminal(80)
    hours = 23.98 * 3600
    observer = ConsoleObserver(shown, Forecast({"later": {"": hours}}, workers=1))
    observer.begin(stage, 100_000, 0, {str(k): hours / 100_000 for k in range(100_000)})
    observer.close()
    (bar,) = {frame for frame in frames(written) if "left" in frame}
    assert len(bar) < 80 and bar.startswith(stage[:12])
    assert bar.endswith("0/100000 stage 23 h 59 min, run 2 d 0 h left")


def test_nothing_is_left_of_the_bar_when_the_stage_has_ended(clock):
    shown, written = terminal(80)
    observer = ConsoleObserver(shown)
    observer.begin("information", 2, 0, {"a": 1.0, "b": 1.0})
    observer.end("information", [{"state": "computed"}] * 2)
    assert frames(written)[-1] == "information  2 computed  0.0 s"
    assert observer.progress is None


def test_what_is_going_on_is_said_at_once_and_taken_away(clock):
    shown, written = terminal(80)
    with shown.busy("starting Ray"):
        assert "starting Ray" in CONTROLS.sub("", written.getvalue())
    assert written.getvalue().rstrip().endswith("\x1b[2K")


def test_without_a_terminal_it_is_said_where_that_is_wanted(clock):
    shown, written = terminal(80, on_terminal=False)
    with shown.busy("looking"), shown.busy("starting Ray", aloud=True):
        pass
    assert written.getvalue() == "  starting Ray ...\n"


def test_a_failed_unit_is_red(clock):
    shown, written = terminal(80)
    observer = ConsoleObserver(shown)
    observer.begin("information", 1, 0, {"b0.1/s0": 1.0})
    observer.advance("information", "b0.1/s0", "failed", 1.0)
    observer.close()
    assert "failed information b0.1/s0" in frames(written)
    assert console.STYLES["failed"] == "bold red"
