"""`summary.md`: the verdict of a report in words, for pages that show no figures."""

import re
from collections.abc import Iterable

MOST = 200  # characters of a headline


def summary(title: str, headline: str, bullets: Iterable[tuple[str, Iterable[str]]]) -> str:
    """Markdown: the title, the headline as a paragraph of its own, and a bullet for each heading with its sentences.

    Args:
        headline: one sentence of plain text, for the whole study.
        bullets: a heading, or nothing, and sentences of plain text.
    """
    items = (f"* {_heading(name)}{' '.join(map(_plain, sentences))}" for name, sentences in bullets)
    return "\n".join([f"# {_plain(title)}", "", _one_line(headline), "", *items]).rstrip() + "\n"


def headline(text: str) -> str:
    """The first paragraph of such a file, on one line; nothing where there is none.

    Example:
        >>> headline("# szt\\n\\nLayer 5 is the most robust.\\n\\n* β = 0.1: more")
        'Layer 5 is the most robust.'
    """
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.splitlines() if not re.match(r"\s*#", line)]
        paragraph = " ".join(line for line in lines if line)
        if paragraph:
            return "" if re.match(r"([*+-]|\d+\.)\s", paragraph) else paragraph
    return ""


def shortened(parts: Iterable[str], most: int = MOST) -> str:
    """One sentence of as many of the parts, in their order, as fit into `most` characters."""
    kept: list[str] = []
    for part in parts:
        if part and len("; ".join([*kept, part])) < most:
            kept.append(part)
    text = "; ".join(kept)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def listed(words: Iterable[object], last: str = "and") -> str:
    """ "1", "1 and 2", "1, 2 and 3"."""
    names = [str(word) for word in words]
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _heading(name: str) -> str:
    return f"**{_plain(name)}.** " if name else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", _one_line(text))
