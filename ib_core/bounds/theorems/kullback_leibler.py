"""Theorems in Kullback-Leibler divergence: those in total variation at the largest one it allows, and from i(x)."""

import math
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Shift, Theorem
from ib_core.bounds.theorems.total_variation import ELSEWHERE, GOLDEN, MASS, certified
from ib_core.estimate import IN_WORDS

_theorem = partial(Theorem, concerns=("deviation",), quantity="change", distance="kl")


def _kl_golden(case: Shift) -> Bound:
    if case.clean is None or math.isinf(case.kl):
        return ELSEWHERE
    return certified(bounds.golden_certificate, case.kl, case.clean)


def _kl_pointwise(case: Shift) -> Bound:
    if case.clean is None or math.isinf(case.kl):
        return ELSEWHERE
    value = bounds.kl_pointwise(case.kl, case.clean.pointwise, case.clean.weights, case.clean.stderr)
    return Bound(value, f"from i(x) from above, its range widened by {IN_WORDS}")


KULLBACK_LEIBLER = (
    _theorem(
        name="kl_seed",
        form="seed",
        label="KL: ε* ln(N−1) + H(ε*)",
        statement="|ΔI| ≤ ε* ln(N − 1) + H_b(ε*)",
        hypotheses="D(P′‖P) ≤ κ, with ε* = ε*(κ); ln N where ε* > 1 − 1/N.",
        source=f"{MASS}; ε*(κ) by Fedotov, Harremoes and Topsoe, IEEE Trans. Inform. Theory 49 (2003) 1491",
        function=bounds.kl_seed,
        bound=lambda case: Bound(
            bounds.kl_seed(case.kl, case.n), "supports differ" if math.isinf(case.kl) else "KL exact"
        ),
    ),
    _theorem(
        name="kl_capacity",
        form="capacity",
        label="KL: ε* C + H(ε*)",
        statement="|ΔI| ≤ ε* C + H_b(min{ε*, ½})",
        hypotheses="D(P′‖P) ≤ κ, with ε* = ε*(κ); C as for `tv_capacity`.",
        source=f"{MASS}; ε*(κ) as for `kl_seed`",
        function=bounds.kl_capacity,
        bound=lambda case: Bound(bounds.kl_capacity(case.kl, case.capacity), f"C = {case.capacity:.4g} nats"),
    ),
    _theorem(
        name="kl_pointwise",
        form="pointwise",
        uses_data=True,
        label="KL: M ε* + κ",
        statement="|ΔI| ≤ (max i − min i) ε*(κ) + κ",
        hypotheses="P′ lives on the atoms of P and D(P′‖P) ≤ κ; the extremes of i are over these atoms. i(x) is "
        f"estimated; its range is widened by {IN_WORDS}.",
        source=GOLDEN,
        function=bounds.kl_pointwise,
        bound=_kl_pointwise,
    ),
    _theorem(
        name="kl_golden",
        form="golden",
        uses_data=True,
        label="KL: golden, i(x)",
        statement="min_{D(Q‖P) ≤ κ} E_Q i − κ ≤ I(X′;T_ℓ) ≤ max_{D(Q‖P) ≤ κ} E_Q i = inf_{λ > 0} (κ + ln E_P e^{λ i}) "
        "/ λ",
        hypotheses="P′ lives on the atoms of P and D(P′‖P) ≤ κ. i(x) is estimated from both sides; both ends are "
        f"widened by {IN_WORDS}.",
        source=f"{GOLDEN}; Donsker and Varadhan's variational formula",
        function=bounds.golden_certificate,
        bound=_kl_golden,
    ),
)
