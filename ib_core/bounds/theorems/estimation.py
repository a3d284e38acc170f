"""Theorems on the error of an estimate of the information, under its own law and under a shifted one."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, PlugIn, Theorem
from ib_core.bounds.theorems.entropy import GOLDFELD

DELTA = 0.05  # probability that a bound on one estimate may fail
PASSES = "here, by bounded differences over the passes: ib_core.bounds.passes"
_risk = partial(Theorem, quantity="risk")


def _enumerated_risk(case: PlugIn) -> float:
    return bounds.enumerated_risk(case.weights, case.n_passes, case.d, case.beta, case.layer, case.half_width)


def _sampled(case: PlugIn, risk: Callable[[float], float], note: str) -> Bound | None:
    """A bound for inputs that were drawn, from the half width; without one there is none."""
    return None if case.half_width is None else Bound(risk(case.half_width), note)


def _printed(case: PlugIn, entropy_risk: Callable[..., float], note: str = "") -> Bound | None:
    """Proposition 1 with some risk of the entropy, in the units of the half width."""

    def risk(half_width: float) -> float:
        unit = case.beta / half_width
        return bounds.information_risk_printed(entropy_risk(case.n, case.d, unit), case.n, case.d, unit)

    return _sampled(case, risk, note)


def _slides(case: PlugIn) -> Bound | None:
    def risk(half_width: float) -> float:
        unit = case.beta / half_width
        c = 1 / math.sqrt(2) + 1 / unit if case.slides_constant is None else case.slides_constant
        return bounds.information_risk_slides(c, case.n, case.d, unit)

    return _sampled(case, risk, "a misprint of 8 c^d, no bound; here to be compared")


def _shift_and_passes(case: PlugIn) -> Bound:
    at = case.d, case.beta, case.layer, case.half_width
    clean = case.weights if case.reference is None else case.reference
    value = bounds.shift_and_passes(case.shift, clean, case.n_passes, *at, DELTA)
    return Bound(value, f"{case.by} + passes, with probability {1 - DELTA:g}, on clean data")


ENUMERATED_RISK = _risk(
    name="enumerated_risk",
    concerns=("estimation",),
    label="both entropies at once, enumerated inputs",
    statement="E|I_SP - I(X;T_l)| is at most b(n_x) + (1/2) sqrt(sum_i n_x H_b(w_i/n_x)^2), 0 in the first layer, for "
    "enumerated inputs with pooled passes and signals in [-r, r]^d.",
    source=PASSES,
    function=bounds.enumerated_risk,
    bound=lambda case: Bound(_enumerated_risk(case), "the same with both entropies at once"),
)
ESTIMATION_RISK = _risk(
    name="estimation_risk",
    concerns=("estimation", "bracket"),
    label="sharp bound, enumerated inputs",
    statement="E|I_SP - I(X;T_l)| is at most the bias and the spread of the pooled entropy and of the conditional one, "
    "0 in the first layer, for enumerated inputs with pooled passes and signals in [-r, r]^d.",
    source="here, bias by chi^2 and spread by McDiarmid's inequality: ib_core.bounds.risk",
    function=bounds.estimation_risk,
    bound=lambda case: Bound(
        bounds.estimation_risk(case.weights, case.n_passes, case.d, case.beta, case.layer, case.half_width),
        "inputs enumerated, passes pooled",
    ),
)
INFORMATION_RISK = _risk(
    name="information_risk",
    concerns=("estimation", "sampled"),
    label="sharp bound, sampled inputs",
    statement="E|I_SP - I(X;T_l)| for n inputs drawn from the law with n_x passes each and signals in [-r, r]^d is at "
    "most b(n) + v(n) + b(n_x) + v(n_x) / sqrt(n) + C_d / (2 sqrt(n)), b the bias and v the spread of an entropy.",
    source="here, from the bias and the spread of the plug-in entropy: ib_core.bounds.risk",
    function=bounds.information_risk,
    bound=lambda case: _sampled(
        case,
        lambda half_width: bounds.information_risk(case.n, case.n_passes, case.d, case.beta, half_width),
        f"were the {case.n} inputs drawn from the law",
    ),
)
ESTIMATION = (
    ESTIMATION_RISK,
    ENUMERATED_RISK,
    _risk(
        name="sampled_risk",
        concerns=("estimation",),
        label="without a capacity, sampled inputs",
        statement="E|I_SP - I(X;T_l)| for n inputs drawn from the law with n_x passes each and signals in [-r, r]^d is "
        "at most max(b(n), b(n_x)) + (sqrt(n)/2) H_b(1/n).",
        source="here, by bounded differences over the inputs: ib_core.bounds.sampled",
        function=bounds.sampled_risk,
        bound=lambda case: _sampled(
            case,
            lambda half_width: bounds.sampled_risk(case.n, case.n_passes, case.d, case.beta, case.layer, half_width),
            f"were the {case.n} inputs drawn from the law; without a capacity",
        ),
    ),
    INFORMATION_RISK,
    _risk(
        name="information_risk_printed",
        concerns=("estimation", "sampled"),
        label="Goldfeld et al. Prop. 1 with eq. (52)",
        statement="E|I_SP - I(X;T_l)| for n inputs drawn from the law with n passes each and signals in [-1, 1]^d is "
        "at most 2 Delta(n) + d ln(1 + 1/beta^2) / (4 sqrt(n)), Delta(n) the risk of the entropy by eq. (52), which "
        "holds for n large enough.",
        source=f"{GOLDFELD}, Proposition 1 and eq. (52)",
        standing="large enough",
        function=bounds.information_risk_printed,
        bound=lambda case: _printed(
            case, bounds.risk_bounded_printed, f"as published, for {case.n} inputs with as many passes each"
        ),
    ),
    _risk(
        name="information_risk_printed_sharp",
        concerns=("sampled",),
        label="Goldfeld et al. Prop. 1 with the sharp entropy risk",
        statement="information_risk_printed with the sharp risk of the entropy for Delta(n), for every n.",
        source=f"{GOLDFELD}, Proposition 1",
        function=bounds.information_risk_printed,
        bound=lambda case: _printed(case, bounds.entropy_risk),
    ),
    _risk(
        name="information_risk_slides",
        concerns=("estimation", "sampled"),
        label="slides' 8cd, a misprint and no bound",
        statement="(8 c d + d ln(1 + 1/beta^2)) / (4 sqrt(n)) for an entropy risk c^d / sqrt(n): a misprint of 8 c^d "
        "and no bound; for comparison.",
        source=f"slides on {GOLDFELD}",
        standing="misprint",
        function=bounds.information_risk_slides,
        bound=_slides,
    ),
    _risk(
        name="shift_and_risk",
        concerns=("shifted_estimate",),
        label="smallest bound + risk",
        statement="E|I(X';T_l) - I_SP| for the plug-in on clean data is at most the smallest bound on the deviation "
        "and enumerated_risk together.",
        source="triangle inequality",
        function=bounds.enumerated_risk,
        bound=lambda case: Bound(
            case.shift + _enumerated_risk(replace(case, weights=case.reference)),
            f"{case.by} + {ENUMERATED_RISK.name}, in expectation, on clean data",
        ),
    ),
    _risk(
        name="shift_and_passes",
        concerns=("shifted_estimate",),
        label="smallest bound + passes",
        statement="|I(X';T_l) - I_SP| for the plug-in on clean data is at most the smallest bound on the deviation, "
        f"b(n_x) and the deviation over the passes together, with probability {1 - DELTA:g}.",
        source=f"triangle inequality, and {PASSES}",
        function=bounds.shift_and_passes,
        bound=_shift_and_passes,
    ),
)
