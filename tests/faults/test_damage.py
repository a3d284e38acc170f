"""Bad luck with the disk: a failed write, a flipped bit, a failing cell. Nothing finished is lost."""

import errno
import hashlib
import shutil
import sys
from pathlib import Path

import pytest
from commands import without_provenance

import tasks.store.store
import tasks.sweep.information
import tasks.sweep.laws
from flows.execution.run import StageFailed
from tasks.store.store import Store
from tasks.sweep.tables import load_tables

sys.path.append(str(Path(__file__).parents[1] / "flows"))
from tiny import run_tiny, tiny, without_balls

pytestmark = pytest.mark.slow


def tables(workspace):
    folder = workspace / "sweeps" / "tiny" / "latest"
    return {
        path.name: hashlib.sha256(without_provenance(path.read_bytes())).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".csv", ".html", ".svg", ".png")
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace in which nothing went wrong; copy it before you change it."""
    workspace = tmp_path_factory.mktemp("undisturbed")
    run_tiny(workspace, without_balls())
    return workspace


@pytest.fixture(scope="module")
def undisturbed(finished):
    return tables(finished)


def test_a_full_disk_at_any_flush_loses_nothing_that_was_finished(tmp_path, undisturbed, monkeypatch):
    real, calls, limit = tasks.store.store._flush, 0, 0

    def failing(path):
        nonlocal calls
        calls += 1
        if calls == limit:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path)

    monkeypatch.setattr(tasks.store.store, "_flush", failing)
    published = 0
    # Each attempt meets the full disk later than the one before.
    for limit in range(1, 200, 4):  # noqa: B007
        calls = 0
        try:
            run_tiny(tmp_path, without_balls())
            break
        except (StageFailed, OSError) as error:
            assert "No space left" in str(error)
        now = sum(1 for _ in (tmp_path / "store").glob("[a-z]*/*/manifest.json"))
        assert now >= published
        published = now
    assert tables(tmp_path) == undisturbed


@pytest.mark.parametrize("stage", ["data", "reference", "laws", "training", "activations", "information"])
def test_a_flipped_bit_is_found_and_what_it_hit_is_made_again(tmp_path, finished, undisturbed, stage):
    shutil.copytree(finished, tmp_path, symlinks=True, dirs_exist_ok=True)
    after = {
        "data": "reference",
        "reference": "laws",
        "laws": "training",
        "training": "activations",
        "activations": "information",
        "information": "bounds",
    }
    for later in list(after.values())[list(after).index(stage) :]:
        for folder in (tmp_path / "store" / later).iterdir():
            folder.rename(tmp_path / f"gone-{folder.name}")
    for path in (tmp_path / "store" / stage).rglob("*.*"):
        if path.name != "manifest.json":
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 4
            path.write_bytes(content)
    run_tiny(tmp_path, without_balls())
    assert tables(tmp_path) == undisturbed
    assert any((tmp_path / "damaged").iterdir())


@pytest.mark.parametrize("lost", ["gaussian_displacement/0.1", "reference"])
def test_keep_going_reports_what_is_left(tmp_path, undisturbed, monkeypatch, lost):
    """A law that cannot be made, or all cells of the reference: the rest is reported and nothing called violated."""
    real_divergences, real_information = tasks.sweep.laws.divergences, tasks.sweep.information.network_layer_information

    def failing_divergences(reference, law):
        if lost != "reference" and (law.atoms != reference.atoms).any():
            raise ArithmeticError("planted")
        return real_divergences(reference, law)

    def failing_information(*args, weights, **kwargs):
        if lost == "reference" and weights.shape[1] > 1:
            raise ArithmeticError("planted")
        return real_information(*args, weights=weights, **kwargs)

    monkeypatch.setattr(tasks.sweep.laws, "divergences", failing_divergences)
    monkeypatch.setattr(tasks.sweep.information, "network_layer_information", failing_information)
    with pytest.raises(StageFailed, match="units failed"):
        run_tiny(tmp_path, tiny() if lost == "reference" else without_balls(), keep_going=True)
    found = load_tables(tmp_path / "sweeps" / "tiny" / "latest")
    failed = found.information[found.information.status == "failed"]
    assert len(failed) and not found.bounds.holds.eq(False).any() and found.bounds.bound.notna().all()
    assert (found.information.status == "ok").any()
    assert (tmp_path / "sweeps" / "tiny" / "latest" / "report.html").exists()


def test_a_failing_cell_stops_the_run_and_keep_going_marks_it(tmp_path, undisturbed, monkeypatch):
    real = tasks.sweep.information.network_layer_information

    def failing(network, layer, *args, **kwargs):
        if layer == 1:
            raise FloatingPointError("planted")
        return real(network, layer, *args, **kwargs)

    monkeypatch.setattr(tasks.sweep.information, "network_layer_information", failing)
    with pytest.raises(StageFailed, match="planted"):
        run_tiny(tmp_path, without_balls())
    with pytest.raises(StageFailed, match="4 units failed"):
        run_tiny(tmp_path, without_balls(), keep_going=True)
    found = load_tables(tmp_path / "sweeps" / "tiny" / "latest").information
    assert set(found[found.status == "failed"].layer) == {1}
    assert found[(found.layer == 2) & (found.quantity == "I_X_T")].status.eq("ok").all()
    assert len(list((tmp_path / "failed").iterdir())) == 4

    monkeypatch.setattr(tasks.sweep.information, "network_layer_information", real)
    run_tiny(tmp_path, without_balls())
    assert tables(tmp_path) == undisturbed
    assert not list((tmp_path / "failed").iterdir())
    events = [entry["event"] for entry in Store(tmp_path).journal()]
    assert events.count("failed") == 5
