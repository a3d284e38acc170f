"""The command `ibshift`: what it prints and how it exits."""

import errno
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.app import console
from tasks.tracking.sync import TrackingError


def in_a_process(*arguments, cwd=None, **variables):
    command, environment = [sys.executable, "-m", "flows", *map(str, arguments)], os.environ | variables
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "nope"),
        ("run", "szt", "--set", "network.betas=[0]"),
        ("run", "szt", "--only", "nothing"),
        ("run", "szt", "--only", "data", "--from-stage", "report"),
        ("run", "szt", "-w", "/proc/nowhere"),
        ("run", "szt", "-w", "not-utf-8-\udcff"),
        ("plan", "szt", "--set", "x"),
        ("sync", "szt"),
        ("why", "no-such-cell"),
        ("serve", "szt", "--cron", "* *"),
    ],
    ids=ascii,
)
def test_nonsense_is_one_line_and_exit_code_2(ibshift, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = ibshift(*arguments)
    assert code == 2 and err.startswith("ibshift: ") and err.count("\n") == 1


def test_a_process_ends_in_the_same_way_and_says_at_once_that_it_is_there(tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "flows", "run", "szt", "--set", "network.betas=[0]"]
    with os.fdopen(theirs) as terminal:
        environment = os.environ | {"TERM": "xterm"}
        done = subprocess.run(
            command, stdout=terminal, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment, timeout=120
        )
    with os.fdopen(ours, "rb", buffering=0) as screen:
        assert screen.read(1000) == b"loading ...\r\x1b[2K"
    assert done.returncode == 2
    assert done.stderr.startswith("ibshift: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command", ["run", "plan", "status", "why", "verify", "sync", "report", "settings", "ui", "doctor", "serve"]
)
def test_every_command_has_a_help_that_teaches(ibshift, command):
    code, out, _ = ibshift(command, "--help")
    assert code == 0 and len(out.splitlines()) > 8


@pytest.mark.parametrize(
    ("study", "names"),
    [("shift_sweep", ["network.betas", "estimator.target_stderr", "shifts.<n>.family"]), ("calibration", ["name"])],
)
def test_settings_lists_every_setting_of_a_study(ibshift, study, names, monkeypatch):
    monkeypatch.setattr(console, "width", 300)
    code, out, _ = ibshift("settings", study)
    assert code == 0 and set(names) <= set(out.split())


def test_a_sync_that_fails_is_one_line_and_exit_code_1(ibshift, beside, monkeypatch):
    def refused(*_):
        raise TrackingError("no server answers")

    monkeypatch.setattr("flows.execution.mirror.mirror", refused)
    code, out, err = ibshift("sync", "tiny.yaml")
    assert code == 1 and "failed: no server answers" in " ".join((out + err).split())


def test_a_sync_of_a_workspace_that_cannot_be_written_is_refused_as_a_run_is(ibshift, beside, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", read_only)
    for command in ("sync", "report", "run"):
        code, _, err = ibshift(command, "tiny.yaml")
        assert code == 2 and "workspace must be a folder that can be written, got workspace (Read-only" in err


def test_only_refuses_when_its_inputs_are_missing(ibshift, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = ibshift("run", "szt", "--only", "report", "--no-prefect", "--workers", "0")
    assert code == 2 and "run it first" in err


@pytest.fixture
def beside(finished_once, monkeypatch):
    """The working directory is that of the finished sweep, which is only looked at."""
    monkeypatch.chdir(finished_once)


def test_plan_as_json_lists_every_unit(ibshift, beside):
    units = json.loads(ibshift("plan", "tiny.yaml", "--json")[1])
    assert {unit["state"] for unit in units} == {"ready"}
    assert {"stage", "unit", "identity", "state", "reason", "seconds", "bytes"} == set(units[0])


def test_plan_says_why(ibshift, beside):
    told = ibshift("plan", "tiny.yaml", "--set", "estimator.target_stderr=0.05")[1]
    lines = [line for line in told.splitlines() if "stale: setting sampling.target_stderr 0.1 -> 0.05" in line]
    assert len(lines) == 1 and " x information, worst_case, bounds, report stale: " in lines[0]


def test_plan_says_one_reason_of_all_units_once(ibshift, beside, tmp_path):
    told = ibshift("plan", "tiny.yaml", "--workspace", str(tmp_path))[1]
    assert told.count("never made") == 1 and " x of all stages missing: never made" in told


def test_status_and_why_know_a_finished_sweep(ibshift, beside):
    assert "report.html" in ibshift("status")[1].replace("\n", "")
    told = ibshift("why", "e0000001/reference/L1")[1]
    assert "\n  ready\n" in told and "nats" in told and "computed" in told and "ib_core.estimators" not in told
    assert "ib_core.estimators.sample_propagation" in ibshift("why", "e0000001/reference/L1", "--verbose")[1]


def test_a_sweep_that_cannot_be_planned_again_hides_no_other(ibshift, finished, monkeypatch):
    monkeypatch.chdir(finished)
    gone = {"family": "law_mixture", "sizes": [0.1], "parameters": {"weight": "/nowhere/[old]laws.csv#tv_0.1"}}
    config = json.loads((finished / "workspace" / "sweeps" / "tiny" / "latest" / "plan.json").read_text())["config"]
    config |= {"name": "broken", "shifts": [gone]}
    broken = finished / "workspace" / "sweeps" / "broken" / "0a1b2c3d"
    broken.mkdir(parents=True)
    (broken / "plan.json").write_text(json.dumps({"config": config}))
    (broken / "report.html").touch()
    code, out, _ = ibshift("status")
    assert code == 0 and "broken 0a1b2c3d cannot be planned again" in out
    assert "/nowhere/[old]laws.csv" in out and "tiny" in out
    assert "  report: workspace/sweeps/broken/0a1b2c3d/report.html" in out  # which stands as it is
    assert "broken" not in ibshift("why", "e0000001/reference/L1")[1]
    assert "broken cannot be planned again" in ibshift("why", "e0000009/reference/L1")[2]


def test_verify_finds_a_flipped_bit(ibshift, finished, monkeypatch):
    monkeypatch.chdir(finished)
    assert ibshift("verify")[0] == 0
    path = next((finished / "workspace" / "store" / "information").rglob("estimates.parquet"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    code, out, _ = ibshift("verify")
    assert code == 1 and "1 damaged" in out


def test_a_sync_without_results_says_what_is_missing_and_the_command_that_makes_it(ibshift, beside):
    code, _, err = ibshift("sync", "tiny.yaml", "--set", "training.epochs=7")
    assert code == 2 and "report is stale in workspace (setting schedule.epochs 2 -> 7; " in err
    assert err.endswith("): ibshift run tiny.yaml --set training.epochs=7\n")


def test_sync_rebuilds_mlflow_from_disk(ibshift, finished, monkeypatch):
    monkeypatch.chdir(finished)
    code, out, err = ibshift("sync", "tiny.yaml")
    assert code == 0 and " 0 were up to date" in out, err
    for name in ("plan.json", "results.json", "config.yaml"):  # damaged notes do not stop it
        (finished / "workspace" / "sweeps" / "tiny" / "latest" / name).write_bytes(b"\xff")
    assert ibshift("sync", "tiny.yaml")[1].startswith("0 runs written")


@pytest.mark.parametrize(
    ("name", "value"), [("PREFECT_API_URL", "not-a-url"), ("MLFLOW_TRACKING_URI", "mysql+pymysql://me:secret@host/db")]
)
def test_a_variable_that_counts_and_is_impossible_is_refused(
    name, value, ibshift, finished_once, tmp_path, monkeypatch
):
    monkeypatch.setenv(name, value)
    code, out, err = ibshift("run", str(finished_once / "tiny.yaml"), "-w", str(tmp_path))
    assert code == 2, out
    assert err.startswith(f"ibshift: {name} must be") and err.count("\n") == 1
    assert "secret" not in err and not (tmp_path / "store").exists()


@pytest.mark.slow
def test_doctor_starts_what_a_run_starts(tmp_path):
    done = in_a_process("doctor", cwd=tmp_path, RAY_ADDRESS="auto")
    assert done.returncode == 0, done.stdout
    for line in ("fastapi", "MLflow: a database answers", "Ray: a worker made one unit", "Prefect server: answers"):
        assert f"ok   {line}" in done.stdout
    assert "RAY_ADDRESS: set aside" in done.stdout
    assert not list((tmp_path / "workspace").iterdir())


@pytest.mark.slow
def test_doctor_says_what_a_run_would_miss(tmp_path):
    done = in_a_process(
        "doctor", cwd=tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api", MLFLOW_TRACKING_URI="nonsense"
    )
    assert done.returncode == 1
    for line in ("bad  Prefect server: no Prefect server answers", "bad  MLflow: MLFLOW_TRACKING_URI must be"):
        assert line in done.stdout
