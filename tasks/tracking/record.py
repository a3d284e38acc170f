"""What MLflow is asked to show of a finished study, as plain data: runs, views, files, data sets."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from tasks.tracking.names import text
from tasks.tracking.views import Question, View

ABOUT = "mlflow.ibshift.about"  # pages do not show what begins like MLflow's own


@dataclass(frozen=True)
class RunRecord:
    """One MLflow run: `key` finds it again within its sweep, `content` tells whether what is there is still true.

    Attributes:
        points: metric name, step, value; every value finite.
        laws: ids of the input laws this run used, the reference law first.
        failed: some estimates of this run are missing.
        span: when its results were made.
    """

    kind: str
    key: str
    name: str
    params: dict[str, str]
    tags: dict[str, str]
    points: tuple[tuple[str, int, float], ...]
    laws: tuple[str, ...] = ()
    failed: bool = False
    span: "Span | None" = None

    @property
    def content(self) -> str:
        """Digest of everything above but the span: what is made again and is the same is left as it is."""
        told = {name: value for name, value in vars(self).items() if name != "span"}
        return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


class Span(NamedTuple):
    """From when to when results were made, in ms."""

    began: int
    ended: int

    @classmethod
    def over(cls, spans: "Iterable[Span]") -> "Span | None":
        """From the first beginning to the last end; None of none."""
        found = list(spans)
        return cls(min(span.began for span in found), max(span.ended for span in found)) if found else None


class DataSet(NamedTuple):
    """One of MLflow's data sets: `digest` identifies its content, `kind` says how a run used it."""

    name: str
    digest: str
    source: str
    profile: dict[str, Any]
    kind: str


@dataclass(frozen=True, kw_only=True)
class StudyRecord(ABC):
    """What `sync` shows of one finished study.

    Attributes:
        title, reading: heading and guide of the landing page.
        questions: what its views answer, by the name that a view has it by.
        files: name -> settings, tables, figures and report; from the store: the sweep's folder may be another run's.
        plan: identities by stage and label.
        variant: of the settings, as the folder of results is called.
        settings, differs: all settings, and those that are not default, by dotted name.
        command: the command line that makes these results; empty where it is not known.
        changes: settings that are other ones than in the sweep of this name that comes with ibshift; where none does,
            than the defaults.
        headline, summary: the verdict in one sentence, and with what follows, in Markdown; empty where there is none.
        made: when each unit was made, by stage and label.
        identity: of the results; another identity makes runs of its own beside the old ones.
        created_ms: when these results were first finished; the same at every sync.
        environment: python, package versions, device: anything that JSON can hold.
        checkpoints: artifact name -> file, copied: the final epoch's.
        references: everything else, named and not copied: dicts with path, sha256, bytes.
    """

    title: ClassVar[str]
    reading: ClassVar[str]
    questions: ClassVar[Mapping[str, Question]]

    files: Mapping[str, Path]
    plan: Mapping[str, Mapping[str, str]]
    variant: str
    settings: Mapping[str, Any]
    differs: Mapping[str, Any]
    command: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    headline: str = ""
    summary: str = ""
    made: Mapping[str, Span] = field(default_factory=dict)
    identity: str
    created_ms: int
    environment: Mapping[str, Any]
    git_commit: str | None = None
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    references: Sequence[Mapping[str, Any]] = ()

    @property
    @abstractmethod
    def sweep(self) -> str:
        """The name in the settings, and of the experiment."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What the names of its runs begin with: what tells it from other sweeps of the experiment."""

    @abstractmethod
    def runs(self) -> list[RunRecord]:
        """All runs, the study's own run last."""

    @abstractmethod
    def views(self, metrics: set[str]) -> list[View]:
        """The preset views; `metrics` are the names of all metrics on the runs."""

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """What the study covers, for the landing page."""

    def data_set_of(self, law: str) -> DataSet | None:
        """The data set behind one of the laws of a run, where there is one."""
        return None

    @property
    def sweep_id(self) -> str:
        """The tag `sweep` of all its runs: name, folder of results, and which results of these settings."""
        return f"{self.sweep}-{self.variant}.{self.identity[:4]}"

    @property
    def line(self) -> str:
        """What a chart that compares sweeps calls this one: no other has the same."""
        return f"{self.label} {self.identity[:4]}"

    @property
    def created(self) -> str:
        """When these results were first finished, UTC: a day, and a time."""
        return datetime.fromtimestamp(self.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")

    @property
    def common(self) -> dict[str, str]:
        """Params of every run: which sweep it is of."""
        return {"sweep": self.line, "variant": self.variant, "created": self.created[:10]}

    def own_run(
        self, params: dict[str, str], totals: dict[str, float], laws: tuple[str, ...] = (), failed: bool = False
    ) -> RunRecord:
        """The run that holds the totals, and later the files; its content covers them all."""
        files = {name: sha256(path) for name, path in self.files.items()}
        about = {"label": self.label, "changes": {name: text(value) for name, value in self.changes.items()}}
        return RunRecord(
            kind="sweep",
            key=self.sweep_id,
            name=f"sweep {self.line}",
            params=self.common | params,
            tags={
                "files": hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16],
                "identity": self.identity,
                ABOUT: json.dumps(about | {"headline": self.headline, "created": self.created}),
            },
            points=tuple((name, 0, value) for name, value in totals.items()),
            laws=laws,
            failed=failed,
            span=Span.over(self.made.values()),
        )


def sha256(path: Path) -> str:
    """Digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
