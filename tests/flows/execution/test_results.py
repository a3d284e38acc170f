"""Results of other settings stand beside each other; nothing that was finished is replaced by another variant."""

import numpy as np
import pytest
import yaml
from tiny import run_tiny, without_balls

from flows.execution.plan import build_plan, survey
from flows.execution.results import results_folder, variants
from flows.settings.load import load_config
from tasks.store.store import Store


def other():
    return without_balls(training={"epochs": 3})


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A workspace in which a sweep was run, then with another setting: (workspace, the first report as it was)."""
    workspace = tmp_path_factory.mktemp("variants")
    run_tiny(workspace, without_balls())
    before = (results_folder(workspace, without_balls()) / "report.html").read_bytes()
    run_tiny(workspace, other())
    return workspace, before


def test_another_setting_replaces_no_report(both):
    workspace, before = both
    assert (results_folder(workspace, without_balls()) / "report.html").read_bytes() == before
    assert (results_folder(workspace, other()) / "report.html").read_bytes() != before


def test_latest_is_the_variant_that_was_finished_last(both):
    workspace, before = both
    link = workspace / "sweeps" / "tiny" / "latest"
    assert link.readlink().name == other().variant
    assert [each.name for each in variants(Store(workspace)) if each.latest] == [other().variant]
    run_tiny(workspace, without_balls())  # nothing to make
    assert link.readlink().name == without_balls().variant and (link / "report.html").read_bytes() == before
    run_tiny(workspace, other())


def test_a_folder_where_the_link_belongs_is_set_aside(both):
    workspace, _ = both
    link = workspace / "sweeps" / "tiny" / "latest"
    link.unlink()
    link.mkdir()
    (link / "mine.txt").write_text("mine")
    run_tiny(workspace, other())
    assert link.is_symlink() and next((workspace / "damaged").glob("latest-*/mine.txt")).read_text() == "mine"


def test_every_variant_is_listed_by_time_with_its_settings(both):
    found = variants(Store(both[0]))
    assert [each.last.config["training"]["epochs"] for each in found] == [2, 3]
    assert all(each.sweep == "tiny" and each.report == each.folder / "report.html" for each in found)


def test_a_variant_that_was_never_run_is_compared_with_the_last_one(both):
    store, third = Store(both[0]), without_balls(training={"epochs": 4})
    reasons = [state.reason for state in survey(build_plan(third), store) if state.unit.stage == "training"]
    assert reasons == ["setting schedule.epochs 3 -> 4"]


def test_a_variant_that_was_run_is_compared_with_itself(both):
    assert {state.state for state in survey(build_plan(without_balls()), Store(both[0]))} == {"ready"}


def test_only_settings_that_can_change_a_number_make_a_variant():
    config = without_balls()
    assert without_balls(resources={"workers": 2}).variant == config.variant
    assert without_balls(training={"momentum": 0.0}).variant == config.variant  # as it is by default
    assert other().variant != config.variant
    assert config.model_copy(update={"name": "another"}).variant == config.variant
    changed = {name for name, value in other().differing().items() if config.differing()[name] != value}
    assert changed == {"training.epochs"}


def test_where_the_folder_of_settings_lies_makes_no_variant(tmp_path):
    found = []
    for place in (tmp_path / "here", tmp_path / "there"):
        place.mkdir()
        np.savez(place / "points.npz", x=np.random.default_rng(0).normal(size=(40, 3)), y=np.arange(40) % 2)
        (place / "own.yaml").write_text(yaml.safe_dump({"name": "own", "data": {"source": "points.npz"}}))
        found.append(load_config(str(place / "own.yaml")))
    assert found[0].differing() == {"data.source": "points.npz"} == found[1].differing()
    assert found[0].data.source != found[1].data.source and found[0].variant == found[1].variant
