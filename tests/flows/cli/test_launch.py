"""How a run begins and ends at the terminal."""

import re
import shutil

import pytest

from flows.cli import launch
from flows.cli.app import console
from flows.execution.pages import MLFLOW_PORT, mlflow_pages, mlflow_port, remember_port, ui_command
from tasks.tracking.sync import SyncResult


@pytest.fixture
def unfinished(finished, monkeypatch):
    """The working directory is that of a sweep that has lost a cell; MLflow is a stand-in."""
    monkeypatch.chdir(finished)
    monkeypatch.setattr(console, "width", 80)
    monkeypatch.setattr(launch.tracking, "prepare_in_background", lambda *_: None)
    monkeypatch.setattr("flows.execution.mirror.mirror", lambda *_: SyncResult("7", 1, 0, 0, 0.1))
    return finished


def without_report(folder):
    shutil.rmtree(folder / "workspace" / "store" / "report")


def test_a_run_says_what_it_does_and_ends_with_verdict_and_addresses(ibshift, unfinished):
    without_report(unfinished)
    code, out, err = ibshift("run", "tiny.yaml", "--no-prefect")
    assert code == 0, err
    first, *lines = out.splitlines()
    assert first == "  planning tiny ..."
    assert re.fullmatch(r"tiny: 29 units, 1 to make; 0 cells to compute, about \d+ s on 1 worker", lines[0])
    end = lines[next(k for k, line in enumerate(lines) if line.startswith("done: 1 computed, 28 reused, 0 failed  ")) :]
    folder = (unfinished / "workspace" / "sweeps" / "tiny" / "latest").resolve()
    verdict = (folder / "summary.md").read_text(encoding="utf-8").split("\n\n")[1]
    told = [line for line in end if line.startswith("  ")]
    assert " ".join(" ".join(told).split()).startswith(" ".join(verdict.split()))
    assert max(len(line) for line in told if "/" not in line) <= 80
    assert f"  report       {folder / 'report.html'}" in end
    assert f"  MLflow       http://127.0.0.1:{MLFLOW_PORT}{SyncResult('7', 1, 0, 0, 0.1).page}" in end
    assert end[-1] == "  these pages answer while `ibshift ui` is open"


def test_a_failed_run_is_one_line(ibshift, unfinished, monkeypatch):
    without_report(unfinished)

    def fails(*_):
        raise ValueError("no ink")

    monkeypatch.setattr("tasks.sweep.report.report.Report.build", fails)
    code, out, _ = ibshift("run", "tiny.yaml", "--no-prefect")
    assert code == 1 and "  failed report tiny" in out.splitlines()
    assert "failed: report tiny: ValueError: no ink (what is known of it: ibshift why tiny)" in " ".join(out.split())


def test_mlflow_is_where_it_was_shown_last_or_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow").mkdir()
    assert mlflow_pages(tmp_path) == f"http://127.0.0.1:{MLFLOW_PORT}"
    remember_port(tmp_path, 5077)
    assert mlflow_pages(tmp_path) == "http://127.0.0.1:5077"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example/")
    assert mlflow_pages(tmp_path) == "https://mlflow.example"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    assert mlflow_pages(tmp_path) is None


@pytest.mark.parametrize("note", [b"", b"\xff", b"0", b"70000", b"http"])
def test_a_damaged_note_of_the_port_does_not_matter(note, tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "port").write_bytes(note)
    assert mlflow_port(tmp_path) == MLFLOW_PORT


def test_the_command_that_shows_the_pages_can_be_pasted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ui_command(tmp_path / "workspace") == "ibshift ui"
    assert ui_command(tmp_path / "my work") == f"ibshift ui -w '{tmp_path / 'my work'}'"
