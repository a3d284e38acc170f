"""Results of other settings stand beside each other; nothing that was finished is replaced by another variant."""

import subprocess

import numpy as np
import pytest
import yaml
from tiny import run_tiny, without_balls

from flows.execution import provenance
from flows.execution.gallery import show_gallery
from flows.execution.plan import build_plan, survey
from flows.execution.provenance import git_commit, machine
from flows.execution.results import Published, note_published, results_folder, variants
from flows.settings.load import load_config
from tasks.page.provenance import Provenance
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


def test_a_page_says_when_and_where_it_was_made_until_it_is_made_anew(both, monkeypatch):
    workspace, _ = both
    report = results_folder(workspace, without_balls()) / "report.html"
    page = report.read_text()
    assert "ibshift run tiny" not in page  # these settings were read from no file
    assert f"commit {git_commit()}" in page and machine() in page and "../../../index.html" in page
    monkeypatch.setattr(provenance, "git_commit", lambda: "f" * 40)
    run_tiny(workspace, without_balls())
    assert report.read_text() == page
    note = report.with_name("results.json")
    note.write_text(note.read_text().replace('"units"', '"unknown"'))
    run_tiny(workspace, without_balls())
    assert f"commit {'f' * 40}" in report.read_text()
    run_tiny(workspace, other())


def test_the_gallery_has_every_variant_and_reproduction(both):
    workspace, _ = both
    folder = workspace / "reproductions" / "spiral" / "0a1b2c3d"
    folder.mkdir(parents=True)
    (folder / "summary.md").write_text("# spiral\n\n3 of 4 claims are borne out.\n")
    note_published(Store(workspace), folder, Published(differs={"x": 1}, provenance=Provenance("2026-11-27 06:28 UTC")))
    page = show_gallery(Store(workspace)).read_text()
    for config in (without_balls(), other()):
        assert f"sweeps/tiny/{config.variant}/report.html" in page
    assert "training.epochs=3" in page and "3 of 4 claims are borne out." in page and "2026-11-27 06:28 UTC" in page


def test_the_commit_of_a_repository_that_it_is_installed_in_is_not_its_own(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "their.py").touch()
    for words in (["add", "."], ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "theirs"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    (tmp_path / "provenance.py").touch()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    assert git_commit() is None
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "their.py"))
    assert len(git_commit()) == 40


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
