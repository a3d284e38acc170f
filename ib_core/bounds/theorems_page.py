"""The table of theorems as a page for people: docs/theorems.md."""

from collections.abc import Iterator

from ib_core.bounds import theorems
from ib_core.bounds.theorem import Theorem

COMPARISONS = {
    "deviation": "The change of the information under a shift",
    "label": "The information on the label under a shift",
    "estimation": "The error of an estimate under its own law",
    "shifted_estimate": "The error of an estimate on clean data for the shifted law",
    "entropy": "The entropy of samples (calibration)",
    "bracket": "The information of enumerated inputs (calibration)",
    "sampled": "The information of sampled inputs (calibration)",
}
STANDINGS = {
    "proven": "proven",
    "large enough": "for comparison: it holds for n large enough, and how large is not printed",
    "misprint": "for comparison: a misprint",
}


CHANNELS = {"true": "true channel", "stored passes": "channel that the stored passes make up"}


def page() -> str:
    """The table as a page of Markdown: each theorem under the first comparison that it concerns."""
    lines = [
        "# Theorems",
        "",
        "Made from `ib_core/bounds/theorems/`, the one place where they are named. All in nats.",
    ]
    for comparison, title in COMPARISONS.items():
        mine = [theorem for theorem in theorems.THEOREMS if theorem.concerns[0] == comparison]
        lines += ["", f"## {title}", ""] if mine else []
        for theorem in mine:
            lines += [f"### `{theorem.name}`", "", theorem.label, "", theorem.statement, ""]
            lines += [f"* {fact}" for fact in _facts(theorem)] + [""]
        if mine:
            lines.pop()
    return "\n".join(lines) + "\n"


def _facts(theorem: Theorem) -> Iterator[str]:
    yield f"Source: {theorem.source}."
    if theorem.distance != "none":
        yield f"Distance: {theorem.distance}" + (", for every law of a ball." if theorem.form else ".")
    side = "above" if theorem.above else "below"
    what = "information" if theorem.quantity == "label" else theorem.quantity
    yield f"Bounds the {what} from {side}, for the {CHANNELS[theorem.channel]}."
    yield f"Standing: {STANDINGS[theorem.standing]}."
    if len(theorem.concerns) > 1:
        others = (COMPARISONS[each].lower() for each in theorem.concerns[1:])
        yield f"Also held against: {'; '.join(others)}."
    if theorem.function is not None:
        yield f"Computed by `{theorem.function.__module__}.{theorem.function.__name__}`."
