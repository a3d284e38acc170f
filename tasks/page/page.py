"""The self-contained HTML page of a report, figures inside, with its figures as PNG files beside it."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from ib_core.estimate import IN_WORDS
from tasks.page import figure_style


def write_page(
    out: Path,
    template: Path,
    title: str,
    figures: Iterable[tuple[str, Figure]],
    titles: Mapping[str, str],
    **values: Any,
) -> None:
    """Write out/report.html and out/figures/*.png; the same figures and values give the same bytes.

    Args:
        template: file that extends page.html, whose blocks it fills; text from `values` is escaped.
        title: what the study that was run is called.
        figures: each with its name, drawn in the house style.
        titles: of the figures, by how their names begin.
        values: what page.html shows of every study (facts, findings, violated, failed, files, settings), and what the
            blocks of the template show.
    """
    plates = pictured(out, figures, titles)
    page = render(template, title=title, plates=plates, **values)
    (out / "report.html").write_text(page, encoding="utf-8", newline="\n")


def pictured(out: Path, figures: Iterable[tuple[str, Figure]], titles: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Write out/figures/*.png; number, title and source of each picture as the macros of base.html show them."""
    with figure_style.house_style():
        pictures = {name: figure_style.png(figure) for name, figure in figures}
    folder = out / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.png"):
        if stale.stem not in pictures:
            stale.unlink()
    for name, content in pictures.items():
        (folder / f"{name}.png").write_bytes(content)
    return {
        name: {
            "number": k,
            "title": next(text for start, text in titles.items() if name.startswith(start)),
            "source": "data:image/png;base64," + base64.b64encode(content).decode("ascii"),
        }
        for k, (name, content) in enumerate(pictures.items(), start=1)
    }


def render(template: Path, **values: Any) -> str:
    """The page of a template that extends base.html, or page.html."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["standard_errors"] = IN_WORDS
    return environment.get_template(template.name).render(**values)
