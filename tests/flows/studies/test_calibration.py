"""A small calibration, in this process: what its tables promise, how it resumes, and what MLflow is shown."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from small_calibration import SMALL, run_small, small

from flows.execution.mirror import mirror
from flows.execution.plan import build_plan, survey
from flows.execution.results import publish
from flows.execution.run import open_run
from flows.settings.load import load_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.settings.study import STUDIES, entrypoint, study_named
from flows.studies.calibration.settings import CalibrationConfig
from ib_core.bounds import theorems
from ib_core.bounds.theorem import Bound, Theorem
from tasks.calibration.figures import risk_against_bounds, sampled_information
from tasks.calibration.report import theorem_table
from tasks.calibration.risk import Risk
from tasks.calibration.tables import load_calibration
from tasks.calibration.tracking import CalibrationRecord
from tasks.engine.recipe import reading
from tasks.page.figure_style import house_style
from tasks.store.store import Result, Store


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    run_small(folder)
    return folder


@pytest.fixture(scope="module")
def tables(workspace):
    return load_calibration(workspace / "sweeps" / "small" / "latest")


def value(tables, **where):
    rows = tables.calibration
    for name, wanted in where.items():
        rows = rows[rows[name] == wanted]
    return rows


def test_no_proven_bound_is_violated_and_vacuous_ones_are_flagged(tables):
    proven = tables.bounds[tables.bounds["proven"]]
    assert proven["holds"].all()
    # How large n must be for the printed theorems is not printed, so they are shown and not counted.
    assert set(tables.bounds.loc[~tables.bounds["proven"], "theorem"]) == {
        *("risk_bounded_printed", "information_risk_printed", "information_risk_slides")
    }
    printed = tables.bounds[tables.bounds["theorem"] == "risk_bounded_printed"]
    assert printed["vacuous"].any() and ((printed["bound"] >= printed["cap"]) == printed["vacuous"]).all()
    entropy = tables.bounds[(tables.bounds["law"] == "grid") & (tables.bounds["n"] == 16)]
    assert {"entropy_risk", "risk_bounded_printed", "entropy_spread", "bias_lower_bound"} <= set(entropy["theorem"])
    sampled = tables.bounds[tables.bounds["part"] == "sampled"]
    assert set(sampled["theorem"]) == {
        *("information_risk", "information_risk_printed", "information_risk_printed_sharp", "information_risk_slides")
    }


def empty_record():
    """What a record is made of besides its tables."""
    said = {"variant": "0" * 8, "settings": {}, "differs": {}, "command": ""}
    return {"files": {}, "plan": {}, "identity": "0" * 24, "created_ms": 0, "environment": {}, "made": {}} | said


def test_a_theorem_that_is_added_to_the_table_is_everywhere(workspace, tmp_path, monkeypatch):
    more = Theorem(
        name="trial",
        concerns=("entropy", "sampled"),
        quantity="risk",
        label="Trial: 3/2",
        statement="E|error| ≤ 1.5",
        hypotheses="Always.",
        source="nobody",
        function=None,
        bound=lambda case: Bound(1.5),
    )
    monkeypatch.setattr(theorems, "THEOREMS", (*theorems.THEOREMS, more))
    (recipe,) = build_plan(small()).stages["tables"]
    with reading(Store(workspace)):
        recipe.build(tmp_path)
    tables = load_calibration(tmp_path)
    mine = tables.bounds[tables.bounds["theorem"] == "trial"]
    assert set(mine["part"]) == {"entropy", "sampled"} and (mine["bound"] == 1.5).all() and mine["proven"].all()
    assert "Trial: 3/2" in [row[0] for row in theorem_table(tables).rows]
    common = empty_record()
    runs = CalibrationRecord(**common, tables=tables).runs()
    assert {run.key.split("/")[0] for run in runs if ("bound_trial" in [name for name, *_ in run.points])} == {
        *("entropy", "sampled")
    }
    with house_style():
        legends = [legend for draw in (risk_against_bounds, sampled_information) for legend in draw(tables).legends]
    assert [text.get_text() for legend in legends for text in legend.get_texts()].count("Trial: 3/2") == 2


def test_the_spread_falls_like_one_over_root_n_and_the_plain_gap_like_one_over_n_x(tables):
    slopes = tables.slopes.set_index(["part", "law", "quantity"])
    spread = slopes.loc[("entropy", "skewed_hypercube", "sd")]
    assert (np.abs(spread["value"] + 0.5) < 4 * spread["stderr"] + 0.05).all()
    gap = slopes.loc[("bracket", "chain", "held_out_gap")]
    assert (np.abs(gap["value"] + 1.0) < 4 * gap["stderr"] + 0.1).all()
    last = value(tables, part="bracket", n_passes=16).set_index("quantity")
    gap, first_term = last.loc["held_out_gap"], last.loc["expected_gap", "value"]
    assert abs(gap["value"] - 0.9 * first_term) < 0.1 * first_term + 4 * gap["stderr"]


def test_the_error_of_a_plug_in_counts_its_draws_and_not_the_passes(tables):
    ends = tables.calibration[tables.calibration["part"] != "entropy"]
    assert (ends["mc_stderr"].dropna() < 1e-9).all()  # in two dimensions a grid gives it
    spread = value(tables, part="bracket", quantity="sd")
    assert (spread["value"] > 3 * spread["stderr"]).all()
    draws = value(tables, part="bracket", quantity="draws")
    assert ((draws["value"] > 1e-4) & (draws["value"] < 0.05)).all()


def test_what_the_replications_say_is_what_is_published(workspace, tables):
    rows = value(tables, part="bracket", n_passes=8).set_index("quantity")
    cases = [case for case in build_plan(small()) if case.label == "chain/b0.5/d2/x8"]
    (unit_,) = cases
    found = Result(Store(workspace), unit_.stage, unit_.identity).file("replications.parquet")
    frame = pd.read_parquet(found)
    error = frame["plug_in"] - frame["truth"]
    assert rows.loc["risk", "value"] == pytest.approx(error.abs().mean())
    assert rows.loc["sd", "value"] == pytest.approx(error.std())
    assert rows.loc["draws", "value"] == pytest.approx(math.sqrt(((frame["upper"] - frame["plug_in"]) ** 2).mean()))
    assert rows.loc["gap", "value"] == pytest.approx((frame["upper"] - frame["lower"]).mean())
    inside = (frame["low"] <= frame["truth"]) & (frame["truth"] <= frame["high"])
    assert rows.loc["missed", "value"] == pytest.approx((~inside).mean()) and rows.loc["missed", "stderr"] > 0


def test_both_ends_enclose_the_truth_on_average(tables):
    for part, sign in (("lower", 1), ("held_out", 1), ("plug_in", -1), ("upper", -1)):
        ends = value(tables, part="bracket", quantity=part)
        assert (sign * (ends["truth"] - ends["value"]) >= -3 * ends["stderr"]).all()


def test_risk_is_at_most_bias_and_spread_and_at_least_each(tables):
    wide = value(tables, part="entropy").pivot_table("value", ["law", "d", "n"], "quantity")
    assert (wide["bias"].abs() <= wide["risk"] + 1e-12).all()
    assert (wide["risk"] <= np.hypot(wide["bias"], wide["sd"]) + 1e-12).all()


def test_the_least_n_grows_with_the_dimension(tables):
    grid = tables.complexity[tables.complexity["law"] == "grid"].set_index("d")
    assert 16 < grid.loc[1, "n"] < grid.loc[2, "n"] < 1024
    assert (grid["n"] <= grid["upper"]).all()


def test_the_same_command_makes_nothing_again_and_a_change_only_what_depends_on_it(workspace):
    assert run_small(workspace).counts == {"computed": 0, "reused": 23, "failed": 0}
    changed = survey(build_plan(small(entropy={"levels": [0.1]})), Store(workspace))
    assert {state.unit.stage for state in changed if state.state == "stale"} == {"tables", "report"}
    changed = survey(build_plan(small(chain={"replications": 25})), Store(workspace))
    assert {state.unit.stage for state in changed if state.state == "stale"} == {"bracket", "tables", "report"}
    assert next(state.reason for state in changed if state.state == "stale") == "setting replications 16 -> 25"


def test_a_case_has_the_same_bits_alone_and_among_others(workspace, tmp_path):
    run = open_run(small(entropy={"samples": [64], "dimensions": [2]}), tmp_path)
    for case in reversed(run.plan().stages["risk"]):
        (ended,) = run.pool.map([case], run.stop)
        there, here = (Store(folder).get("risk", ended.identity) for folder in (workspace, tmp_path))
        assert there.manifest["files"] == here.manifest["files"]


def test_a_failed_case_is_marked_and_the_others_are_shown(tmp_path, monkeypatch):
    def draw(self, out, real=Risk.build):
        if self.n == 16 and self.law == "grid":
            raise FloatingPointError("no luck")
        real(self, out)

    monkeypatch.setattr(Risk, "build", draw)
    config = small(
        entropy={"samples": [16, 64], "dimensions": [1], "replications": 4},
        chain={"passes": [1], "sampled": [], "replications": 2},
    )
    with pytest.raises(Exception, match="1 units failed"):
        run_small(tmp_path, config, keep_going=True)
    found = load_calibration(tmp_path / "sweeps" / "small" / "latest").calibration
    assert found[found["status"] == "failed"][["law", "n"]].to_numpy().tolist() == [["grid", 16]]
    assert "Failed cases" in (tmp_path / "sweeps" / "small" / "latest" / "report.html").read_text()


def test_the_report_holds_every_figure_and_needs_nothing_else(workspace):
    folder = workspace / "sweeps" / "small" / "latest"
    page = (folder / "report.html").read_text()
    figures = sorted(path.stem for path in (folder / "figures").iterdir())
    assert len(figures) == 5 and page.count(";base64,") == 5
    assert all(f'id="{name}"' in page for name in figures) and "Not drawn" not in page
    assert "http" not in re.sub('base64,[^"]*', "", page)
    text = re.sub("<[^>]*>", "", page)  # names of theorems lead to their statements
    tables = load_calibration(folder).bounds
    assert f"None of {tables['proven'].sum()} comparisons with proven bounds is violated" in text
    assert "not counted as proven: Goldfeld et al. eq. (52), Goldfeld et al. Prop. 1 with eq. (52)." in text
    assert not re.search(r"\bnan\b", text)
    csv = pd.read_csv(folder / "calibration.csv")
    assert len(csv) == len(load_calibration(folder).calibration)


def test_mlflow_has_a_run_for_each_case_with_the_same_params(workspace):
    plan, store = build_plan(small()), Store(workspace)
    assert mirror(plan, store).written == 7  # 2 laws x 2 widths, bracket, sampled, and the study itself
    (workspace / "sweeps" / "small" / "latest" / "report.html").write_text(
        "published since by a run with other settings"
    )
    assert mirror(plan, store).written == 0
    publish(store, small(), plan.shown)

    common = empty_record()
    with reading(store):
        runs = plan.study.record(plan.shown[0], **common).runs()
    assert len({tuple(run.params) for run in runs if run.kind == "case"}) == 1
    assert all(math.isfinite(number) for run in runs for _, _, number in run.points)
    names = {name for run in runs for name, _, _ in run.points}
    assert {
        "risk",
        "gap",
        "held_out_gap",
        "missed",
        "bound_entropy_risk",
        "bound_information_risk_slides",
        "slope_sd",
    } <= names


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("entropy.laws.0.law=hypercub", "did you mean hypercube"),
        ("entropy.replicatons=3", "did you mean replications"),
        ("entropy.laws.2.betas=[2.0]", r"entropy.laws.2 \(grid\): epsilon must be"),
        ("entropy.samples=[1]", "entropy.samples.0: .*greater than or equal to 2"),
        ("chain.slopes=[1,2,3]", "slopes and offsets must be as many"),
        ("resources.max_cells=10", "the grid has [0-9]+ cases"),
        ("network.betas=[1]", "network: unknown setting"),
    ],
)
def test_a_wrong_setting_is_one_line(override, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        load_config("calibration", parse_overrides([override]))
    assert "\n" not in str(error.value)


def test_every_study_has_stages_that_exist_and_a_prefect_flow_of_its_name():
    from prefect.flows import load_flow_from_entrypoint

    for name in STUDIES.names:
        study = study_named(name)
        assert load_flow_from_entrypoint(entrypoint(name)).name == name.replace("_", "-")
        assert {kind.stage for kind in (study.cells, *study.shown)} <= set(study.stages)


@pytest.mark.slow
def test_entropies_alone_need_no_chain(tmp_path):
    entropy = SMALL["entropy"] | {"laws": [{"law": "corner_mixture", "betas": [0.5]}], "dimensions": [1, 3]}
    run = run_small(tmp_path, CalibrationConfig.model_validate({**SMALL, "entropy": entropy, "chain": None}))
    found = load_calibration(run.folder)
    assert set(found.calibration["part"]) == {"entropy"} and (found.calibration["status"] == "ok").all()
    page = (run.folder / "report.html").read_text()
    assert "tanh neurons" not in page and "corner mixture" in page
