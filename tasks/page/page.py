"""The self-contained HTML page of a report, figures inside, with its figures as files beside it."""

import base64
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from matplotlib.figure import Figure

from ib_core.estimate import IN_WORDS
from tasks.page import figure_style
from tasks.page.provenance import DETAILS, MADE
from tasks.page.theorems import linked

THUMBNAIL = "thumbnail.png"  # beside a page: its first figure, small


class Rows(NamedTuple):
    """Where the numbers behind a figure stand.

    Attributes:
        table: file beside the page.
        rows: which of its rows, in words that name columns and values; "" for all.
        folder: address of the file's folder, where it is another than the page's.
        sweep: whose table it is, where a page shows several.
    """

    table: str
    rows: str = ""
    folder: str = ""
    sweep: str = ""

    @property
    def address(self) -> str:
        return f"{self.folder}/{self.table}" if self.folder else self.table


class Picture(NamedTuple):
    """A figure of a page.

    Attributes:
        name: of its file, without ending.
        figure: itself, in the house style.
        shows: the finding that it shows, one sentence, for those who do not see it.
        numbers: where what it draws stands.
    """

    name: str
    figure: Figure
    shows: str = ""
    numbers: Sequence[Rows] = ()


def write_page(
    out: Path,
    template: Path,
    title: str,
    figures: Iterable[Picture],
    titles: Mapping[str, str],
    **values: Any,
) -> None:
    """Write out/report.html, out/thumbnail.png and out/figures/*; the same figures and values give the same bytes.

    Args:
        template: file that extends page.html, whose blocks it fills; text from `values` is escaped.
        title: what the study that was run is called.
        figures: drawn in the house style.
        titles: of the figures, by how their names begin.
        values: what page.html shows of every study (facts, findings, violated, failed, files, settings), and what the
            blocks of the template show.
    """
    plates = pictured(out, figures, titles)
    page = render(template, title=title, plates=plates, **values)
    (out / "report.html").write_text(page, encoding="utf-8", newline="\n")


def pictured(out: Path, figures: Iterable[Picture], titles: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Write out/figures/* and the thumbnail; of each picture what the macros of base.html show."""
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    plates: dict[str, dict[str, Any]] = {}
    with figure_style.house_style():
        for number, picture in enumerate(figures, start=1):
            ending, content = figure_style.picture(picture.figure)
            if number == 1:
                (out / THUMBNAIL).write_bytes(figure_style.png(picture.figure, figure_style.THUMBNAIL_DPI))
            file = f"{picture.name}.{ending}"
            (folder / file).write_bytes(content)
            kind = {"svg": "image/svg+xml", "png": "image/png"}[ending]
            width, height = (round(inches * figure_style.DPI) for inches in picture.figure.get_size_inches())
            plates[picture.name] = {
                "number": number,
                "title": next(text for start, text in titles.items() if picture.name.startswith(start)),
                "source": f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}",
                "file": file,
                "format": ending.upper(),
                "adapts": ending == "svg",  # to a dark page
                "shows": picture.shows,
                "numbers": picture.numbers,
                "width": width,
                "height": height,
            }
    kept = {plate["file"] for plate in plates.values()}
    for stale in [path for path in folder.iterdir() if path.name not in kept]:
        stale.unlink()
    return plates


def render(template: Path, **values: Any) -> str:
    """The page of a template that extends base.html, or page.html."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["linked"] = linked
    environment.globals.update(
        standard_errors=IN_WORDS,
        next_table=itertools.count(1).__next__,
        made=MADE,
        details=DETAILS,
        dark_paper=figure_style.DARK_PAPER,
    )
    return environment.get_template(template.name).render(**values)
