"""Damaged notes and strangers in a finished workspace: one line each, and every command goes on."""

import json
import random
import shutil
from pathlib import Path

import pytest

import flows.execution.run
from tasks.store.store import Store, warn

CELL = "b0.5/s0/e0000001/reference/L1"


@pytest.fixture
def workspace(finished, monkeypatch):
    """A finished sweep that has since lost two cells, one of which a note says has failed."""
    folder = Path("workspace")
    monkeypatch.chdir(finished)
    monkeypatch.setattr(flows.execution.run, "show_in_mlflow", lambda run: None)
    warn.cache_clear()
    cells = sorted((folder / "store" / "information").iterdir())
    (folder / "failed").mkdir()
    note = {"message": "planted", "traceback": "Traceback: planted"}
    (folder / "failed" / f"{cells[0].name}.json").write_text(json.dumps(note))
    for cell in cells[:2]:
        shutil.rmtree(cell)
    return folder


def as_folder(path):
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


def as_loop(path):
    path.unlink()
    path.symlink_to(path.name)


def holding(content):
    return lambda path: path.write_bytes(content)


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "binary": holding(bytes(range(256))),
    "empty": holding(b""),
    "a list": holding(b"[]"),
    "a number": holding(b"5\n"),
    "null": holding(b"null"),
    "an empty mapping": holding(b"{}"),
    "other types": holding(
        b'{"config": 1, "lost": [[]], "units": [1], "message": 3, "event": 4, "time": "x", "files": 2}'
    ),
    "deep": holding(b"[" * 100_000),
    "endless": holding(b'{"event": "computed", "time": 1e400, "identity": 1e400, "message": NaN}'),
    "a folder": as_folder,
    "a loop": as_loop,
}


def notes(workspace):
    folder = workspace / "sweeps" / "tiny" / "latest"
    failed = next((workspace / "failed").iterdir())
    return [
        failed,
        workspace / "journal.jsonl",
        *(folder / name for name in ("plan.json", "results.json", "config.yaml")),
    ]


@pytest.mark.parametrize("damage", DAMAGE)
def test_no_command_stops_at_a_damaged_note(workspace, ibshift, damage):
    damaged = notes(workspace)
    for path in damaged:
        DAMAGE[damage](path)
    code, out, err = ibshift("plan", "tiny.yaml")
    assert code == 0 and "information" in out
    assert err.count("\n") <= 2 and all(line.startswith("warning: workspace/") for line in err.splitlines())
    assert ibshift("status")[0] == 0
    assert ibshift("why", CELL)[0] in (0, 2)  # without its plan the sweep is unknown
    assert ibshift("verify")[0] == 0


@pytest.mark.parametrize("damage", ["binary", "a folder"])
def test_a_run_mends_damaged_notes(workspace, ibshift, damage):
    for path in notes(workspace):
        DAMAGE[damage](path)
    code, out, _ = ibshift("run", "tiny.yaml", "--no-prefect")
    assert code == 0 and "2 computed" in out, out
    warn.cache_clear()
    for words in (("plan", "tiny.yaml"), ("status",), ("why", CELL), ("report", "tiny.yaml")):
        code, _, err = ibshift(*words)
        assert code == 0 and ("damaged lines" in err or not err), err
    assert any(entry["event"] == "computed" for entry in Store(workspace).journal())


def test_a_damaged_line_of_the_journal_hides_no_other(workspace, ibshift):
    journal = workspace / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(b'\xff\xfe\n[1]\n5\n{"event": 1}\n{"event": "x", "time": null}\n' + whole + b'{"event": "to')
    code, out, err = ibshift("why", "L2")
    assert code == 0 and "computed" in out
    assert err == f"warning: {journal}: 6 damaged lines were skipped\n"


def test_strangers_in_the_store_are_no_damage(workspace, ibshift):
    store = workspace / "store"
    result = next((store / "data").iterdir())
    for folder in (workspace, store, store / "data", result, workspace / "sweeps", workspace / "failed"):
        for name in (".DS_Store", "notes.txt~", "#plan.json#", "Thumbs.db"):
            (folder / name).write_text("not ours")
        (folder / "untitled folder").mkdir()
        (folder / "untitled folder" / "copy.parquet").write_text("not ours")
    (store / "data" / "0123456789abcdef01234567").write_text("a file with the name of a result")
    (store / "training" / "89abcdef0123456701234567").mkdir()
    count = sum(1 for path in store.glob("*/*/manifest.json"))
    code, out, err = ibshift("verify")
    assert (code, err) == (0, "") and f"{count} results checked, 0 damaged" in out
    code, out, err = ibshift("plan", "tiny.yaml", "--json")
    states = [unit["state"] for unit in json.loads(out)]
    assert (code, err, states.count("missing"), states.count("damaged")) == (0, "", 1, 0)


def test_what_stands_where_a_result_belongs_is_made_way_for(workspace, ibshift):
    plan = json.loads(ibshift("plan", "tiny.yaml", "--json")[1])
    gone = [unit["identity"] for unit in plan if unit["state"] in ("missing", "failed")]
    (workspace / "store" / "information" / gone[0]).write_text("a foreign file")
    (workspace / "store" / "information" / gone[1]).mkdir()
    shutil.rmtree(workspace / "sweeps" / "tiny" / "latest" / "figures")
    (workspace / "sweeps" / "tiny" / "latest" / "figures").write_text("a file")
    (workspace / "locks" / f"{gone[0]}.lock").mkdir()
    shutil.rmtree(workspace / "failed")
    (workspace / "failed").write_text("a file")
    states = {unit["identity"]: unit["state"] for unit in json.loads(ibshift("plan", "tiny.yaml", "--json")[1])}
    assert [states[identity] for identity in gone] == ["missing", "missing"]
    code, out, _ = ibshift("run", "tiny.yaml", "--no-prefect")
    assert code == 0 and "2 computed" in out, out
    assert any((workspace / "sweeps" / "tiny" / "latest" / "figures").iterdir())
    kept = [path.read_text() for path in (workspace / "damaged").iterdir() if path.is_file()]
    assert sorted(kept) == ["a file", "a foreign file"]


@pytest.mark.parametrize("seed", range(16))
def test_random_damage_ends_in_words_and_a_run_mends_it(workspace, ibshift, seed):
    rng = random.Random(seed)
    for _ in range(rng.randint(1, 6)):
        everything = sorted(path for path in workspace.rglob("*") if path.is_file() and not path.is_symlink())
        told = [path for path in everything if path.suffix == ".json" or path.parent == workspace]
        DAMAGE[rng.choice(list(DAMAGE))](rng.choice(rng.choice([everything, told])))
    for words in (("plan", "tiny.yaml"), ("status",), ("why", CELL), ("verify",), ("plan", "tiny.yaml")):
        code, out, err = ibshift(*words)
        assert code in {"verify": (0, 1), "why": (0, 2)}.get(words[0], (0,)), (words, out, err)
        assert all(line.startswith(("warning: ", "ibshift: ")) for line in err.splitlines()), err
    if seed % 5:  # a run takes a while
        return
    assert ibshift("run", "tiny.yaml", "--no-prefect")[0] == 0
    assert {unit["state"] for unit in json.loads(ibshift("plan", "tiny.yaml", "--json")[1])} == {"ready"}
    assert "0 damaged" in ibshift("verify")[1]
