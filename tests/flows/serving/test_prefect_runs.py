"""Runs are owned by living processes, stop when asked, and are closed when their process died."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace
from uuid import uuid4

import pytest

from flows.serving.process import run_lock
from tasks.engine.progress import Stop
from tasks.store.locks import Busy

WAIT_FOR_SIGNAL = """
import sys, time
from flows.serving.process import signals
from tasks.engine.progress import Stop
from tasks.store.locks import Busy
stop = Stop()
with signals(stop):
    print("ready", flush=True)
    while not (stop.event.is_set() and sys.argv[1] == "stops"):
        time.sleep(0.01)
print(stop.why)
"""


def test_a_held_lock_means_alive_and_a_killed_holder_means_dead(tmp_path):
    hold = f"import sys; from pathlib import Path; from flows.serving.process import run_lock; \
lock = run_lock(Path({str(tmp_path)!r}), 'a'); lock.acquire(); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        assert not run_lock(tmp_path, "a").abandoned()
        with pytest.raises(Busy, match="held by another process"), run_lock(tmp_path, "a"):
            pass
        holder.kill()
    lock = run_lock(tmp_path, "a")
    assert lock.abandoned()
    lock.release()
    assert not run_lock(tmp_path, "a").abandoned()  # ended in peace: nothing lies here


def test_a_run_of_another_workspace_is_nobody_s_to_judge(tmp_path):
    assert not run_lock(tmp_path, "never-seen").abandoned()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_ends_at_once(number):
    for behaviour, expected in [("stops", 0), ("hangs", 128 + number)]:
        command = [sys.executable, "-c", WAIT_FOR_SIGNAL, behaviour]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            if behaviour == "hangs":
                time.sleep(0.2)
                process.send_signal(number)
            assert process.wait(timeout=30) == expected
            assert process.stdout.read().strip() == (number.name if expected == 0 else "")


def test_signals_puts_the_handlers_back(monkeypatch):
    from flows.serving.process import signals

    monkeypatch.delenv("PREFECT__FLOW_RUN_ID", raising=False)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    stop = Stop()
    with signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.event.wait(1)
    assert stop.why == "SIGTERM"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_retry_of_another_workspace_is_left_to_it(prefect_runs, monkeypatch, tmp_path):
    waiting = [SimpleNamespace(parameters={"workspace": str(folder)}) for folder in (tmp_path, tmp_path / "other")]
    monkeypatch.setattr(prefect_runs, "get_client", lambda **_: nullcontext())
    monkeypatch.setattr(prefect_runs, "_all_flow_runs", lambda client, wanted: waiting)
    assert prefect_runs.waiting_retries(tmp_path) == waiting[:1]


def test_cancel_in_the_ui_reaches_the_stop(prefect_runs, monkeypatch):
    answers = iter(["RUNNING", "unreachable", "CANCELLING"])

    class Client:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read_flow_run(self, _):
            answer = next(answers)
            if answer == "unreachable":
                raise ConnectionError
            return SimpleNamespace(state=SimpleNamespace(type=prefect_runs.StateType(answer)))

    monkeypatch.setattr(prefect_runs, "get_client", lambda sync_client: Client())
    stop, told = Stop(), threading.Event()
    with prefect_runs.watch_for_cancel(uuid4(), stop, every=0.01, say=told.set):
        assert stop.event.wait(5) and told.wait(5)
    assert stop.why == "cancelled"


def task_states(workspace, flow_run):
    tasks = workspace.call("/task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})
    return {task["state_name"] for task in tasks}


@pytest.mark.slow
def test_a_killed_run_is_closed_and_a_living_one_untouched(workspace):
    workspace.file("patient").touch()
    living = workspace.start("started_study.py")
    workspace.until(lambda: workspace.file("started").exists())
    first = workspace.until_run("Running")
    killed = workspace.start("started_study.py")
    second = workspace.until(lambda: {r for r, state in workspace.runs().items() if state == "Running"} - {first}).pop()
    workspace.until(lambda: workspace.file("started").read_text() == str(killed.pid))
    workspace.until(lambda: task_states(workspace, second) == {"Running"})  # the server hears of tasks a little later
    killed.kill()
    assert workspace.runs() == {first: "Running", second: "Running"}  # nobody told the server

    third = workspace.start("started_study.py")
    third.stdout.readline()
    assert workspace.runs()[first] == "Running"
    assert workspace.runs()[second] == "Crashed"
    assert task_states(workspace, second) == {"Crashed"}

    workspace.file("allowed").touch()
    assert living.wait(timeout=30) == 0
    assert third.wait(timeout=30) == 0
    assert workspace.alone()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("Cancel in the UI", 130), ("two signals", 130)]
)
def test_a_run_stops_within_seconds_and_says_so(workspace, how, code):
    workspace.file("patient").touch()
    if how == "two signals":
        workspace.file("deaf").touch()
    run = workspace.start("started_study.py")
    workspace.until(lambda: workspace.file("1").exists())
    flow_run = workspace.until_run("Running")
    if how == "Cancel in the UI":
        workspace.set_state(flow_run, "CANCELLING", "Cancelling")
    else:
        run.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGINT)
    if how == "two signals":
        time.sleep(0.5)  # two at the same moment are one
        run.send_signal(signal.SIGINT)
    assert run.wait(timeout=60) == code
    workspace.until(lambda: not workspace.processes())

    workspace.file("allowed").touch()
    again = workspace.start("started_study.py")
    again.stdout.readline()
    assert workspace.runs()[flow_run] == ("Crashed" if how == "two signals" else "Cancelled")
    assert again.wait(timeout=30) == 0
    assert workspace.ended()[0]["states"] == ["reused", "reused", "computed"]
