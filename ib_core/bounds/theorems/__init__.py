"""The one table of theorems: every bound that a table, figure, report or metric names, with its words and its source.

Another theorem is another row in the file of its group. Rows of tables follow this order, and of equal bounds the first
counts as the smallest.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from ib_core.bounds.theorem import Bound, Shift, Theorem
from ib_core.bounds.theorems.entropy import BIAS_LOWER_BOUND, ENTROPY, ENTROPY_RISK
from ib_core.bounds.theorems.estimation import ESTIMATION, ESTIMATION_RISK, INFORMATION_RISK
from ib_core.bounds.theorems.kullback_leibler import KULLBACK_LEIBLER
from ib_core.bounds.theorems.label import LABEL
from ib_core.bounds.theorems.total_variation import DIRECTIONAL, TOTAL_VARIATION
from ib_core.bounds.theorems.wasserstein import WASSERSTEIN

__all__ = [
    "BIAS_LOWER_BOUND", "ENTROPY_RISK", "ESTIMATION_RISK", "INFORMATION_RISK", "THEOREMS",
    "allowed", "allowed_in_ball", "among", "distances", "named", "of_balls", "that_concern",
]  # fmt: skip

THEOREMS: tuple[Theorem, ...] = (
    *TOTAL_VARIATION,
    *KULLBACK_LEIBLER,
    *WASSERSTEIN,
    *DIRECTIONAL,
    *LABEL,
    *ESTIMATION,
    *ENTROPY,
)


def that_concern(concerns: str) -> Iterator[Theorem]:
    """The theorems that a comparison is held against."""
    return (theorem for theorem in THEOREMS if concerns in theorem.concerns)


def among(names: Iterable[str]) -> list[Theorem]:
    """The rows of these names, in the order of the table."""
    found = set(names)
    return [theorem for theorem in THEOREMS if theorem.name in found]


def named(name: str) -> Theorem:
    """The row of this name."""
    return {theorem.name: theorem for theorem in THEOREMS}[name]


def allowed(concerns: str, case: Any) -> dict[Theorem, Bound]:
    """What each theorem of a comparison allows in one case; those whose hypotheses do not hold are left out."""
    found = ((theorem, theorem.bound(case)) for theorem in that_concern(concerns))
    return {theorem: bound for theorem, bound in found if bound is not None}


def distances() -> list[str]:
    """In which the theorems on a change measure the shift."""
    return list(dict.fromkeys(theorem.distance for theorem in that_concern("deviation")))


def of_balls() -> list[Theorem]:
    """The theorems for every law of a ball; those in KL first, which have every form."""
    return sorted((theorem for theorem in that_concern("deviation") if theorem.form), key=lambda each: each.distance)


def allowed_in_ball(metric: str, case: Shift) -> dict[Theorem, Bound]:
    """What each theorem for every law of a ball in this metric allows there."""
    found = ((theorem, theorem.bound(case)) for theorem in of_balls() if theorem.distance == metric)
    return {theorem: bound for theorem, bound in found if bound is not None}
