"""The table of shift families as a page for people: docs/shifts.md."""

import inspect

from ib_core.laws.family import FAMILIES, Family

UNITS = {
    "tv": "total variation",
    "kl": "KL divergence, nats",
    "w2": "W_2, input units",
    "winf": "W_inf at most, input units",
    "severity": "severity, or W_2",
}
HEAD = """# Shifts

Made from `ib_core/shifts`, a family a file. A size is a distance of the shifted law from the reference, held to a
millionth, or a severity in the unit that its meaning names. In place of a severity a W_2 can be given: the severity is
then solved for it, and is the parameter of the shift. Size 0 is the reference itself, bit for bit. All distances are
measured beside every size, each with the way it was obtained. All families keep the labels{exceptions}.

Images are atoms of shape (h, w), (1, h, w) or (3, h, w). Values between pixels are bilinear, what comes from outside of
an image is background (the least coordinate of the reference law), and all stay within the range of its coordinates.
Draws belong to an atom's number and the seed, so that the sizes of one seed are stations of one way.

| family | size in | what changes | parameters | meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The page in Markdown: every built-in family with its metric, parameters and meaning."""
    entered = {name: FAMILIES.find(name) for name in FAMILIES.names}
    others = [name for name, each in entered.items() if not each.keeps_labels]
    rows = [_row(name, each) for name, each in entered.items()]
    return HEAD.format(exceptions=f", but for {', '.join(others)}" if others else "") + "\n".join(rows) + "\n"


def _row(name: str, entered: Family) -> str:
    given = list(inspect.signature(entered.apply).parameters.values())[2:]
    shown = [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in given
        if each.name != "network"
    ]
    meaning = " ".join(inspect.cleandoc(entered.apply.__doc__ or "").split("\n\n")[0].split())
    changes = "atoms, seeing the network" if entered.sees_network else "atoms" if entered.moves_atoms else "weights"
    parameters = ", ".join(f"`{each}`" for each in shown) or "none"
    return "| " + " | ".join((f"`{name}`", UNITS[entered.metric], changes, parameters, _escaped(meaning))) + " |"


def _escaped(text: str) -> str:
    return text.replace("|", r"\|")
