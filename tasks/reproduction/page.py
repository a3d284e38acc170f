"""The page of a reproduction: every claim beside what is found, with a verdict, figures, and how to repeat it."""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from tasks.page import figure_style
from tasks.page.page import Picture, Rows, pictured, render
from tasks.page.provenance import Provenance, filled
from tasks.page.summary import summary
from tasks.page.tables import Table
from tasks.reproduction.reproduction import Claim, Reproduction, Results
from tasks.store.store import write_text

NUMBERS = ("information", "measures", "calibration")  # tables of sweeps that figures draw
MARKS = {True: "best", False: "bad", None: "faint"}


def write_reproduction(
    name: str,
    study: Reproduction,
    results: Results,
    out: Path,
    command: str,
    small: bool,
    provenance: Provenance = Provenance(),  # noqa: B008
) -> list[Claim]:
    """Write report.html, summary.md, claims.csv, a picture and figures/* into `out`; the claims, with their verdicts.

    Args:
        name: of the study.
        results: folders of its sweeps.
        command: what repeats it.
        small: whether it is the first look, that judges nothing.
        provenance: what the page says of where it comes from.
    """
    claims = [claim._replace(found=claim.found.strip() or "–") for claim in study.claims(results)]
    with figure_style.house_style():
        plates = list(study.plates(results))
    out.mkdir(parents=True, exist_ok=True)
    first = next((f"{claim.statement} Found here: {claim.found}; {claim.verdict}." for claim in claims), "")
    addresses = {sweep: quote(os.path.relpath(folder, out)) for sweep, folder in results.items()}
    every = [Rows(f"{name}.csv", "", sweep) for sweep in results for name in NUMBERS if _has(results[sweep], name)]
    pictures = [
        Picture(
            plate.name,
            plate.figure,
            plate.shows or first,
            [
                rows._replace(folder=addresses[rows.folder], sweep=rows.folder * (len(results) > 1))
                for rows in plate.numbers or every
            ],
        )
        for plate in plates
    ]
    shown = pictured(out, pictures, {p.name: p.title for p in plates})
    columns = ["statement", "source", "published", "found", "verdict"]
    rows = [[*claim[:4], claim.verdict] for claim in claims]
    pd.DataFrame(rows, columns=columns).to_csv(out / "claims.csv", index=False)
    page = render(
        Path(__file__).with_name("reproduction.html"),
        title=name,
        study=study,
        small=small,
        command=command,
        plates=shown,
        captions={plate.name: plate.caption for plate in plates},
        claims=claim_table(claims),
        tally=tally(claims),
        reports={sweep: f"{address}/report.html" for sweep, address in addresses.items()},
    )
    write_text(out / "report.html", filled(page, provenance))
    said = f"{tally(claims)}{' in a first look, which judges nothing' if small else ''}."
    verdicts = [(claim.verdict, [claim.statement]) for claim in claims]
    write_text(out / "summary.md", summary(name, said, verdicts))
    return claims


def _has(folder: Path, table: str) -> bool:
    return (folder / f"{table}.csv").exists()


def claim_table(claims: Sequence[Claim]) -> Table:
    """A row for each claim."""
    head = ["claim", "published", "found here", "verdict", "source"]
    rows = [
        [claim.statement, claim.published, claim.found, (claim.verdict, MARKS[claim.agrees]), claim.source]
        for claim in claims
    ]
    return Table(head, rows)


def tally(claims: Sequence[Claim]) -> str:
    """How many claims came out how."""
    verdicts = [claim.agrees for claim in claims]
    said = [f"{verdicts.count(True)} of {len(claims)} claims {'is' if verdicts.count(True) == 1 else 'are'} supported"]
    said += [f"{n} {'is' if n == 1 else 'are'} not" for n in [verdicts.count(False)] if n]
    said += [f"{n} {'is' if n == 1 else 'are'} not decided" for n in [verdicts.count(None)] if n]
    return ", ".join(said)
