"""The command that repeats studies of the literature: their sweeps, then their claims beside what is found."""

import hashlib
import shlex
import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from flows.cli.app import WORKSPACE, Overrides, Workspace, app, console
from flows.execution.gallery import show_gallery
from flows.execution.results import Published, made_by, note_published, results_folder
from flows.settings.load import load_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError, StudyConfig
from ib_core.members import did_you_mean
from tasks.reproduction.reproduction import REPRODUCTIONS, Reproduction
from tasks.store.store import Store

STYLES = {True: "green", False: "red", None: "dim"}


@app.command()
def reproduce(
    name: Annotated[str | None, typer.Argument(help="Which study; without one, all are listed.")] = None,
    workspace: Workspace = WORKSPACE,
    overrides: Overrides = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes at once; 0 works in this one, without Ray.")
    ] = None,
    small: Annotated[
        bool, typer.Option("--small", help="A first look within a minute: shrunken sweeps, whose verdicts say nothing.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on after failed cells; mark them in the tables.")
    ] = False,
    no_prefect: Annotated[bool, typer.Option("--no-prefect", help="Run without a Prefect server.")] = False,
) -> None:
    """Repeat a study of the literature, or go on with it: published claims beside what is found, with verdicts.

    Exit codes are those of run; a claim that is not borne out is a finding and no error.
    """
    if name is None:
        _list()
        return
    study, settings = named_reproduction(name), parse_overrides(overrides or [])
    configs = {sweep: _config(sweep, study, settings, small) for sweep in study.sweeps}
    from flows.cli.launch import Launch, writable
    from flows.execution.run import open_run
    from tasks.reproduction.page import tally, write_reproduction

    workspace = writable(workspace)
    for sweep, config in configs.items():
        opened = open_run(config, workspace, workers)
        opened.keep_going = keep_going
        given = _given(sweep, study, settings, small)
        code = Launch(opened, sweep, given, console, use_prefect=not no_prefect).execute()
        if code and not (keep_going and (opened.folder / "report.html").exists() and code == 1):
            raise typer.Exit(code)
    results = {sweep: results_folder(workspace, config) for sweep, config in configs.items()}
    out = workspace / "reproductions" / (name + "-small" * small) / _variant(configs.values())
    store, command = Store(workspace), _command(name, overrides, small)
    made = made_by(store, out, command, time.time())
    claims = write_reproduction(name, study, results, out, command, small, made)
    note_published(store, out, Published(differs=settings, provenance=made))
    show_gallery(store)
    table = Table("claim", "published", "found here", "verdict")
    for claim in claims:
        table.add_row(claim.statement, claim.published, claim.found, Text(claim.verdict, STYLES[claim.agrees]))
    console.print(table)
    console.say(f"{name}: {tally(claims)}{' (a first look, which judges nothing)' if small else ''}")
    console.say(f"  page         {out / 'report.html'}")


def named_reproduction(name: str) -> Reproduction:
    """A study of the literature by its name, with hyphens or underscores.

    Raises:
        ConfigError: there is none.
    """
    try:
        return REPRODUCTIONS.find(name.replace("-", "_"))
    except (KeyError, TypeError) as error:
        known = [shown_name(each) for each in REPRODUCTIONS.names]
        close = did_you_mean(name, known)
        raise ConfigError(f"name must be one of {', '.join(known)}{close}, got {name!r}") from error


def shown_name(member: str) -> str:
    """As people type it."""
    return member.replace("_", "-")


def _list() -> None:
    table = Table("study", "what it asks", "sweeps")
    for each in REPRODUCTIONS.names:
        study = REPRODUCTIONS.find(each)
        table.add_row(shown_name(each), study.question, ", ".join(study.sweeps))
    console.print(table)
    console.say("ibshift reproduce NAME runs one; --small gives a first look within a minute")


def _given(sweep: str, study: Reproduction, settings: dict[str, Any], small: bool) -> dict[str, Any]:
    """Settings of a sweep by their dotted names: those of the first look, and then the user's."""
    shrunken = {**study.small.get(sweep, {}), "name": f"{sweep}-small"} if small else {}
    return {**shrunken, **settings}


def _config(sweep: str, study: Reproduction, settings: dict[str, Any], small: bool) -> StudyConfig:
    return load_config(sweep, _given(sweep, study, settings, small))


def _variant(configs: Iterable[StudyConfig]) -> str:
    """Eight hexadecimal digits of the settings of all its sweeps: pages of other settings are kept apart."""
    return hashlib.sha256(" ".join(config.variant for config in configs).encode()).hexdigest()[:8]


def _command(name: str, overrides: list[str] | None, small: bool) -> str:
    words = ["ibshift", "reproduce", name, *(["--small"] if small else [])]
    return shlex.join([*words, *(word for each in overrides or [] for word in ("--set", each))])
