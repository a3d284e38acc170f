"""Theorems in total variation, for any law on the same atoms and, by its direction, for a reweighting."""

import math
from collections.abc import Callable
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Clean, Shift, Theorem
from ib_core.estimate import IN_WORDS

MASS = "here, by the decomposition of P and P' into common and moved mass: ib_core.bounds.reweighting"
GOLDEN = "here, from I(P') - I(P) = E_P' i - E_P i - D(P'_T || P_T): ib_core.bounds.pointwise"
ELSEWHERE = Bound(math.inf, "the law has other atoms")
_theorem = partial(Theorem, concerns=("deviation",), quantity="change", distance="tv")


def certified(certificate: Callable[..., bounds.Certificate], size: float, clean: Clean) -> Bound:
    """A certificate from i(x); Monte Carlo is what it adds for errors, and what noise adds to an extreme."""
    if size == 0:
        return Bound(0.0, "no shift", *clean.bracket, monte_carlo=0.0)
    proven = certificate(size, clean.pointwise, clean.stderr, clean.weights, low=clean.low, reference=clean.bracket)
    monte_carlo = min(proven.widening + proven.inflation, proven.deviation)
    note = f"from both ends of i(x), widened by {IN_WORDS}"
    return Bound(proven.deviation, note, proven.lower, proven.upper, monte_carlo)


def _tv_golden(case: Shift) -> Bound:
    return ELSEWHERE if case.clean is None else certified(bounds.tv_certificate, case.tv, case.clean)


def _in_direction(interval: tuple[float, float], case: Shift, note: str) -> Bound:
    """The bound in the direction of the change, or the larger one."""
    low, high = interval
    side = "fall" if case.change[1] < 0 else "rise" if case.change[0] > 0 else "either"
    bound = {"fall": -low, "rise": high, "either": max(-low, high)}[side]
    return Bound(max(bound, 0.0), f"{note}; fall {-low:.4g}, rise {high:.4g}, here {side}")


def _tv_directional(case: Shift) -> Bound | None:
    if case.weights is None:
        return None
    interval = bounds.tv_directional(*case.weights, case.capacity)
    return _in_direction(interval, case, "from H of the removed and the added part")


def _tv_directional_measured(case: Shift) -> Bound | None:
    if case.weights is None or case.parts is None:
        return None
    note = "from the brackets of what the removed and the added part know"
    return _in_direction(bounds.tv_directional_measured(*case.parts), case, note)


TOTAL_VARIATION = (
    _theorem(
        name="tv_seed",
        form="seed",
        label="TV: ε ln(N−1) + H(ε)",
        statement="|I(X';T_l) - I(X;T_l)| is at most eps ln(N - 1) + H_b(eps) with eps = TV(P, P') and N the atoms of "
        "both supports together, for any channel; in a ball up to eps = 1 - 1/N.",
        source=MASS,
        function=bounds.tv_seed,
        bound=lambda case: Bound(bounds.tv_seed(case.tv, case.n), f"TV {case.tv_how}, N = {case.n}"),
    ),
    _theorem(
        name="tv_capacity",
        form="capacity",
        label="TV: ε C + H(ε)",
        statement="|I(X';T_l) - I(X;T_l)| is at most eps C + H_b(min(eps, 1/2)) at TV(P, P') up to eps, C the smallest "
        "capacity cap of the layers up to l; from measured power where the activation has no bound.",
        source=MASS,
        function=bounds.tv_capacity,
        bound=lambda case: Bound(bounds.tv_capacity(case.tv, case.capacity), f"C = {case.capacity:.4g} nats"),
    ),
    _theorem(
        name="tv_golden",
        form="golden",
        uses_data=True,
        label="TV: from i(x)",
        statement="I(X';T_l) lies between the least and the largest value that i(x) of clean data allows at TV(P, P') "
        f"up to eps on the atoms of P; both ends of i(x) are widened by {IN_WORDS}.",
        source=GOLDEN,
        function=bounds.tv_certificate,
        bound=_tv_golden,
    ),
)
DIRECTIONAL = (
    _theorem(
        name="tv_directional",
        label="TV: by sign, from H",
        statement="The fall is at most eps min(H(A), C) + H_b(eps), A the law of the mass that P loses, and the rise "
        "the same with the law B of the mass that P' gains; for reweightings. Where the bracket of the change excludes "
        "0 the one of its sign counts, else the larger.",
        source="here, by common and moved mass: ib_core.bounds.directional",
        function=bounds.tv_directional,
        bound=_tv_directional,
    ),
    _theorem(
        name="tv_directional_measured",
        uses_data=True,
        label="TV: by sign, from I",
        statement="The change lies between eps (I(B) - I(A)) - H_b(eps) and eps (I(B) - I(A)) + H_b(eps), for "
        "reweightings, with the brackets of I(A) and I(B), the information of the removed and of the added mass.",
        source="here, by common and moved mass: ib_core.bounds.directional",
        function=bounds.tv_directional_measured,
        bound=_tv_directional_measured,
    ),
)
