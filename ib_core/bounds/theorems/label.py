"""Theorems on the label: what the last layer knows of it under a shifted law, from the losses on clean data."""

from collections.abc import Callable
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Readout, Theorem
from ib_core.estimate import IN_WORDS

_theorem = partial(Theorem, concerns=("label",), quantity="label", uses_data=True, above=False)

HYPOTHESES = (
    "T is the last layer and a cut. Q runs over the laws of (X, Y) on the atoms of P. The loss of an atom is the "
    f"cross-entropy of the read-out, averaged over the noise; the largest mean loss is widened by {IN_WORDS}. For "
    "I(X;T) there is no such bound: inputs that the read-out ignores can move it freely."
)
BARBER = "Barber and Agakov, The IM algorithm, NeurIPS 2003: H(Y|T) ≤ E loss under every Q"


LABEL = (
    _theorem(
        name="label_tv",
        distance="tv",
        label="TV: min H(Y) − max E loss",
        statement="I_{P′}(T;Y) ≥ min_{TV(Q, P) ≤ ε} H_Q(Y) − max_{TV(Q, P) ≤ ε} E_Q loss",
        hypotheses=HYPOTHESES,
        source=f"{BARBER}; the entropy by Ho and Yeung, IEEE Trans. Inform. Theory 56 (2010) 5906",
        function=bounds.label_tv,
        bound=lambda case: _applied(bounds.label_tv, case.tv, case, "TV"),
    ),
    _theorem(
        name="label_kl",
        distance="kl",
        label="KL: min H(Y) − max E loss",
        statement="I_{P′}(T;Y) ≥ min_{D(Q‖P) ≤ κ} H_Q(Y) − max_{D(Q‖P) ≤ κ} E_Q loss",
        hypotheses=HYPOTHESES,
        source=f"{BARBER}; Donsker and Varadhan's variational formula for both extremes",
        function=bounds.label_kl,
        bound=lambda case: None if case.kl == float("inf") else _applied(bounds.label_kl, case.kl, case, "KL"),
    ),
)


def _applied(function: Callable[..., float], radius: float, case: Readout, name: str) -> Bound:
    value = function(radius, case.losses, case.stderr, case.labels, case.weights)
    return Bound(value, f"{name} of the laws of (X, Y): {radius:.4g}")
