"""Served sweeps fire, fail, are retried from the UI and end with the process that serves them."""

import os
import signal
import subprocess
import sys
import time

import pytest

from flows.serving.serve import serve_sweep
from flows.settings.settings import ConfigError


def fire(workspace) -> str:
    """Press Run on the page of the deployment; returns the flow run."""
    deployment = workspace.until(lambda: workspace.call("/deployments/filter"))[0]["id"]
    return workspace.call(f"/deployments/{deployment}/create_flow_run", {})["id"]


def last_word(workspace, run: str) -> str:
    """What a run's page shows as the message of its state."""
    (found,) = (each for each in workspace.call("/flow_runs/filter") if each["id"] == run)
    return found["state"]["message"] or ""


def test_importing_it_imports_no_prefect():
    check = "import sys, flows.serving.serve; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_two_schedules_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="not both"):
        serve_sweep("szt", tmp_path, {}, "any.flow", cron="0 3 * * *", every=60)


@pytest.mark.parametrize("cron", ["", "@daily", "0 0 3 * * *", "0 3 * * * * 2030", "every day"])
def test_a_schedule_of_other_than_five_fields_is_one_line_before_anything_starts(tmp_path, cron):
    with pytest.raises(ConfigError, match=r"--cron must be five fields, .*, got") as refused:
        serve_sweep("szt", tmp_path, {}, "any.flow", cron=cron)
    assert f'"{cron}"' in str(refused.value) and not list(tmp_path.iterdir())


def test_an_interval_is_a_number(tmp_path):
    with pytest.raises(ConfigError, match="--every must be a number of seconds, got nan"):
        serve_sweep("szt", tmp_path, {}, "any.flow", every=float("nan"))


@pytest.mark.slow
def test_a_wrong_cron_expression_is_refused_and_leaves_nothing_behind(workspace):
    serve = f"""
from pathlib import Path
from flows.serving.serve import ConfigError, serve_sweep
for cron in ("61 3 * * *", "H 3 * * *", "0 0 30 2 *"):  # no number, no clock, no such day
    try:
        serve_sweep('szt', Path({str(workspace.path)!r}), {{}}, 'any.flow', cron=cron)
    except ConfigError as error:
        print(error)
"""
    refused = subprocess.run([sys.executable, "-c", serve], capture_output=True, text=True)
    told = refused.stdout.splitlines()
    assert [line.rpartition("got ")[2] for line in told] == ['"61 3 * * *"', '"H 3 * * *"', '"0 0 30 2 *"']
    assert workspace.alone()


def serving(workspace, seconds: str = "never"):
    server = workspace.start("serve_study.py", seconds)
    assert "serving toy: http://127.0.0.1" in server.stdout.readline()
    return server


@pytest.mark.slow
def test_a_schedule_fires_and_a_failed_run_resumes_when_it_is_retried(workspace):
    server = serving(workspace, "12")
    failed = workspace.until_run("Failed")
    assert not workspace.ended()
    workspace.file("allowed").touch()
    workspace.set_state(failed, "SCHEDULED", "AwaitingRetry")
    resumed = workspace.until(lambda: [line for line in workspace.ended() if line["run"] == failed])[0]
    assert resumed["count"] == 2
    assert resumed["states"][:2] == ["reused", "reused"]
    workspace.until(lambda: [line for line in workspace.ended() if line["run"] != failed])  # the schedule goes on
    server.terminate()
    assert server.wait(timeout=60) == 0
    assert workspace.alone()


@pytest.mark.slow
def test_a_failed_run_from_the_command_line_resumes_when_it_is_retried(workspace):
    assert workspace.start("started_study.py").wait(timeout=60) == 1
    server = serving(workspace)
    failed = workspace.until_run("Failed")
    workspace.file("allowed").touch()
    workspace.set_state(failed, "SCHEDULED", "AwaitingRetry")
    workspace.until(lambda: workspace.runs()[failed] == "Completed")
    assert workspace.ended() == [{"states": ["reused", "reused", "computed"], "run": failed, "count": 2}]
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=60) == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C", "Cancel in the UI"])
def test_a_run_in_progress_is_stopped_cleanly(workspace, how):
    workspace.file("patient").touch()
    server = serving(workspace)
    run = fire(workspace)
    workspace.until(lambda: workspace.file("1").exists())
    if how == "Cancel in the UI":
        workspace.set_state(run, "CANCELLING", "Cancelling")
        workspace.until(lambda: workspace.runs()[run] == "Cancelled", limit=10)
        workspace.until(lambda: last_word(workspace, run).endswith("press Retry to continue."), limit=20)
        server.terminate()
    elif how == "SIGTERM":
        server.terminate()
    else:
        os.killpg(server.pid, signal.SIGINT)  # as a terminal does
    assert server.wait(timeout=60) == 0
    assert workspace.alone()

    workspace.file("allowed").touch()
    serving(workspace)
    assert workspace.runs()[run] == "Cancelled"


@pytest.mark.slow
def test_a_second_run_at_the_same_time_waits_for_the_first(workspace):
    workspace.file("patient").touch()
    serving(workspace)
    first = fire(workspace)
    workspace.until(lambda: workspace.runs()[first] == "Running")
    second = fire(workspace)
    workspace.until(lambda: workspace.runs()[second] == "AwaitingConcurrencySlot")
    assert workspace.runs()[first] == "Running"
    workspace.file("allowed").touch()
    workspace.until(lambda: set(workspace.runs().values()) == {"Completed"})
    assert [line["states"][-1] for line in workspace.ended()] == ["computed", "reused"]


@pytest.mark.slow
def test_a_run_survives_the_death_of_the_process_that_served_it(workspace):
    workspace.file("patient").touch()
    server = serving(workspace)
    run = fire(workspace)
    workspace.until(lambda: workspace.file("1").exists())
    server.kill()
    server.wait()
    time.sleep(4)  # longer than a server without clients lives
    workspace.file("allowed").touch()
    workspace.until(lambda: not workspace.processes())
    serving(workspace)
    assert workspace.runs()[run] == "Completed"


@pytest.mark.slow
def test_after_a_power_loss_the_next_run_starts_at_once(workspace):
    workspace.file("patient").touch()
    server = serving(workspace)
    lost = fire(workspace)
    workspace.until(lambda: workspace.file("1").exists())
    for process in workspace.processes():
        process.kill()
    server.wait()
    serving(workspace)
    assert workspace.runs()[lost] == "Crashed"
    workspace.file("allowed").touch()
    run = fire(workspace)
    workspace.until(lambda: workspace.runs()[run] == "Completed")
