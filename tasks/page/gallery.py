"""The page of everything in a workspace: each sweep and each reproduction with its verdict, picture and report."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

from tasks.page.page import THUMBNAIL, render
from tasks.page.provenance import Provenance, filled
from tasks.store.store import write_text


@dataclass(frozen=True)
class Entry:
    """One set of results: a variant of a sweep, or a reproduction.

    Attributes:
        kind: "sweep", "calibration", "reproduction", or as a study of a user's own is called.
        name: of the sweep or reproduction.
        variant: of its settings; "" where there is but one.
        date: when it was complete, such that later ones sort behind earlier ones: "2026-11-27 06:28 UTC".
        differs: settings that are not the default, by dotted name.
        headline: its verdict in one sentence; "" where the study writes none.
        report: its page; None where there is none yet. The picture beside it is shown.
    """

    kind: str
    name: str
    variant: str = ""
    date: str = ""
    differs: Mapping[str, str] = field(default_factory=dict)
    headline: str = ""
    report: Path | None = None


def gallery_page(workspace: Path) -> Path:
    """Where it is written."""
    return workspace / "index.html"


def write_gallery(workspace: Path, entries: Iterable[Entry], provenance: Provenance = Provenance()) -> Path:  # noqa: B008
    """Write the page in one atomic step; its path.

    Entries of one kind and name stand together, the newest first.
    """
    found = sorted(entries, key=lambda entry: (entry.date, entry.name, entry.variant), reverse=True)
    place = {key: k for k, key in reversed(list(enumerate(_key(entry) for entry in found)))}
    shown = [list(group) for _, group in groupby(sorted(found, key=lambda entry: place[_key(entry)]), _key)]
    page = render(
        Path(__file__).with_name("gallery.html"),
        title=f"results in {workspace.absolute().name}",
        groups=[[(entry, _link(workspace, entry.report), _picture(workspace, entry)) for entry in g] for g in shown],
    )
    path = gallery_page(workspace)
    write_text(path, filled(page, provenance))
    return path


def _key(entry: Entry) -> tuple[str, str]:
    return entry.kind, entry.name


def _link(workspace: Path, file: Path | None) -> str:
    """A file's address in the page; "" where there is none."""
    return quote(os.path.relpath(file, workspace)) if file is not None and file.exists() else ""


def _picture(workspace: Path, entry: Entry) -> str:
    return _link(workspace, entry.report and entry.report.with_name(THUMBNAIL))
