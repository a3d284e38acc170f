"""Theorems in Wasserstein distance, for laws whose atoms moved."""

import math
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Shift, Theorem

_theorem = partial(Theorem, concerns=("deviation",), quantity="change", distance="wasserstein")


def _wasserstein(case: Shift) -> Bound | None:
    if math.isinf(case.lipschitz):  # not known
        return None
    value = bounds.wasserstein(case.w1, case.w2, case.d, case.beta, case.lipschitz, case.layer, case.half_width)
    return Bound(value, f"W2 {case.w2_how}; Lipschitz product {case.lipschitz:.4g}")


def _polyanskiy_wu(case: Shift) -> Bound | None:
    if case.half_width is None or math.isinf(case.lipschitz):
        return None
    moved = case.lipschitz * (case.w2 + (case.layer >= 2) * case.w1)
    value = bounds.polyanskiy_wu(moved, case.d, case.beta, case.half_width)
    return Bound(value, "for comparison: the W2 form with an older constant")


def _wasserstein_coupled(case: Shift) -> Bound | None:
    if case.steps is None:
        return None
    value = bounds.wasserstein_coupled(case.steps, case.d, case.beta, case.layer, case.half_width)
    exact = "exact" if case.layer == 1 else "exact for the channel made of the stored passes"
    return Bound(value, f"after the fact, from the signals under common noises; {exact}")


WASSERSTEIN = (
    _theorem(
        name="wasserstein",
        label="W: √d L W₂ / β",
        statement="|I(X';T'_l) - I(X;T_l)| is at most (sqrt(d) L / beta)(W_2 + W_1 above the first layer), and for "
        "signals in a box of diameter D at most (D L / beta^2) W_1, twice that above the first layer; L is a Lipschitz "
        "constant of the input's way to the signal, W_1 and W_2 are distances of the input laws or bounds of them.",
        source="here, along the Brenier map, by Fisher information at most d / beta^2: ib_core.bounds.wasserstein; "
        "compare Polyanskiy and Wu, arXiv:1504.04419",
        function=bounds.wasserstein,
        bound=_wasserstein,
    ),
    _theorem(
        name="polyanskiy_wu",
        label="W₂: Polyanskiy and Wu",
        statement="The W_2 form of wasserstein with an older constant, larger by (1 + sqrt(1 + b^2)) / b at "
        "b = beta / r, for signals in [-r, r]^d; for comparison.",
        source="Polyanskiy and Wu, arXiv:1504.04419, Propositions 1 and 2",
        function=bounds.polyanskiy_wu,
        bound=_polyanskiy_wu,
    ),
    _theorem(
        name="wasserstein_coupled",
        uses_data=True,
        label="W: from the signals",
        statement="The forms of wasserstein after the fact, with the root mean square or the mean of how far the "
        "signals moved under common noises in place of L W. It is exact for the channel that the stored passes make "
        "up, whose change it is held against; in the first layer that is the true one.",
        channel="stored passes",
        source="here, from the bounds on an entropy under W_2 and W_1: ib_core.bounds.wasserstein",
        function=bounds.wasserstein_coupled,
        bound=_wasserstein_coupled,
    ),
)
