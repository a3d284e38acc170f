"""What a study adds to a flow run: its name, its last words, one line for what is wrong."""

import json
import logging
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from tiny import TINY, tiny

from flows.execution.run import open_run


@pytest.fixture
def study_flow(importing_prefect):
    return importing_prefect("study_flow")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "szt"),
        ({"training.epochs": 400}, "szt epochs=400"),
        ({"network.betas": [0.1, 0.2], "training.loss": "squared"}, "szt betas=[0.1,0.2] loss=squared"),
        ({"shifts.0.sizes": [0.1], "shifts.1.sizes": [0.2]}, "szt 0.sizes=[0.1] 1.sizes=[0.2]"),
        ({"a.b": 1, "b": 2}, "szt a.b=1 b=2"),
        ({"training": None}, "szt training=null"),
    ],
)
def test_the_name_of_a_run_says_what_was_changed(study_flow, settings, name):
    assert study_flow.name_of("szt", settings) == name


def test_a_name_that_is_cut_still_tells_two_runs_apart(study_flow):
    first, second = (study_flow.name_of("szt", {"network.seeds": [*range(200), last]}) for last in (1000, 1001))
    assert first != second and first.startswith("szt seeds=[0,1,2")
    assert len(first) == len(second) == study_flow.LONGEST_NAME


@pytest.mark.parametrize(("deployment", "how"), [(None, "run the same command again"), ("an id", "press Retry")])
def test_a_stopped_run_says_how_it_goes_on_where_somebody_looks(study_flow, monkeypatch, deployment, how):
    monkeypatch.setattr(study_flow, "runtime", SimpleNamespace(deployment=SimpleNamespace(id=deployment)))
    told = study_flow.how_to_continue("cancelled")
    assert told == f"Stopped (cancelled). Finished work is kept: {how} to continue."


def test_a_run_of_a_terminal_says_so_where_somebody_looks_for_cancel(study_flow, finished_once, monkeypatch):
    said = []
    page = SimpleNamespace(message=lambda text: None)
    monkeypatch.setattr(study_flow, "get_run_logger", lambda: SimpleNamespace(info=said.append))
    monkeypatch.setattr(study_flow, "PrefectObserver", lambda sweep: page)
    config = tiny()
    config.runs_by("ibshift run my.yaml --set 'network.betas=[0.1, 0.2]'")
    run = open_run(config, finished_once / "workspace")
    for name in ("watch_for_cancel", "served_run", "signals"):
        monkeypatch.setattr(study_flow, name, lambda *_, **__: nullcontext())
    for name in ("run_study", "plan_artifact", "summary_artifact"):
        monkeypatch.setattr(study_flow, name, lambda *_: None)
    for deployment in ("an id", None):
        about = SimpleNamespace(deployment=SimpleNamespace(id=deployment), flow_run=SimpleNamespace(id="an id"))
        monkeypatch.setattr(study_flow, "runtime", about)
        with study_flow.prepared(run):
            study_flow.run_in_flow("my.yaml", {}, "workspace")
    (told,) = said
    assert told.startswith("Started in a terminal: Ctrl-C stops it there")
    assert f"ibshift serve my.yaml --set 'network.betas=[0.1, 0.2]' -w {run.store.workspace}" in told


@pytest.fixture
def logged(prefect_page, monkeypatch):
    lines = []
    logger = SimpleNamespace(error=lines.append, log=lambda level, text: lines.append(text))
    monkeypatch.setattr(prefect_page, "get_run_logger", lambda: logger)
    return lines


@pytest.mark.parametrize(
    ("sweep", "settings", "told"),
    [
        (
            "tiny.yaml",
            {"training.epochs": -3},
            "--set training.epochs: must be greater than or equal to 1, got -3",
        ),
        ("tiny.yaml", {"training.epoch": 3}, "--set training.epoch: unknown setting"),
        ("nope", {}, "sweep must be a path or one of"),
        ("gone.yaml", None, "sweep must be a YAML file or a name, found no file gone.yaml"),
        ("tiny.yaml", {"resources.memory": 1e-6}, "resources.memory: "),
    ],
)
def test_a_wrong_setting_ends_a_run_with_one_line(study_flow, logged, tmp_path, monkeypatch, sweep, settings, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(json.dumps(TINY))
    state = study_flow.run_in_flow(sweep, settings, str(tmp_path / "workspace"))
    assert state.is_failed() and state.message.startswith(told) and "\n" not in state.message
    assert logged == [state.message]


def test_the_traceback_of_a_state_that_was_told_is_kept_back(prefect_page, monkeypatch):
    prefect_page.without_repetition()
    logger, heard = logging.getLogger("prefect.flow_runs"), []
    monkeypatch.setattr(logger, "handlers", [handler := logging.Handler()])
    monkeypatch.setattr(logger, "propagate", False)
    handler.emit = lambda record: heard.append(record.getMessage())
    for error in (prefect_page.FailedRun("told"), prefect_page.CancelledRun("told"), ZeroDivisionError("a bug")):
        try:
            raise error
        except Exception:
            logger.error("%s", type(error).__name__, exc_info=True)
    assert heard == ["ZeroDivisionError"]


def test_the_summary_has_the_words_of_the_report_and_says_where_everything_is(study_flow, finished_once):
    run = open_run(tiny(), finished_once / "workspace")
    run.pages["MLflow"] = "http://127.0.0.1:5000/#/experiments/1"
    told = study_flow.results(run)
    assert told.startswith(run.summary.strip()) and run.verdict in told
    assert f"`{run.folder / 'report.html'}`" in told and "| information | 8 of 8 |" in told
    assert "[http://127.0.0.1:5000/#/experiments/1](http://127.0.0.1:5000/#/experiments/1)" in told
    assert "ibshift ui -w" in told
