"""The examples of docs/extending.md are complete: each runs as it stands, and makes nothing else stale."""

import re
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "flows"))

from tiny import TINY, run_tiny

from flows.execution.plan import build_plan, survey
from flows.settings.load import parse_config
from flows.settings.settings import ConfigError
from tasks.store.parquet import read_table
from tasks.store.store import Store

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
    yield {name: value for part in settings for name, value in part.items()}
    for name, _ in modules:
        sys.modules.pop(name, None)


def test_members_of_ones_own_run_from_a_sweep_file_to_a_report(examples, tmp_path):
    values = TINY | examples | {"network": TINY["network"] | examples["network"]}
    config = parse_config(values, "here")
    run_tiny(tmp_path / "workspace", config)
    table = read_table(tmp_path / "workspace/sweeps/tiny/information.parquet").to_pandas()
    assert set(table["shift"]) == {"reference", "my_shifts.first_half"} and set(table.n_atoms) == {256}
    assert (tmp_path / "workspace/sweeps/tiny/report.html").exists()
    # The house has grown by three members: what was finished before is as it was.
    found = {state.state for state in survey(build_plan(config), Store(tmp_path / "workspace"))}
    assert found == {"ready"}


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("network", {"activation": "tahn"}, "did you mean tanh"),
        ("network", {"activation": "my_sources.parities"}, "the name of one Activation, got"),
        ("network", {"activation": "my_activations.soft"}, "my_activations has no"),
        ("data", {"source": "mnits"}, "one of szt, or module.name"),
        ("data", {"source": "nowhere.parities"}, "ModuleNotFoundError"),
    ],
)
def test_what_is_no_member_is_one_line(examples, section, values, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_config(TINY | {section: TINY.get(section, {}) | values}, "here")
    assert "\n" not in str(error.value) and section in str(error.value)
