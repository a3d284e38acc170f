"""Theorems on the error of an estimate of the information, under its own law and under a shifted one."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, PlugIn, Theorem
from ib_core.bounds.theorems.entropy import GOLDFELD

DELTA = 0.05  # probability that a bound on one estimate may fail
PASSES = "proved in `ib_core.bounds.passes`, by bounded differences over the passes"
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
    statement="E|I_{SP} − I(X;T_ℓ)| ≤ b(n_x) + ½ (n_x Σ_i H_b(w_i/n_x)²)^{1/2}",
    hypotheses="Enumerated inputs of weights w_i, pooled passes, |S_j| ≤ r; 0 in layer 1, whose signal is a function "
    "of x.",
    source=PASSES,
    function=bounds.enumerated_risk,
    bound=lambda case: Bound(_enumerated_risk(case), "the same with both entropies at once"),
)
ESTIMATION_RISK = _risk(
    name="estimation_risk",
    concerns=("estimation", "bracket"),
    label="sharp bound, enumerated inputs",
    statement="E|I_{SP} − I(X;T_ℓ)| ≤ ln(1 + A_β^d max_i w_i/n_x) + s + b(n_x) + v(n_x) (Σ_i w_i²)^{1/2}, s = ½ (n_x "
    "Σ_i H_b(w_i/n_x)²)^{1/2}",
    hypotheses="Enumerated inputs of weights w_i, pooled passes, |S_j| ≤ r; 0 in layer 1, whose signal is a function "
    "of x.",
    source="proved in `ib_core.bounds.risk`: the bias by χ², the spread by McDiarmid's inequality",
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
    statement="E|I_{SP} − I(X;T_ℓ)| ≤ b(n) + v(n) + b(n_x) + v(n_x)/√n + C_d/(2√n)",
    hypotheses="n inputs drawn from P with n_x passes each, |S_j| ≤ r; C_d is the capacity of the layer alone.",
    source="proved in `ib_core.bounds.risk`, from the bias and the spread of the plug-in entropy",
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
        statement="E|I_{SP} − I(X;T_ℓ)| ≤ max{b(n), b(n_x)} + ½ √n H_b(1/n)",
        hypotheses="n inputs drawn from P with n_x passes each, |S_j| ≤ r; b(n_x) is left out in layer 1.",
        source="proved in `ib_core.bounds.sampled`, by bounded differences over the inputs",
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
        statement="E|I_{SP} − I(X;T_ℓ)| ≤ 2 Δ(n) + d ln(1 + 1/β²)/(4√n)",
        hypotheses="n inputs drawn from P with n passes each, |S_j| ≤ 1. Δ(n) is the risk of the entropy by eq. (52), "
        "which holds for n large enough.",
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
        statement="E|I_{SP} − I(X;T_ℓ)| ≤ 2 Δ(n) + d ln(1 + 1/β²)/(4√n)",
        hypotheses="As `information_risk_printed`, with Δ(n) = b(n) + v(n), for every n.",
        source=f"{GOLDFELD}, Proposition 1",
        function=bounds.information_risk_printed,
        bound=lambda case: _printed(case, bounds.entropy_risk),
    ),
    _risk(
        name="information_risk_slides",
        concerns=("estimation", "sampled"),
        label="slides' 8cd, a misprint and no bound",
        statement="(8 c d + d ln(1 + 1/β²))/(4√n)",
        hypotheses="For an entropy risk c^d/√n: a misprint of 8 c^d, and no bound. Shown for comparison.",
        source=f"slides on {GOLDFELD}",
        standing="misprint",
        function=bounds.information_risk_slides,
        bound=_slides,
    ),
    _risk(
        name="shift_and_risk",
        concerns=("shifted_estimate",),
        label="smallest bound + risk",
        statement="E|I(X′;T_ℓ) − I_{SP}| ≤ Δ + R",
        hypotheses="I_{SP} is the plug-in under P. Δ is the smallest bound on |ΔI|, and R that of `enumerated_risk`.",
        source="the triangle inequality",
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
        statement="|I(X′;T_ℓ) − I_{SP}| ≤ Δ + b(n_x) + (½ ln(2/η) n_x Σ_i H_b(w_i/n_x)²)^{1/2}",
        hypotheses=f"With probability 1 − η, η = {DELTA:g}. I_{{SP}} is the plug-in under P, Δ the smallest bound on "
        "|ΔI|; enumerated inputs, |S_j| ≤ r; Δ alone in layer 1.",
        source=f"the triangle inequality; {PASSES}",
        function=bounds.shift_and_passes,
        bound=_shift_and_passes,
    ),
)
