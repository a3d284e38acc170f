"""The theorems of a page: their entries, and the links that lead to them from wherever they are named."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from ib_core.bounds.theorem import Theorem
from ib_core.bounds.theorems import among
from ib_core.bounds.theorems_page import NOTATION, facts, typeset

ENTRY = "#theorem-{}"


def with_mentioned(theorems: Iterable[Theorem]) -> list[Theorem]:
    """These and the theorems that their hypotheses and sources mention, in the order of the table."""
    found = {theorem.name for theorem in theorems}
    while True:
        words = " ".join(f"{theorem.hypotheses} {theorem.source}" for theorem in among(found))
        more = found | {theorem.name for theorem in among(re.findall(r"`(\w+)`", words))}
        if more == found:
            return among(found)
        found = more


def entries(theorems: Sequence[Theorem]) -> dict[str, Any]:
    """What the macro `theorem_entries` of page.html shows: `theorems`, and the `notation` that they share."""
    return {
        "theorems": [
            {
                "name": theorem.name,
                "label": theorem.label,
                "statement": Markup(typeset(theorem.statement)),
                "facts": [(what, Markup(typeset(words, ENTRY))) for what, words in facts(theorem)],
            }
            for theorem in theorems
        ],
        "notation": [(Markup(typeset(symbol)), Markup(typeset(meaning))) for symbol, meaning in NOTATION],
    }


@pass_context
def linked(context: Context, text: str) -> Markup:
    """Text in which every label of a theorem that has an entry on this page leads to it."""
    return link(text, tuple((each["label"], each["name"]) for each in context.get("theorems", ())))


def link(text: str, names: tuple[tuple[str, str], ...]) -> Markup:
    """The same for pairs of label and name."""
    pattern, addresses = _pattern(names)
    plain = str(escape(text))
    if pattern is None:
        return Markup(plain)
    return Markup(pattern.sub(lambda found: f'<a href="{addresses[found[0]]}">{found[0]}</a>', plain))


@lru_cache(maxsize=8)
def _pattern(names: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    addresses = {str(escape(label)): ENTRY.format(name) for label, name in names}
    longest = sorted(addresses, key=len, reverse=True)
    whole = "|".join(map(re.escape, longest))
    return (re.compile(rf"(?<!\w)(?:{whole})(?!\w)") if longest else None), addresses
