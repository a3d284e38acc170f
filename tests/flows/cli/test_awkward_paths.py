"""A workspace may have any name that its file system allows: every command works, and nothing lands elsewhere."""

import sqlite3

import pytest
import yaml
from sqlalchemy import create_engine, text
from tiny import TINY

from flows.cli.cli import app
from tasks.sweep import bottleneck
from tasks.tracking import sync as tracking
from tasks.tracking.sync import prepare_in_background
from tasks.urls import sqlite_url

ALPHABET = " !\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~üλ中\N{GRINNING FACE}\t\n"


def ibshift(*arguments) -> int:
    return app([*map(str, arguments)], standalone_mode=False) or 0


def waited(*places):
    """Have the database made in its own process, niced as ever, before the sweep: a busy machine may take long."""
    making = prepare_in_background(*places)
    assert making is None or making.wait() == 0
    return making


def read(capsys) -> str:
    """What was printed, with its tabs and line breaks as single spaces."""
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_every_command_works_and_nothing_lands_elsewhere(tmp_path, monkeypatch, capsys):
    name = f"0{ALPHABET}%41%2F[bold]"
    here = tmp_path / "here" / "R2["
    (here / "y]" / name).mkdir(parents=True)
    monkeypatch.chdir(here)
    workspace, sweep = here / "y]" / name / "ws", here / "y]" / name / "tiny.yaml"
    sweep.write_text(yaml.safe_dump({**TINY, "shifts": TINY["shifts"][:1], "worst_case": {"tv": [], "kl": []}}))
    monkeypatch.setattr(bottleneck, "MULTIPLIERS", bottleneck.MULTIPLIERS[:1])
    monkeypatch.setattr(tracking, "prepare_in_background", waited)
    assert ibshift("run", sweep, "-w", workspace, "--no-prefect") == 0
    (found,) = {path.resolve() for path in (workspace / "sweeps" / "tiny").glob("*/report.html")}
    said, page = read(capsys), " ".join(str(found).split())
    assert f"report {page}" in said and "warning" not in said
    for command in (("plan", sweep), ("status",), ("why", "L1"), ("verify",), ("report", sweep), ("sync", sweep)):
        assert ibshift(*command, "-w", workspace) == 0
    said = read(capsys)
    assert f"report: {page}" in said and "0 runs written" in said
    with sqlite3.connect(workspace / "mlflow" / "mlflow.db") as database:
        ((artifacts,),) = database.execute(
            "select artifact_uri from runs join tags using (run_uuid) where value = 'sweep'"
        )
    assert artifacts.startswith((workspace / "mlflow" / "artifacts").as_uri())
    assert [path.name for path in (workspace / "mlflow" / "artifacts").rglob("report.html")]
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["R2["]
    assert [path.name for path in here.iterdir()] == ["y]"] and len(list((here / "y]").iterdir())) == 1
    assert {path.name for path in workspace.parent.iterdir()} == {"ws", "tiny.yaml"}


@pytest.mark.parametrize("letter", ALPHABET)
def test_a_database_lies_where_its_path_says(letter, tmp_path):
    path = tmp_path / f"a{letter}b{letter}" / "x.db"
    path.parent.mkdir()
    with create_engine(sqlite_url(path)).connect() as connection:
        connection.execute(text("create table t (a)"))
    assert path.stat().st_size and [each.name for each in path.parent.iterdir()] == ["x.db"]
