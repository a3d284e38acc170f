"""A study of the literature: the sweeps that repeat it, its claims beside what these found, and its figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from ib_core.members import Registry
from tasks.page.page import Rows

Results = Mapping[str, Path]  # the folder of each sweep's tables, by the name of the sweep as the study has it


class Claim(NamedTuple):
    """One published statement and what is found here.

    Attributes:
        statement: what was published, or what theory expects, in a sentence.
        source: where; "after" where the setting is known but not read in the text itself.
        published: the number or the shape, in words.
        found: ours, with its bracket or interval.
        agrees: whether what is found bears it out; None where the brackets are too wide to say.
    """

    statement: str
    source: str
    published: str
    found: str
    agrees: bool | None

    @property
    def verdict(self) -> str:
        return {True: "agrees", False: "differs", None: "not decided"}[self.agrees]


class Plate(NamedTuple):
    """A figure of the page.

    Attributes:
        name: of its file, without ending.
        title: one line.
        caption: what is drawn, with units.
        figure: itself, in the house style.
        shows: the finding that it shows, one sentence, for those who do not see it; the first claim where it is empty.
        numbers: where what it draws stands, `folder` being the name of a sweep.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    shows: str = ""
    numbers: Sequence[Rows] = ()


@dataclass(frozen=True)
class Reproduction:
    """One study of the literature.

    Attributes:
        question: what it asks, one line for people.
        source: who asked it, and where.
        sweeps: names of the sweeps it is read off, as `ibshift run` takes them.
        claims: reads them off the tables of these.
        plates: draws them; called within the house style.
        differs: what is done otherwise than in what was published, in sentences.
        small: settings of each sweep for a first look within a minute: too few epochs and inputs to judge the claims.
    """

    question: str
    source: str
    sweeps: tuple[str, ...]
    claims: Callable[[Results], Iterable[Claim]]
    plates: Callable[[Results], Iterable[Plate]]
    differs: tuple[str, ...] = ()
    small: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


REPRODUCTIONS = Registry("tasks.reproductions", Reproduction)
