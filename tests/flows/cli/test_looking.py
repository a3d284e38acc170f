"""Commands that look: a finished sweep in one line, variants side by side, of a unit what was found before hashes."""

import json
import re
import shutil

import pandas as pd
import pytest
from tiny import tiny

from flows.cli.app import console
from flows.cli.variant_table import differing
from flows.settings.settings import StudyConfig
from tasks.store.store import Store

HASH = re.compile(r"\b[0-9a-f]{12,}\b")


@pytest.fixture
def beside(finished_once, monkeypatch):
    """The working directory is that of the finished sweep, which is only looked at."""
    monkeypatch.chdir(finished_once)
    return finished_once


def test_a_plan_with_nothing_to_do_is_one_line(ibshift, beside):
    code, out, _ = ibshift("plan", "tiny.yaml")
    assert code == 0 and out.count("\n") == 1
    assert out.startswith("tiny: nothing to do, all 29 units are ready: workspace/sweeps/tiny/")


def test_a_plan_says_what_the_run_takes_in_all(ibshift, beside, tmp_path):
    first = ibshift("plan", "tiny.yaml", "-w", str(tmp_path))[1].splitlines()[0]
    assert re.fullmatch(r"tiny: 29 units, 29 to make, about .* (s|min) on 1 worker", first)


STAGES = {
    "data": "4,096, of 12 numbers each, in 2 classes",
    "reference": "H(X) = 8.318 nats",
    "laws": "TV 0.2, KL 1.17 nats, W1 ",
    "training": "correct with the noise on",
    "activations": "4,096 atoms, 2 noisy passes of each",
    "information": "% of H(X)",
    "measures": "I_X_bins",
    "worst_case": "within KL 0.1 nats",
    "bounds": "violated",
    "report": "files",
}


@pytest.mark.parametrize("stage", STAGES)
def test_why_says_state_and_figures_first_and_no_hash(stage, ibshift, beside):
    code, out, _ = ibshift("why", stage)
    first, state, *rest = out.splitlines()
    assert code == 0 and first.startswith(stage) and state == "  ready"
    told = " ".join(out.split())
    assert STAGES[stage] in told and not HASH.search(out)
    facts = [line for line in rest if not line.lstrip().startswith(("settings", "made from", "journal"))]
    assert facts[0] == rest[0]


def test_a_cell_s_bracket_is_that_of_the_table(ibshift, beside):
    folder = beside / "workspace" / "sweeps" / "tiny" / "latest"
    rows = pd.read_parquet(folder / "information.parquet")
    row = rows.query("quantity == 'I_X_T' and estimator == 'upper' and layer == 1 and epoch == 2 and size == 0").iloc[0]
    out = " ".join(ibshift("why", "e0000002/reference/L1")[1].split())
    assert f"I(X;T_1) reference {row['lower']:.4g} to {row['upper']:.4g} nats (upper end {row['value']:.4g} ±" in out


def test_the_hashes_are_there_for_who_asks(ibshift, beside):
    out = ibshift("why", "e0000002/reference/L1", "--verbose")[1]
    assert HASH.search(out) and "library" in out and "identity" in out


def test_why_says_the_reason_of_what_is_not_ready(ibshift, finished, monkeypatch):
    monkeypatch.chdir(finished)
    monkeypatch.setattr(console, "width", 200)
    cells = sorted((finished / "workspace" / "store" / "information").iterdir())
    shutil.rmtree(cells[0])
    (finished / "workspace" / "failed").mkdir()
    note = {"message": "ValueError: planted", "traceback": "Traceback: planted"}
    (finished / "workspace" / "failed" / f"{cells[0].name}.json").write_text(json.dumps(note))
    _, state, *rest = ibshift("why", cells[0].name)[1].splitlines()
    assert state == "  failed: ValueError: planted" and rest[-1] == "Traceback: planted"


def test_why_sees_damage(ibshift, finished, monkeypatch):
    monkeypatch.chdir(finished)
    table = next((finished / "workspace" / "store" / "information").glob("*/estimates.parquet"))
    content = bytearray(table.read_bytes())
    content[100] ^= 1
    table.write_bytes(content)
    code, out, _ = ibshift("why", table.parent.name)
    assert (
        code == 0 and out.splitlines()[1] == "  damaged: a file is not what was written: ibshift verify sets it aside"
    )
    assert table.exists()  # a command that looks moves nothing


def test_status_shows_variants_with_what_differs_and_the_latest(ibshift, finished, monkeypatch):
    monkeypatch.chdir(finished)
    monkeypatch.setattr(console, "width", 80)
    sweeps = finished / "workspace" / "sweeps" / "tiny"
    plan = json.loads((sweeps / "latest" / "plan.json").read_text())
    plan["config"]["training"]["epochs"] = 3
    plan["time"] += 3600
    other = tiny(training={"epochs": 3}).variant
    (sweeps / other).mkdir()
    (sweeps / other / "plan.json").write_text(json.dumps(plan))
    lines = ibshift("status")[1].splitlines()
    assert lines[0] == "tiny: 2 variants"
    first, second = (line for line in lines if "training.epochs" in line)
    assert first.startswith(tiny().variant) and "29 of 29" in first and first.endswith("latest training.epochs 2")
    assert second.startswith(other) and "4 of 29" in second and second.rstrip().endswith("training.epochs 3")
    assert f"tiny {tiny().variant}: all 29 units are ready" in lines  # the latest is the one that was finished last
    assert max(map(len, lines[:4])) <= 80


def test_what_differs_is_what_is_not_the_same_in_all_and_never_where_it_ran():
    several: list[StudyConfig] = [
        tiny(),
        tiny(training={"epochs": 3}, resources={"workers": 2}),
        tiny(training={"epochs": 3}, network={"betas": [0.1, 0.5]}),
    ]
    assert differing(several) == [
        {"network.betas": "[0.5]", "training.epochs": "2"},
        {"network.betas": "[0.5]", "training.epochs": "3"},
        {"network.betas": "[0.1, 0.5]", "training.epochs": "3"},
    ]
    assert differing(several[:1]) == [{}]


def test_looking_makes_nothing(ibshift, beside):
    before = sorted(beside.rglob("*"))
    for words in (("plan", "tiny.yaml"), ("status",), ("why", "L1")):
        ibshift(*words)
    assert sorted(beside.rglob("*")) == before and Store(beside / "workspace").stages()
