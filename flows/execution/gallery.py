"""The page of everything in a workspace, made anew whenever results are published."""

from collections.abc import Iterator
from pathlib import Path

from flows.execution.results import LATEST, Published, published, variants
from flows.settings.overrides import as_yaml
from tasks.page.gallery import Entry, write_gallery
from tasks.page.summary import headline
from tasks.store.store import Store


def show_gallery(store: Store) -> Path:
    """Write workspace/index.html: all sweeps with all their settings, and all reproductions."""
    return write_gallery(store.workspace, [*_sweeps(store), *_reproductions(store)])


def _sweeps(store: Store) -> Iterator[Entry]:
    for variant in variants(store):
        done = published(store, variant.folder)
        yield Entry(
            kind=_kind(str(variant.last.config.get("study", ""))),
            name=variant.sweep,
            variant=variant.name,
            date=_date(done),
            differs={name: as_yaml(value) for name, value in variant.last.differs.items()},
            headline=_verdict(variant.folder),
            report=variant.report,
        )


def _reproductions(store: Store) -> Iterator[Entry]:
    for path in sorted((store.workspace / "reproductions").glob("*/*/results.json")):
        folder = path.parent
        if folder.name != LATEST and (done := published(store, folder)):
            yield Entry(
                kind="reproduction",
                name=folder.parent.name,
                date=_date(done),
                differs={name: as_yaml(value) for name, value in done.differs.items()},
                headline=_verdict(folder),
                report=folder / "report.html",
            )


def _kind(study: str) -> str:
    """ "sweep" for what most studies are, else the name of the study."""
    return {"shift_sweep": "sweep"}.get(study, study.rpartition(".")[2].replace("_", " "))


def _date(done: Published | None) -> str:
    return done.provenance.date if done and done.provenance else ""


def _verdict(folder: Path) -> str:
    try:
        return headline((folder / "summary.md").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""
