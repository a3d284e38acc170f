"""The notes that lead people through MLflow's pages, in Markdown: the experiment's, and those of its runs.

MLflow shows the first line of an experiment's note and folds the rest, and shows the note as plain text in its list of
experiments: so the first line is a sentence, and its links are written by name alone, with their addresses at the end.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.tracking.names import text
from tasks.tracking.record import ABOUT, StudyRecord
from tasks.tracking.views import Question, View, address

VIEWS = "mlflow.ibshift.views"
LONGEST = 20_000  # characters of an experiment's tag
AS_IT_COMES = "as it comes"
CHANGES = 8  # settings that a line names


@dataclass(frozen=True)
class Listed:
    """A sweep of the experiment, from what its own run in MLflow says.

    Attributes:
        run: id of its own run.
        line: its name, unique in the experiment.
        views, shared: question -> setting -> digits of the view; those of the sweep alone, and those that compare.
        tables: questions whose views are of use as tables too.
        plain: questions whose views are tables and nothing else.
    """

    run: str
    line: str
    created: str
    changes: Mapping[str, str] = field(default_factory=dict)
    headline: str = ""
    views: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shared: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()

    @classmethod
    def read(cls, run: str, name: str, started: str, tags: Mapping[str, str]) -> "Listed":
        """From a run's tags; one that an earlier version wrote has none of them."""
        about, shown = (json.loads(tags.get(tag, "{}")) for tag in (ABOUT, VIEWS))
        return cls(
            run,
            name.removeprefix("sweep "),
            about.get("created", started),
            about.get("changes", {}),
            about.get("headline", ""),
            shown.get("own", {}),
            shown.get("shared", {}),
            tuple(shown.get("tables", ())),
            tuple(shown.get("plain", ())),
        )

    @property
    def digits(self) -> set[str]:
        """All its views."""
        return {each for kind in (self.views, self.shared) for found in kind.values() for each in found.values()}


def shown_by(views: list[View]) -> str:
    """The tag of a sweep's run from which `Listed.read` knows its views."""
    found: dict[str, Any] = {"own": {}, "shared": {}}
    for view in views:
        found["own" if view.sweep else "shared"].setdefault(view.question, {})[view.setting] = view.digits
    found["tables"] = sorted({view.question for view in views if view.table})
    found["plain"] = sorted({view.question for view in views if not view.sections})
    return json.dumps(found, separators=(",", ":"))


def report_of(experiment: str, run: str) -> str:
    return f"{run_page(experiment, run)}/artifacts/report.html?workflowType=machine_learning"


def run_page(experiment: str, run: str) -> str:
    return f"#/experiments/{experiment}/runs/{run}"


def where_from(record: StudyRecord, experiment: str, run: str) -> str:
    """The first line of the note of each run of a sweep, whose own run is `run`."""
    sweep = f"[{record.line}]({run_page(experiment, run)}?workflowType=machine_learning)"
    report = f"[report]({report_of(experiment, run)})" if "report.html" in record.files else "no report"
    settings = f"[settings]({run_page(experiment, run)}/artifacts/config.yaml?workflowType=machine_learning)"
    return " · ".join([f"Of sweep {sweep}", report, *([settings] if "config.yaml" in record.files else [])])


def sweep_note(record: StudyRecord) -> str:
    """The note of a sweep's own run: its verdicts, what it covers, and how it is made again."""
    told = [record.summary or record.headline or record.title]
    told += [f"Made again by `{record.command}`."] if record.command else []

    rows = record.facts() | {f"`{name}`": f"`{text(value)}`" for name, value in record.differs.items()}
    told.append(_table(["what it covers, settings that are not default", ""], [[*row] for row in rows.items()]))
    return "\n\n".join(told)


def landing_page(record: StudyRecord, experiment: str, sweeps: list[Listed]) -> str:
    """The experiment's note: every sweep with its date, changes, verdict and views, newest first; how to read it all.

    Where MLflow has no room for all, the oldest are listed without links to their views.
    """
    for linked in range(len(sweeps), -1, -1):
        page = _landing_page(record, experiment, sweeps, linked)
        if len(page) <= LONGEST:
            break
    return page[:LONGEST]


def _landing_page(record: StudyRecord, experiment: str, sweeps: list[Listed], linked: int) -> str:
    links, newest, names = _Links(experiment), sweeps[0], record.questions
    own = [name for name in names if any(name in sweep.views for sweep in sweeps)]
    shared = {name: views for name, views in _together(sweeps).items() if name in names and len(sweeps) > 1}
    first = [links.named("report", report_of(experiment, newest.run))]
    for name in own:
        for setting, digits in list(newest.views.get(name, {}).items())[:1]:
            where = f"{setting}: " if setting and len(first) == 1 else ""
            page = address(experiment, digits, table=name in newest.plain)
            first.append(where + links.named(names[name].short, page))
    for digits in [digits for views in shared.values() for digits in views.values()][:1]:
        first.append(links.named("compare sweeps", address(experiment, digits)))
    count = f"{len(sweeps)} sweeps" if len(sweeps) > 1 else "1 sweep"
    parts = [
        f"{count} of {record.sweep}, newest {newest.line}: {' · '.join(first)}",
        f"**{record.title}: {count} of {record.sweep}.**",
    ]
    common = dict(set.intersection(*(set(each.changes.items()) for each in sweeps))) if len(sweeps) > 1 else {}
    if common:
        parts += [
            f"In all of them: {_changed({name: newest.changes[name] for name in newest.changes if name in common})}."
        ]
    parts += ["\n".join(_told(links, each, common, own if k < linked else [], names) for k, each in enumerate(sweeps))]
    if shared:
        rows = [
            f"* {names[name].short}: {' · '.join(links.opened(newest, name, page, at) for at, page in views.items())}"
            for name, views in shared.items()
        ]
        parts += ["## Sweeps compared", "\n".join(rows)]
    answers = [f"* **{names[name].short}**: {names[name].answers}" for name in own]
    answers += [f"* **{names[name].short}**, of sweeps: {names[name].answers}" for name in shared]
    parts += ["## What each view answers", "\n".join(answers)] if answers else []
    return "\n\n".join([*parts, record.reading, links.addresses])


def _told(
    links: "_Links", sweep: Listed, common: Mapping[str, str], questions: list[str], names: Mapping[str, Question]
) -> str:
    """A sweep and, below it, its views: a line for each setting, and one for those of the whole sweep.

    A list, as it is read on a phone as well: the columns of a table get one letter wide there.
    """
    changes = _changed({name: value for name, value in sweep.changes.items() if name not in common})
    changes = f"otherwise {changes}" if common and changes == AS_IT_COMES else changes
    lines = [" · ".join([f"* {links.of(sweep)}", f"{sweep.created} UTC", changes, sweep.headline or "no verdict"])]
    for setting in dict.fromkeys(each for name in questions for each in sweep.views.get(name, {})):
        views = {name: sweep.views[name][setting] for name in questions if setting in sweep.views.get(name, {})}
        pages = " · ".join(links.opened(sweep, name, digits, names[name].short) for name, digits in views.items())
        lines.append(f"    * {setting or 'all networks'}: {pages}")
    return "\n".join(lines)


def _together(sweeps: list[Listed]) -> dict[str, dict[str, str]]:
    """The views that compare sweeps, of all that have any."""
    found: dict[str, dict[str, str]] = {}
    for sweep in sweeps:
        for question, settings in sweep.shared.items():
            found[question] = {**found.get(question, {}), **settings}
    return found


def _changed(changes: Mapping[str, str]) -> str:
    told = [f"`{name}={value}`" for name, value in list(changes.items())[:CHANGES]]
    return ", ".join(told + ([f"and {len(changes) - CHANGES} more"] if len(changes) > CHANGES else [])) or AS_IT_COMES


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in lines)


class _Links:
    """Links whose addresses stand together at the end."""

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        self._known: dict[str, str] = {}

    def named(self, words: str, target: str) -> str:
        """A link that looks like its words in plain text too."""
        self._known[words] = target
        return f"[{words}]"

    def to(self, words: str, target: str) -> str:
        """A link with words that others may have too."""
        number = next((name for name, known in self._known.items() if known == target and name.isdigit()), None)
        number = number or str(len(self._known) + 1)
        self._known[number] = target
        return f"[{words}][{number}]"

    def of(self, sweep: Listed) -> str:
        """A sweep's own run, and its report."""
        page = f"{run_page(self.experiment, sweep.run)}?workflowType=machine_learning"
        return f"{self.to(sweep.line, page)} · {self.to('report', report_of(self.experiment, sweep.run))}"

    def opened(self, sweep: Listed, question: str, digits: str, words: str = "") -> str:
        """A view, and where that is of use its table."""
        page = self.to(words or "open", address(self.experiment, digits, table=question in sweep.plain))
        if question not in sweep.tables:
            return page
        return f"{page} ({self.to('table', address(self.experiment, digits, table=True))})"

    @property
    def addresses(self) -> str:
        return "\n".join(f"[{name}]: {target}" for name, target in self._known.items())
