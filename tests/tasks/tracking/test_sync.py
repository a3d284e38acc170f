"""MLflow's runs are a projection of the tables: complete, finite, the same after any interruption."""

import base64
import fcntl
import hashlib
import json
import math
import re
import shutil
import socket
import sqlite3
import zlib
from dataclasses import replace

import pandas as pd
import pytest
from synthetic_sweep import FAMILIES, NETWORK, synthetic_tables, write_synthetic_sweep

from tasks.local_server import ServerUnavailable
from tasks.sweep.schema import shaped
from tasks.sweep.tracking.runs import SweepRecord, plan_runs
from tasks.sweep.tracking.views import sweep_views
from tasks.tracking import sync as tracking
from tasks.tracking.landing import Listed, landing_page
from tasks.tracking.names import text
from tasks.tracking.record import Span
from tasks.tracking.sync import TrackingError, prepare, sync
from tasks.tracking.ui import serve_ui
from tasks.tracking.views import OURS, TAG

SHIFTS = ("contamination", "gaussian_displacement")
N_CELLS = 1 + sum(len(FAMILIES[shift][1]) for shift in SHIFTS)
N_CURVES = 1 + 5  # of the network, and of each of its layers
N_RUNS = N_CELLS + N_CURVES + 1
SWEEP = "szt 800ep"
CELL, CURVE = f"{SWEEP} b0.1 contamination .2 s0", f"curve {SWEEP} b0.1 {{}} s0"
MADE = Span(1_789_999_000_000, 1_789_999_007_000)


@pytest.fixture(scope="module")
def tables():
    """One network, two epochs, one reweighting and one moved law: writing runs is what takes time."""
    return only(synthetic_tables(betas=(0.1,), seeds=(0,), epochs=(1, 100)), *SHIFTS)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A workspace whose database is there but empty: creating one takes seconds."""
    workspace = tmp_path_factory.mktemp("empty")
    prepare(workspace)
    return workspace


@pytest.fixture
def workspace(empty, tmp_path):
    return shutil.copytree(empty, tmp_path / "workspace")


@pytest.fixture(scope="module")
def synced(empty, tables, tmp_path_factory):
    """A workspace synced once, to be read only: (workspace, its record)."""
    workspace = shutil.copytree(empty, tmp_path_factory.mktemp("synced") / "workspace")
    record = record_in(workspace, tables)
    sync(record, workspace)
    return workspace, record


def record_in(workspace, tables, **changes):
    folder = write_synthetic_sweep(workspace / "sweeps" / "szt" / "0a1b2c3d", tables)
    checkpoint = workspace / "b0.100-s0.safetensors"
    checkpoint.write_bytes(b"weights")
    record = SweepRecord(
        tables=tables,
        files={path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.*"))},
        plan={"data": {"reference": "0" * 24}},
        variant="0a1b2c3d",
        settings={"data.source": "szt", "training.epochs": 800, "estimator.own_passes": 500, "estimator.seed": 0},
        differs={"training.epochs": 800},
        command="ibshift run szt",
        headline="Layer 5 is the most robust.",
        made={"information b0.1/s0": MADE},
        spans={(NETWORK, 0.1, 0, law): MADE for law in tables.laws["law"]},
        identity="0123456789abcdef",
        created_ms=1_790_000_000_000,
        data_set="szt",
        environment={"python": "3.11"},
        git_commit="a" * 40,
        law_digests={law: hashlib.sha256(law.encode()).hexdigest() for law in tables.laws["law"]},
        checkpoints={checkpoint.name: checkpoint},
        references=({"path": "store/training/0", "sha256": "0" * 64, "bytes": 7},),
    )
    return replace(record, **changes)


def query(workspace, statement):
    with sqlite3.connect(workspace / "mlflow" / "mlflow.db") as database:
        return database.execute(statement).fetchall()


def only(tables, *shifts):
    """The tables of a sweep over these shifts alone."""
    names = ("information", "bounds", "laws")
    return replace(
        tables,
        **{name: (table := getattr(tables, name))[table["shift"].isin(("reference", *shifts))] for name in names},
    )


def contents(workspace):
    """Everything that a reader can see of the runs that are not deleted, without MLflow's random ids."""
    parts = {
        "metrics": "m.key, m.step, m.timestamp, m.value from runs r join metrics m on m.run_uuid = r.run_uuid",
        "latest": "m.key, m.step, m.value from runs r join latest_metrics m on m.run_uuid = r.run_uuid",
        "params": "p.key, p.value from runs r join params p on p.run_uuid = r.run_uuid",
        "inputs": "d.digest from runs r join inputs i on i.destination_id = r.run_uuid"
        " join datasets d on d.dataset_uuid = i.source_id",
        "runs": "r.status, r.start_time, r.end_time from runs r",
    }
    active = "where r.lifecycle_stage = 'active'"
    return {part: sorted(query(workspace, f"select r.name, {what} {active}")) for part, what in parts.items()}


def params_of(workspace, kind):
    """name -> params of all runs of one kind."""
    found = {}
    for name, key, value in query(
        workspace,
        "select r.name, p.key, p.value from runs r join params p on p.run_uuid = r.run_uuid"
        f" join tags t on t.run_uuid = r.run_uuid and t.key = 'kind' and t.value = '{kind}'",
    ):
        found.setdefault(name, {})[key] = value
    return found


def test_every_cell_and_curve_has_a_run_and_the_sweep_has_one(synced):
    kinds = dict(query(synced[0], "select value, count(*) from tags where key = 'kind' group by 1"))
    assert kinds == {"cell": N_CELLS, "curve": N_CURVES, "sweep": 1}
    assert query(synced[0], "select distinct status from runs") == [("FINISHED",)]


def test_all_cells_have_the_same_params_among_them_every_setting_in_short(synced):
    cells = params_of(synced[0], "cell")
    assert len({tuple(sorted(params)) for params in cells.values()}) == 1
    moved = cells[f"{SWEEP} b0.1 gaussian_displacement .4 s0"]
    assert (moved["kl"], moved["tv"], moved["w2"], moved["shift_size"]) == ("∞", "1", "0.4", "0.4")
    assert (moved["own_passes"], moved["estimator_seed"], moved["created"]) == ("500", "0", "2026-09-21")
    assert not {value for params in cells.values() for value in params.values()} & {"inf", "nan", "None"}


def test_metrics_are_the_numbers_of_the_tables(synced):
    workspace, record = synced
    found = query(
        workspace,
        f"select m.key, m.step, m.value from metrics m join runs r on r.run_uuid = m.run_uuid where r.name = '{CELL}'",
    )
    logged = {(key, step): value for key, step, value in found}
    table = record.tables.information
    rows = table[(table["shift"] == "contamination") & (table["size"] == 0.2) & (table["estimator"] == "upper")]
    for row in rows[rows["quantity"] == "I_X_T"].to_dict("records"):
        assert logged[f"I_X_T/L{row['layer']}", row["epoch"]] == (row["lower"] + row["upper"]) / 2
        assert logged[f"I_X_T_high/L{row['layer']}", row["epoch"]] == row["upper"]
        assert logged[f"I_X_T_low/L{row['layer']}", row["epoch"]] == row["lower"]
    change = logged["dI_X_T/L2", 100]
    clean = table[(table["shift"] == "reference") & (table["quantity"] == "I_X_T") & (table["epoch"] == 100)]
    clean = clean[(clean["layer"] == 2) & (clean["estimator"] == "upper")][["lower", "upper"]].mean(axis=1).item()
    assert logged["rel_dev/L2", 100] == pytest.approx(abs(change) / clean)
    assert logged["by_layer/relative change", 2] == logged["rel_dev/L2", 100]
    assert logged["rel_dev_max", 100] == max(logged[f"rel_dev/L{layer}", 100] for layer in range(1, 6))


def test_measures_are_metrics_of_cells_and_curves(tables, tmp_path):
    place = {"sweep": "szt", "network": NETWORK, "beta": 0.1, "seed": 0, "epoch": 100, "split": "all", "layer": 2}
    known = {("reference", 0.0): 2.25, ("contamination", 0.1): 1.5, ("contamination", 0.2): 1.25}
    rows = [
        place
        | {"shift": shift, "size": size, "metric": "tv", "measure": "my:f", "quantity": "I(X;bins)", "value": value}
        for (shift, size), value in known.items()
    ]
    runs = plan_runs(record_in(tmp_path, replace(tables, measures=shaped("measures", rows))))
    by_name = {run.name: {point[:2]: point[2] for point in run.points} for run in runs}
    assert by_name[CELL]["my_f.I_X_bins_/L2", 100] == 1.25
    curve = by_name[CURVE.format("L2")]
    index = FAMILIES["contamination"][1].index
    assert [curve["contamination/my_f.I_X_bins_", index(size)] for size in (0.1, 0.2)] == [1.5, 1.25]


def test_accuracy_stands_beside_information_on_cells_and_curves(tables, tmp_path):
    runs = plan_runs(record_in(tmp_path, tables))
    table = tables.information[(tables.information["quantity"] == "accuracy") & (tables.information["epoch"] == 100)]
    value = table.set_index(["shift", "size"])["value"]
    by_name = {run.name: {point[:2]: point[2] for point in run.points} for run in runs}
    cell, curve = by_name[CELL], by_name[CURVE.format("network")]
    assert (cell["acc", 100], cell["acc_reference", 100]) == (value["contamination", 0.2], value["reference", 0.0])
    for step, size in enumerate(FAMILIES["contamination"][1]):
        assert curve["contamination/accuracy of the network", step] == value["contamination", size]


def test_runs_of_the_parts_of_the_data_are_told_apart(tables, tmp_path):
    names = ("information", "bounds", "laws")
    both = {
        name: pd.concat([getattr(tables, name).assign(split=p) for p in ("train", "test")], ignore_index=True)
        for name in names
    }
    runs = [run for run in plan_runs(record_in(tmp_path, replace(tables, **both))) if run.kind != "sweep"]
    assert len(runs) == 2 * (N_RUNS - 1) == len({run.name for run in runs}) == len({run.key for run in runs})
    assert {(run.params["part"], run.params["setting"]) for run in runs} == {
        ("train", "b0.1 train"),
        ("test", "b0.1 test"),
    }


def test_a_curve_runs_along_the_sizes_of_each_family(synced):
    found = query(
        synced[0],
        "select m.step, m.value from metrics m join runs r on r.run_uuid = m.run_uuid"
        f" where r.name = '{CURVE.format('L3')}' and m.key = 'contamination/TV' order by m.step",
    )
    assert found == list(enumerate(FAMILIES["contamination"][1]))


def test_what_a_chart_draws_over_a_metric_has_the_steps_of_its_axis(tables, tmp_path):
    """MLflow pairs them by their order: one point less, and each value would stand at another size."""
    bounds = tables.bounds.copy()
    bounds.loc[(bounds["size"] == 0.1) & (bounds["layer"] == 2), "bound"] = math.inf
    record = record_in(tmp_path, replace(tables, bounds=bounds))
    steps = {}
    for run in plan_runs(record):
        for name, step, _ in run.points:
            steps.setdefault((run.kind, run.key), {}).setdefault(name, []).append(step)
    charts = [chart for view in record.views(set()) for section in view.sections for chart in section.charts]
    over = {
        (name, chart["selectedXAxisMetricKey"])
        for chart in charts
        if chart.get("xAxisKey") == "metric" and not chart["selectedXAxisMetricKey"].endswith("/accuracy")
        for name in chart["selectedMetricKeys"]
    }
    drawn = [(found[name], found[axis]) for found in steps.values() for name, axis in over if name in found]
    assert len(over) > 10 and all(sorted(mine) == sorted(axis) for mine, axis in drawn)
    assert [0, 1, 3] in [sorted(mine) for mine, _ in drawn] or [1, 3] in [sorted(mine) for mine, _ in drawn]


def test_nothing_logged_is_infinite_or_missing(synced):
    assert all(math.isfinite(value) for run in plan_runs(synced[1]) for _, _, value in run.points)
    assert query(synced[0], "select count(*) from metrics where is_nan or abs(value) > 1e300") == [(0,)]


def test_a_run_has_few_enough_metrics_for_its_page(synced):
    assert max(len({name for name, _, _ in run.points}) for run in plan_runs(synced[1])) < 80


def test_the_sweep_run_holds_report_figures_tables_and_references(synced):
    workspace, record = synced
    (run_id,) = query(workspace, "select run_uuid from tags where key = 'kind' and value = 'sweep'")[0]
    root = workspace / "mlflow" / "artifacts" / run_id / "artifacts"
    artifacts = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert {"report.html", "config.yaml", "plan.json", "environment.json"} <= artifacts
    assert {f"tables/{name}.csv" for name in ("bounds", "attribution", "worst_case", "bottleneck")} <= artifacts
    assert {"figures/information_vs_shift.png", "checkpoints/b0.100-s0.safetensors"} <= artifacts
    assert not any(name.endswith(".parquet") for name in artifacts)
    references = {each["path"]: each for each in json.loads((root / "references.json").read_text())}
    table = record.files["information.parquet"]
    assert references["sweeps/szt/0a1b2c3d/information.parquet"]["bytes"] == table.stat().st_size
    assert "store/training/0" in references


def test_every_cell_names_its_input_laws_by_digest(synced):
    found = query(synced[0], "select distinct name, digest from datasets")
    assert {name for name, _ in found} == {f"szt {law}" for law in synced[1].tables.laws["law"]}
    assert len({digest for _, digest in found}) == N_CELLS


def test_times_come_from_the_sweep_so_that_a_replay_writes_equal_points(synced):
    wrong = f"select count(*) from metrics where timestamp != {synced[1].created_ms} + step"
    assert query(synced[0], wrong) == [(0,)]


def test_runs_begin_and_end_when_their_results_were_made(synced):
    assert set(query(synced[0], "select start_time, end_time from runs where name like 'szt%'")) == {tuple(MADE)}


def test_every_run_leads_to_report_and_settings(synced):
    (own,) = query(synced[0], "select run_uuid from tags where key = 'kind' and value = 'sweep'")[0]
    notes = query(
        synced[0],
        "select t.value from tags t join runs r on r.run_uuid = t.run_uuid"
        " where t.key = 'mlflow.note.content' and r.name not like 'sweep%'",
    )
    assert len(notes) == N_RUNS - 1
    assert all(f"/runs/{own}/artifacts/{file}?" in note for (note,) in notes for file in ("report.html", "config.yaml"))


def test_a_second_sync_writes_nothing(synced):
    workspace, record = synced
    before = contents(workspace)
    result = sync(record, workspace)
    assert (result.written, result.whole) == (0, N_RUNS)
    assert contents(workspace) == before


@pytest.mark.parametrize("calls", [0, 7])
def test_an_interrupted_sync_is_completed_without_duplicates(workspace, synced, tables, monkeypatch, calls):
    from mlflow import MlflowClient

    record, log_batch, left = record_in(workspace, tables), MlflowClient.log_batch, [calls]

    def killed(client, run_id, metrics=(), params=(), **others):
        if left[0] == 0:
            log_batch(client, run_id, metrics=metrics[: len(metrics) // 2])
            raise KeyboardInterrupt
        left[0] -= 1
        return log_batch(client, run_id, metrics=metrics, params=params, **others)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(MlflowClient, "log_batch", killed)
        sync(record, workspace)
    assert query(workspace, "select count(*) from runs where status = 'RUNNING'") == [(2,)]  # and the sweep's own
    sync(record, workspace)
    assert contents(workspace) == contents(synced[0])


def test_what_a_killed_writer_left_of_an_older_sweep_is_closed(workspace, tables, monkeypatch):
    old = record_in(workspace, tables, identity="f" * 16)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tracking._Projection, "_data_set", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        sync(old, workspace)
    assert sync(record_in(workspace, tables), workspace).reaped == 2  # a curve, and the sweep's own run
    assert note_of(workspace)[0].startswith("1 sweep of szt")
    assert query(workspace, "select count(*) from runs where status = 'RUNNING'") == [(0,)]


def test_a_changed_number_replaces_the_runs_that_show_it(synced, tables, tmp_path):
    workspace = tmp_path / "workspace"
    shutil.copytree(synced[0], workspace)
    information = tables.information.copy()
    wanted = (information["shift"] == "contamination") & (information["size"] == 0.2) & (information["layer"] == 5)
    information.loc[wanted & (information["quantity"] == "I_T_Y"), ["lower", "upper"]] += 0.01
    result = sync(record_in(workspace, replace(tables, information=information)), workspace)
    assert result.written == 2  # the cell, and the sweep
    (own,) = query(workspace, "select run_uuid from runs where name like 'sweep%' and lifecycle_stage = 'active'")[0]
    notes = query(workspace, "select value from tags where key = 'mlflow.note.content' and value like '%report%'")
    assert sum(f"/runs/{own}/" in note for (note,) in notes) == N_RUNS - 1  # all lead to the new one
    active = query(workspace, "select count(*) from runs where lifecycle_stage = 'active'")
    assert active == [(N_RUNS,)]


def test_a_copied_workspace_syncs_and_serves_what_lies_in_it(synced, tables, tmp_path):
    workspace = shutil.copytree(synced[0], tmp_path / "a copy")
    assert sync(record_in(workspace, tables), workspace).written == 0
    here = (workspace / "mlflow" / "artifacts").as_uri()
    assert query(workspace, "select artifact_location from experiments where name = 'ibshift/szt'") == [(here,)]
    assert all(place.startswith(f"{here}/") for (place,) in query(workspace, "select artifact_uri from runs"))
    assert not query(synced[0], f"select 1 from runs where artifact_uri like '{here}%'")


def test_failed_estimates_leave_a_failed_run_and_no_numbers(tables, tmp_path):
    information = tables.information.copy()
    lost = (information["shift"] == "contamination") & (information["size"] == 0.2) & (information["epoch"] == 100)
    information.loc[lost, "status"] = "failed"
    information.loc[lost, ["value", "stderr", "lower", "upper", "saturation", "n_passes", "draws"]] = math.nan
    runs = plan_runs(record_in(tmp_path, replace(tables, information=information)))
    failed = [run for run in runs if run.failed]
    assert [run.kind for run in failed] == ["curve"] * N_CURVES + ["cell", "sweep"]
    assert {step for name, step, _ in failed[-2].points if name == "I_X_T/L1"} == {1}
    assert all(math.isfinite(value) for run in runs for _, _, value in run.points)


def test_views_are_short_valid_and_show_metrics_that_exist(synced):
    workspace, record = synced
    views = query(workspace, f"select key, value from experiment_tags where key like '{TAG}%'")
    assert len(views) == 5 + 2 + 2  # of b0.1, of all cells, and to compare sweeps
    runs = plan_runs(record)
    metrics = {name for run in runs for name, _, _ in run.points}
    known = {f"metrics.`{name}`" for name in metrics} | {"tags.`vacuous`"}
    known |= {f"params.`training.{name}`" for name in ("learning_rate", "batch_size", "objective")}  # not of this sweep
    known |= {f"params.`{name}`" for run in runs for name in run.params}
    for key, value in views:
        assert re.fullmatch(r"\d{13}[0-9a-f]{6}", key.removeprefix(TAG))
        assert len(value) < 20_000
        state = json.loads(zlib.decompress(base64.b64decode(json.loads(value)["state"].removeprefix("deflate;"))))
        assert set(state["selectedColumns"]) <= known
        sections = {section["uuid"] for section in state["compareRunSections"]}
        for chart in state["compareRunCharts"]:
            used = {chart.get("selectedXAxisMetricKey"), *chart.get("selectedMetrics", ())}
            used |= {chart.get("metricKey"), *chart.get("selectedMetricKeys", ())}
            used |= {axis["key"] for name, axis in chart.items() if name.endswith("axis") and axis["type"] == "METRIC"}
            assert used - {None, ""} <= metrics
            assert chart["metricSectionId"] in sections


def test_a_taken_port_is_refused_though_its_server_answers(synced):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServerUnavailable, match=f"port {port} is taken"):
            serve_ui(synced[0], port)


def note_of(workspace):
    """The experiment's note with its links written out, and the views there are."""
    tags = dict(query(workspace, "select key, value from experiment_tags"))
    note = tags["mlflow.note.content"]
    for name, target in re.findall(r"^\[(.+?)\]: (#\S+)$", note, re.MULTILINE):
        note = note.replace(f"[{name}]", f"({target})")
    return note, {key.removeprefix(TAG) for key in tags if key.startswith(TAG)}


def test_the_landing_page_links_to_every_view_and_to_the_report(synced):
    note, keys = note_of(synced[0])
    (run_id,) = query(synced[0], "select run_uuid from tags where key = 'kind' and value = 'sweep'")[0]
    shared = {f"{OURS}{view.digits}" for view in synced[1].views(set()) if not view.sweep}
    assert set(re.findall(r"viewStateShareKey=(\w+)", note)) == keys - shared  # one sweep is not compared
    assert f"/runs/{run_id}/artifacts/report.html" in note.splitlines()[0] and "Layer 5 is the most robust." in note


def test_the_description_in_the_list_of_experiments_is_plain_text(synced):
    first = dict(query(synced[0], "select key, value from experiment_tags"))["mlflow.note.content"].split("\n", 1)[0]
    assert first.startswith(f"1 sweep of szt, newest {SWEEP} 0123: [report] · b0.1: [most robust layer] · [shift] · ")
    assert "#" not in first and "](" not in first


def test_the_landing_page_keeps_every_sweep_and_loses_none_that_another_is_deleted_beside(workspace, tables):
    from mlflow import MlflowClient

    longer = {"variant": "4" * 8, "changes": {"training.learning_rate": 0.001}, "created_ms": 1_791_000_000_000}
    first, second = record_in(workspace, tables), record_in(workspace, only(tables, "contamination"), **longer)
    sync(first, workspace)
    alone = note_of(workspace)[1]
    sync(second, workspace)
    note, both = note_of(workspace)
    assert note.startswith("2 sweeps of szt") and note.count("Layer 5 is the most robust.") == 2
    assert f"{SWEEP} lr.001 0123" in note and f"{SWEEP} 0123" in note and alone < both
    assert all(key in note for key in both)
    assert len({run.name for record in (first, second) for run in plan_runs(record)}) == 2 * N_RUNS - len(
        FAMILIES["gaussian_displacement"][1]
    )
    client = MlflowClient(tracking.default_uri(workspace))
    (own,) = query(workspace, "select run_uuid from runs where name = 'sweep szt 800ep 0123'")[0]
    client.delete_run(own)
    sync(second, workspace)
    note, left = note_of(workspace)
    assert note.startswith("1 sweep of szt") and f"{SWEEP} lr.001 0123" in note
    assert left == {f"{OURS}{view.digits}" for view in second.views(set())}


def test_the_landing_page_says_once_what_all_sweeps_share_and_of_each_what_differs(tables, tmp_path):
    record = record_in(tmp_path, tables)
    sweeps = [
        Listed("a", "szt 9ep", "2026-11-02 10:00", {"data.atoms": "64", "training.epochs": "9"}, "It fell."),
        Listed("b", "szt 5ep", "2026-11-01 10:00", {"data.atoms": "64", "training.epochs": "5"}),
        Listed("c", "szt", "2026-11-01 09:00", {"data.atoms": "64"}),
    ]
    told = landing_page(record, "1", sweeps)
    assert "In all of them: `data.atoms=64`.\n" in told and told.count("data.atoms") == 1
    assert "2026-11-02 10:00 UTC · `training.epochs=9` · It fell.\n" in told
    assert "2026-11-01 09:00 UTC · otherwise as it comes · no verdict\n" in told
    assert "data.atoms=64`, `training.epochs=9` · It fell.\n" in landing_page(record, "1", sweeps[:1])


@pytest.mark.parametrize(
    ("layers", "side_by_side"), [(2, {"shift", "bounds", "training"}), (3, {"shift", "training"}), (5, set())]
)
def test_no_line_of_a_chart_is_missing_from_its_legend(layers, side_by_side):
    """MLflow shows two rows of a legend: in half a page four lines, and fewer with names of families or of runs."""
    views = sweep_views("a", "a", ["b0.1"], {"contamination": "tv"}, [*range(1, layers + 1)], set())
    first = {view.question: view.sections[0].columns for view in views if view.setting and view.question != "compare"}
    assert {question for question, columns in first.items() if columns == 2} == side_by_side
    assert len(first) == 5


def test_names_say_what_differs_and_where_it_is_too_much_which_settings(tables, tmp_path):
    def named(**changes):
        return record_in(tmp_path, tables, changes=changes, variant="0a1b2c3d").label

    assert named() == named(**{"training.epochs": 800}) == "szt 800ep"
    assert named(**{"training.learning_rate": 0.001}) == "szt 800ep lr.001"
    assert named(**{"training.objective": "kl_dro", "training.radius": 0.1}) == "szt 800ep kl_dro radius.1"
    assert named(**{"estimator.seed": 3}) == "szt 800ep estimator-seed3"
    assert named(**{"network.betas": [0.1, 0.2]}) == "szt 800ep #0a1b"
    assert named(**{"data.atoms": 64, "data.seed": 1, "training.batch_size": 8}) == "szt 800ep #0a1b"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.0000000000000009, "1"),
        (0.1 + 0.2, "0.3"),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
        (math.nan, "none"),
        (None, "none"),
        ([], "none"),
        ([10, 7], "10 7"),
        (True, "true"),
        (1e-5, "1e-05"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_a_value_has_one_short_text(value, shown):
    assert text(value) == shown


def test_a_dead_tracking_server_is_asked_twice_and_is_one_clear_error(workspace, tables, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # which would be waited for twice
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(TrackingError, match="could not be brought up to date") as raised:
            sync(record_in(workspace, tables), workspace, address)
        silent.setblocking(False)
        asked = 0
        with pytest.raises(BlockingIOError):
            while True:
                silent.accept()[0].close()
                asked += 1
    assert asked == 2 and "secret" not in str(raised.value)
    with pytest.raises(TrackingError):  # nobody listens there any more
        sync(record_in(workspace, tables), workspace, address)


def test_one_process_writes_at_a_time(workspace, tables):
    lock = workspace / "locks" / "mlflow.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TrackingError, match="another process"):
            sync(record_in(workspace, tables), workspace, patience=0.1)


@pytest.mark.slow
def test_the_pages_are_served_and_the_server_leaves_nothing_behind(synced):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pages = serve_ui(synced[0], port)
    assert "workflowType=machine_learning" in pages.studies["ibshift/szt"]
    pages.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
