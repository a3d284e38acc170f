"""Theorems in total variation, for any law on the same atoms and, by its direction, for a reweighting."""

import math
from collections.abc import Callable
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Clean, Shift, Theorem
from ib_core.estimate import IN_WORDS

MASS = "proved in `ib_core.bounds.reweighting`, by splitting P and P′ into common and moved mass"
GOLDEN = "proved in `ib_core.bounds.pointwise`, from the golden formula"
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
        statement="|ΔI| ≤ ε ln(N − 1) + H_b(ε)",
        hypotheses="For any channel, with discrete or continuous output; ε is the exact total variation. For every "
        "law within TV ≤ ε it holds up to ε = 1 − 1/N.",
        source=MASS,
        function=bounds.tv_seed,
        bound=lambda case: Bound(bounds.tv_seed(case.tv, case.n), f"TV {case.tv_how}, N = {case.n}"),
    ),
    _theorem(
        name="tv_capacity",
        form="capacity",
        label="TV: ε C + H(ε)",
        statement="|ΔI| ≤ ε C + H_b(min{ε, ½})",
        hypotheses="For every law within TV ≤ ε. Where the activation has no bound, C follows from the measured power "
        "of the signal and is as good as that measurement.",
        source=MASS,
        function=bounds.tv_capacity,
        bound=lambda case: Bound(bounds.tv_capacity(case.tv, case.capacity), f"C = {case.capacity:.4g} nats"),
    ),
    _theorem(
        name="tv_golden",
        form="golden",
        uses_data=True,
        label="TV: golden, i(x)",
        statement="E_P i − max_{μ ≤ P, |μ| = ε} ∫ i dμ − (1 − ε) ln(1/(1 − ε)) ≤ I(X′;T_ℓ) ≤ max_{TV(Q, P) ≤ ε} E_Q i",
        hypotheses="P′ lives on the atoms of P. i(x) is estimated from both sides; both ends are widened by "
        f"{IN_WORDS}.",
        source=GOLDEN,
        function=bounds.tv_certificate,
        bound=_tv_golden,
    ),
)
DIRECTIONAL = (
    _theorem(
        name="tv_directional",
        label="TV: by sign, from H",
        statement="−min{ε min{H(A), C} + H_b(ε), H(P), C} ≤ ΔI ≤ min{ε min{H(B), C} + H_b(ε), H(P′), C}",
        hypotheses="Reweightings. Where the bracket of ΔI excludes 0, the end of its sign counts; elsewhere the "
        "larger one.",
        source="proved in `ib_core.bounds.directional`, by splitting P and P′ into common and moved mass",
        function=bounds.tv_directional,
        bound=_tv_directional,
    ),
    _theorem(
        name="tv_directional_measured",
        uses_data=True,
        label="TV: by sign, from I",
        statement="ε (I(B) − I(A)) − H_b(ε) ≤ ΔI ≤ ε (I(B) − I(A)) + H_b(ε)",
        hypotheses="Reweightings. I(A) and I(B), the information of the layer under A and B, enter with their "
        "brackets; the end that counts is chosen as for `tv_directional`.",
        source="proved in `ib_core.bounds.directional`, by splitting P and P′ into common and moved mass",
        function=bounds.tv_directional_measured,
        bound=_tv_directional_measured,
    ),
)
