"""The store: whole results or none, verified when read, made once."""

import json
import multiprocessing
import os
import re

import pytest

from tasks.store.locks import Busy
from tasks.store.store import Damaged, Result, Store, identity

RECIPE = {"stage": "data", "settings": {"a": 1}, "inputs": {}, "code": {}}


def publish(store, recipe=RECIPE, text="numbers"):
    with store.publishing("data", recipe) as out:
        (out / "sub").mkdir()
        (out / "sub" / "x.txt").write_text(text)
    return Result(store, "data", identity(recipe))


def test_a_published_result_reads_back(tmp_path):
    result = publish(Store(tmp_path))
    assert result.file("sub/x.txt").read_text() == "numbers"
    assert result.looks_whole()
    assert result.manifest["recipe"] == RECIPE


def test_an_error_leaves_nothing_behind(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.publishing("data", RECIPE) as out:
        (out / "x.txt").write_text("half")
        raise RuntimeError
    assert store.get("data", identity(RECIPE)) is None
    assert not list((tmp_path / "store" / ".draft").iterdir())


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_damage_is_found_and_set_aside(tmp_path, damage):
    store = Store(tmp_path)
    result = publish(store)
    path = result.folder / "sub" / "x.txt"
    if damage == "flip":
        path.write_text("nunbers")
    elif damage == "cut":
        path.write_text("num")
    elif damage == "remove":
        path.unlink()
    else:
        (result.folder / "manifest.json").write_text("{")
    fresh = Result(store, "data", result.identity)
    with pytest.raises(Damaged, match="set aside"):
        fresh.verify()
    assert store.get("data", result.identity) is None
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    assert [entry["event"] for entry in store.journal()] == ["damaged"]
    assert publish(store).file("sub/x.txt").read_text() == "numbers"


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"recipe": RECIPE | {"settings": {"a": 2}}}, "its recipe is not that of this result"),
        ({"files": {"x.txt": {"sha256": None, "bytes": 7}}}, "no checksum for x.txt"),
        ({"files": {"../x.txt": {"sha256": "0" * 64, "bytes": 7}}}, "../x.txt is no file of this result"),
        ({"files": {"/etc/passwd": {"sha256": "0" * 64, "bytes": 7}}}, "/etc/passwd is no file of this result"),
        ({"files": []}, "not a manifest"),
        ({"created_ms": "now"}, "no time"),
    ],
)
def test_a_manifest_that_is_not_its_results_is_damage(tmp_path, forged, why):
    result = publish(Store(tmp_path))
    manifest = result.folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | forged))
    with pytest.raises(Damaged, match=re.escape(why)):
        Result(Store(tmp_path), "data", result.identity).verify()


def test_the_identity_hears_settings_inputs_and_code_and_nothing_else():
    changed = [
        {**RECIPE, "settings": {"a": 2}},
        {**RECIPE, "inputs": {"law": "abc"}},
        {**RECIPE, "code": {"ib_core.sources.szt": "123"}},
    ]
    assert len({identity(recipe) for recipe in (RECIPE, *changed)}) == 4
    assert identity(RECIPE) == identity(json.loads(json.dumps(RECIPE)))


def _hold(workspace, ready, release):
    with Store(workspace).lock("x"):
        ready.set()
        release.wait()


def test_a_lock_excludes_and_dies_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, release))
    holder.start()
    ready.wait()
    with pytest.raises(Busy), Store(tmp_path).lock("x"):
        pass
    holder.kill()
    holder.join()
    with Store(tmp_path).lock("x"):
        pass


def test_drafts_of_the_dead_are_removed_and_those_of_the_living_kept(tmp_path):
    store = Store(tmp_path)
    for name in ("dead", "living"):
        (tmp_path / "store" / ".draft" / name).mkdir(parents=True)
    with store.lock("living"):
        store.sweep_drafts()
        assert [path.name for path in (tmp_path / "store" / ".draft").iterdir()] == ["living"]


def test_the_journal_survives_a_torn_line(tmp_path):
    store = Store(tmp_path)
    store.record({"event": "computed"})
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"event": "comp')
    assert [entry["event"] for entry in store.journal()] == ["computed"]
    assert store.journal()[0]["pid"] == os.getpid()
