"""Theorems on the plug-in entropy of samples: its risk, its bias and its spread."""

from collections.abc import Callable
from functools import partial

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Samples, Theorem

GOLDFELD = "Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589"
_theorem = partial(Theorem, concerns=("entropy",))


def _in_cube(value: Callable[[Samples], float]) -> Callable[[Samples], Bound | None]:
    """A bound for laws in the cube."""
    return lambda case: None if case.psi2 is not None else Bound(value(case))


def _bias_of_atoms(case: Samples) -> float:
    return bounds.entropy_bias(case.n, case.d, case.beta, n_atoms=case.n_atoms)


def _risk_subgaussian(case: Samples) -> Bound | None:
    return None if case.psi2 is None else Bound(bounds.risk_subgaussian_printed(case.n, case.d, case.beta, case.psi2))


def _bias_lower_bound(case: Samples) -> Bound | None:
    if case.grid_epsilon is None:
        return None
    return Bound(bounds.bias_lower_bound(case.n, case.d, case.beta, case.grid_epsilon))


ENTROPY_RISK = _theorem(
    name="entropy_risk",
    quantity="risk",
    label="sharp bound, any law on the cube",
    statement="E|h(P_n∗φ) − h(P∗φ)| ≤ b(n) + v(n)",
    hypotheses="Every n and every law on [−1, 1]^d.",
    source="proved in `ib_core.bounds.risk`: the bias by χ², the spread by the inequality of Efron and Stein",
    function=bounds.entropy_risk,
    bound=_in_cube(lambda case: bounds.entropy_risk(case.n, case.d, case.beta)),
)
BIAS_LOWER_BOUND = _theorem(
    name="bias_lower_bound",
    quantity="bias",
    label="lower bound on the bias, Thm 4",
    statement="h(P∗φ) − E h(P_n∗φ) ≥ ln(k^{d(1 − η)}/n) − H_b(η)",
    hypotheses="P uniform on a grid of k points per axis of [−1, 1]^d, k so small that the noise lets a point be "
    "decoded with error η.",
    source=f"{GOLDFELD}, Theorem 4",
    above=False,
    function=bounds.bias_lower_bound,
    bound=_bias_lower_bound,
)
ENTROPY = (
    _theorem(
        name="entropy_spread",
        quantity="sd",
        label="bound on the spread",
        statement="sd h(P_n∗φ) ≤ v(n)",
        hypotheses="Every law and every noise.",
        source="proved in `ib_core.bounds.risk`, by the inequality of Efron and Stein",
        function=bounds.entropy_spread,
        bound=lambda case: Bound(bounds.entropy_spread(case.n)),
    ),
    _theorem(
        name="risk_bounded_printed",
        quantity="risk",
        label="Goldfeld et al. eq. (52)",
        statement="E|h(P_n∗φ) − h(P∗φ)| ≤ ln(n q^d/(πβ²)^{d/2}) q^{d/2}/(2 (4πβ²)^{d/4} √n) + (c² + 2cd(1 + β²)/β² + "
        "8d(d + 2β⁴ + dβ⁴)/β⁴) 2/n, q = 2 + 2β√(2 ln n), c = (d/2) ln(2πβ²) + d/β²",
        hypotheses="Laws on [−1, 1]^d, n large enough.",
        source=f"{GOLDFELD}, Theorem 2, eq. (52)",
        standing="large enough",
        function=bounds.risk_bounded_printed,
        bound=_in_cube(lambda case: bounds.risk_bounded_printed(case.n, case.d, case.beta)),
    ),
    _theorem(
        name="risk_subgaussian_printed",
        quantity="risk",
        label="Goldfeld et al. eq. (59)",
        statement="E|h(P_n∗φ) − h(P∗φ)| ≤ ln(√n (4q)^{d/4}) q^{d/4}/√n + ((c + 2dK²/β²)(c + (2β²d + 3dK²)/β²) + "
        "8(16d²K⁴ + β⁴d(2 + d))/β⁴) e d/n, q = 2(K + β)² ln n/((e − 1)πβ²), c = (d/2) ln(2πβ²)",
        hypotheses="Coordinates of ψ_2 norm at most K, n large enough. As printed, with 3dK² where its derivation "
        "gives 6dK².",
        source=f"{GOLDFELD}, Theorem 3, eq. (59)",
        standing="large enough",
        function=bounds.risk_subgaussian_printed,
        bound=_risk_subgaussian,
    ),
    ENTROPY_RISK,
    _theorem(
        name="entropy_risk_atoms",
        quantity="risk",
        label="sharp bound, known number of atoms",
        statement="E|h(P_n∗φ) − h(P∗φ)| ≤ ln(1 + (M − 1)/n) + v(n), M = min{A_β^d, number of atoms}",
        hypotheses="As `entropy_risk`, for a law with finitely many atoms.",
        source="as `entropy_risk`",
        function=bounds.entropy_bias,
        bound=_in_cube(lambda case: _bias_of_atoms(case) + bounds.entropy_spread(case.n)),
    ),
    _theorem(
        name="entropy_bias",
        quantity="bias",
        label="bound on the bias",
        statement="h(P∗φ) − E h(P_n∗φ) ≤ b(n)",
        hypotheses="Every n and every law on [−1, 1]^d.",
        source="proved in `ib_core.bounds.risk`, by χ²",
        function=bounds.entropy_bias,
        bound=_in_cube(lambda case: bounds.entropy_bias(case.n, case.d, case.beta)),
    ),
    _theorem(
        name="entropy_bias_atoms",
        quantity="bias",
        label="bound on the bias, known number of atoms",
        statement="h(P∗φ) − E h(P_n∗φ) ≤ ln(1 + (M − 1)/n), M = min{A_β^d, number of atoms}",
        hypotheses="As `entropy_bias`, for a law with finitely many atoms.",
        source="as `entropy_bias`",
        function=bounds.entropy_bias,
        bound=_in_cube(_bias_of_atoms),
    ),
    _theorem(
        name="bias_sign",
        concerns=("entropy", "bracket"),
        quantity="bias",
        label="sign of the bias",
        statement="h(P∗φ) − E h(P_n∗φ) ≥ 0, E I_{SP} ≥ I(X;T_ℓ)",
        hypotheses="Every law; the second for enumerated inputs.",
        source="the entropy is concave in the law, and the information is convex in the channel",
        above=False,
        function=None,
        bound=lambda case: Bound(0.0),
    ),
    BIAS_LOWER_BOUND,
)
