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
        statement="|ΔI| ≤ min{(√d L/β)(W_2 + 1_{ℓ≥2} W_1), (δ L/β²)(1 + 1_{ℓ≥2}) W_1}",
        hypotheses="The map X → S_ℓ is L-Lipschitz for fixed noise; W_1 and W_2 are distances of the input laws, or "
        "upper bounds of them. The second form needs |S_j| ≤ r.",
        source="proved in `ib_core.bounds.wasserstein`, along the Brenier map, with Fisher information at most d/β²; "
        "compare Polyanskiy and Wu, arXiv:1504.04419",
        function=bounds.wasserstein,
        bound=_wasserstein,
    ),
    _theorem(
        name="polyanskiy_wu",
        label="W₂: Polyanskiy and Wu",
        statement="|ΔI| ≤ (√d L/β)(W_2 + 1_{ℓ≥2} W_1) (1 + √(1 + b²))/b, b = β/r",
        hypotheses="As the first form of `wasserstein`, with |S_j| ≤ r: an older and larger constant, for comparison.",
        source="Polyanskiy and Wu, arXiv:1504.04419, Propositions 1 and 2",
        function=bounds.polyanskiy_wu,
        bound=_polyanskiy_wu,
    ),
    _theorem(
        name="wasserstein_coupled",
        uses_data=True,
        label="W: from the signals",
        statement="|ΔI| ≤ min{(√d/β)[(E|ΔS|²)^{1/2} + 1_{ℓ≥2} E_x(E[|ΔS|² | x])^{1/2}], (δ/β²)(1 + 1_{ℓ≥2}) E|ΔS|}",
        hypotheses="ΔS = S_ℓ − S′_ℓ under the same noise, for coupled inputs x and x′. The means are over the stored "
        "passes, so the bound is exact for their channel and is held against the change of the plug-in; in layer 1 "
        "that channel is the true one. The second form needs |S_j| ≤ r.",
        channel="stored passes",
        source="proved in `ib_core.bounds.wasserstein`, from the bounds on an entropy under W_2 and W_1",
        function=bounds.wasserstein_coupled,
        bound=_wasserstein_coupled,
    ),
)
