"""When, where and by which code and command a page was made.

A stored report holds placeholders in its place: its bytes must not depend on the day or the machine. Who publishes a
page for people fills them in with `filled`.
"""

from dataclasses import dataclass

from markupsafe import Markup, escape

MADE, DETAILS = Markup("<!-- ibshift: made -->"), Markup("<!-- ibshift: provenance -->")


@dataclass(frozen=True)
class Provenance:
    """Where a page comes from; a field that is not known is empty.

    Attributes:
        date: when its results were complete, "2026-11-27 06:28 UTC".
        version: of ibshift.
        commit: of its code.
        command: the command line that repeats it.
        machine: what it ran on, in words.
        gallery: address of the page of all results, relative to this one.
    """

    date: str = ""
    version: str = ""
    commit: str = ""
    command: str = ""
    machine: str = ""
    gallery: str = ""


def filled(page: str, provenance: Provenance) -> str:
    """The page with its placeholders filled in: a line below its title, and the details at its foot."""
    code = provenance.version and f"ibshift {provenance.version}"
    short = provenance.commit[:12]
    made = [provenance.date, code, short and f"commit {short}"]
    details = [
        ("made", escape(provenance.date)),
        ("code", escape(", ".join(filter(None, [code, provenance.commit and f"commit {provenance.commit}"])))),
        ("machine", escape(provenance.machine)),
        ("to repeat it", provenance.command and Markup("<code>{}</code>").format(provenance.command)),
    ]
    rows = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in details if value)
    line = Markup("").join(Markup(" · {}").format(part) for part in made if part)
    if provenance.gallery:
        line += Markup(' · <a href="{}">all results</a>').format(provenance.gallery)
    return page.replace(MADE, line).replace(DETAILS, rows and Markup("<dl>{}</dl>").format(rows))
