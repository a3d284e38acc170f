"""The examples of docs/extending.md are complete: each runs as it stands, and makes nothing else stale."""

import re
import sys
from pathlib import Path

import pytest
import yaml
from tiny import TINY, run_tiny

from flows.execution.mirror import mirror
from flows.execution.plan import build_plan, survey
from flows.execution.run import open_run, run_study
from flows.settings.load import parse_config
from flows.settings.settings import ConfigError
from flows.settings.study import entrypoint
from ib_core import sources
from ib_core.laws.source import SOURCES, Source
from tasks.store.parquet import read_table
from tasks.store.store import Store
from tasks.sweep.data import data_set

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """The modules of the page on the path, and the settings that name their members."""
    text = PAGE.read_text(encoding="utf-8")
    modules = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", text, re.S)
    settings = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.S)]
    for name, code in modules:
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    merged: dict = {}
    for part in settings:
        for name, value in part.items():
            merged[name] = merged[name] | value if name in merged else value
    yield merged
    for name, _ in modules:
        sys.modules.pop(name, None)


def own_study():
    """The settings of the page's study."""
    (block,) = re.findall(r"```yaml study\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    return yaml.safe_load(block)


def test_members_of_ones_own_run_from_a_sweep_file_to_a_report(examples, tmp_path):
    values = TINY | examples | {name: TINY[name] | examples[name] for name in ("network", "training")}
    config = parse_config(values, "here")
    run_tiny(tmp_path / "workspace", config)
    table = read_table(tmp_path / "workspace/sweeps/tiny/latest/information.parquet").to_pandas()
    assert set(table["shift"]) == {"reference", "my_shifts.first_half"} and set(table.n_atoms) == {256}
    assert (tmp_path / "workspace/sweeps/tiny/latest/report.html").exists()
    history = read_table(tmp_path / "workspace/sweeps/tiny/latest/history.parquet").to_pandas()
    assert history.network.str.contains("my_activations.hard_tanh", regex=False).all()
    bounds = read_table(tmp_path / "workspace/sweeps/tiny/latest/bounds.parquet").to_pandas()
    assert (bounds.holds != False).all()  # noqa: E712 - null where nothing is measured
    measured = read_table(tmp_path / "workspace/sweeps/tiny/latest/measures.parquet").to_pandas()
    assert set(measured["quantity"]) == {"snr", "square"} and (measured["value"] >= 0).all()
    assert len(measured) == (1 + 3) * 2 * 2 * 3  # a number and three places of a curve, epochs, layers, laws
    assert set(measured["at"].dropna()) == {0.1, 0.5, 0.9} and set(measured["n_atoms"]) == {256}
    # The house has grown by six members: what was finished before is as it was.
    found = {state.state for state in survey(build_plan(config), Store(tmp_path / "workspace"))}
    assert found == {"ready"}


def test_a_network_of_ones_own_is_measured_as_it_stands(examples):
    (code,) = re.findall(r"```python use\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    exec(compile(code, "docs/extending.md", "exec"), {})
    (block,) = re.findall(r"```yaml network\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    network = parse_config(TINY | yaml.safe_load(block), "here").network
    assert network.source == "my_nets:build" and network.parameters == {"inputs": 12}


def test_a_source_of_the_house_is_the_function_in_a_file_of_its_own(examples, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python house\n# parities.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "parities.py").write_text(code)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "sources")])
    monkeypatch.delitem(vars(SOURCES), "names", raising=False)
    assert "parities" in SOURCES.names and isinstance(SOURCES.find("parities"), Source)
    by_name, by_place = (data_set(source, None)[0] for source in ("parities", "my_sources:parities"))
    assert by_name.identity == by_place.identity and (by_name.n, by_name.classes) == (256, 2)
    sys.modules.pop("ib_core.sources.parities")
    vars(SOURCES).pop("names")


def test_a_study_of_ones_own_runs_resumes_and_is_shown(examples, tmp_path, monkeypatch):
    config = parse_config(own_study(), "here")
    for expected in ({"computed": 3, "reused": 0, "failed": 0}, {"computed": 0, "reused": 3, "failed": 0}):
        run = open_run(config, tmp_path / "workspace", workers=0)
        run_study(run, lambda name, work: work() if name != "tracking" else None)
        assert run.counts == expected
    table = read_table(run.folder / "neurons.parquet").to_pandas()
    assert table["capacity"].is_monotonic_decreasing and "capacity" in (run.folder / "report.html").read_text()
    assert mirror(run.plan(), run.store).written == 3
    more = build_plan(parse_config(own_study() | {"betas": [0.1, 0.3, 0.5]}, "here"))
    assert [state.state for state in survey(more, run.store)] == ["ready", "missing", "ready", "stale"]


def test_a_prefect_flow_runs_a_study_of_ones_own(examples):
    from prefect.flows import load_flow_from_entrypoint

    assert load_flow_from_entrypoint(entrypoint("my_study.neurons")).name == "own-study"


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("network", {"activation": "tahn"}, "did you mean tanh"),
        ("network", {"activation": "my_measures.power"}, "the name of one Activation, got"),
        ("network", {"activation": "my_activations.soft"}, "my_activations has no"),
        ("network", {"source": "mpl"}, "did you mean mlp"),
        ("training", {"objective": "my_objectives.worse"}, "my_objectives has no 'worse' .did you mean worst"),
        ("training", {"objective": "my_measures.power", "radius": 0.1}, "the name of one Objective, got"),
        ("training", {"objective": "my_objectives.contaminated", "radius": 2.0}, "at most 1 for my_objectives"),
        ("network", {"source": "my_nets:bulid"}, "my_nets has no 'bulid' .did you mean build"),
        ("measures", ["bining"], "did you mean binning"),
        ("study", "my_study.Table", "the name of one Study, got"),
        ("study", "nowhere.else", "ModuleNotFoundError"),
        ("data", {"source": "mnits"}, "did you mean mnist.*got .mnits"),
        ("data", {"source": "nowhere.parities"}, "ModuleNotFoundError"),
        ("data", {"source": "my_sources:parity"}, "did you mean parities"),
        ("data", {"source": "my_measures:power"}, "a function that returns x, y"),
    ],
)
def test_what_is_no_member_is_one_line(examples, section, values, message):
    with pytest.raises(ConfigError, match=message) as error:
        given = TINY.get(section, {}) | values if isinstance(values, dict) else values
        parse_config(TINY | {section: given}, "here")
    assert "\n" not in str(error.value) and section in str(error.value)
