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
    statement="E|h(P_n * phi) - h(P * phi)| is at most ln(1 + (A^d - 1)/n) + (sqrt(n)/2) H_b(1/n) with "
    "A = 1 + sqrt(2/pi) / beta, for every n and every law on [-1, 1]^d.",
    source="here, bias by chi^2 and spread by Efron and Stein: ib_core.bounds.risk",
    function=bounds.entropy_risk,
    bound=_in_cube(lambda case: bounds.entropy_risk(case.n, case.d, case.beta)),
)
BIAS_LOWER_BOUND = _theorem(
    name="bias_lower_bound",
    quantity="bias",
    label="lower bound on the bias, Thm 4",
    statement="h(P * phi) - E h(P_n * phi) is at least ln(k*^(d (1 - eps)) / n) - H_b(eps) for P uniform on a grid of "
    "k* points per axis of [-1, 1]^d that the noise lets be decoded with error eps.",
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
        statement="The standard deviation of h(P_n * phi) is at most (sqrt(n)/2) H_b(1/n), for every law and noise.",
        source="here, by Efron and Stein: ib_core.bounds.risk",
        function=bounds.entropy_spread,
        bound=lambda case: Bound(bounds.entropy_spread(case.n)),
    ),
    _theorem(
        name="risk_bounded_printed",
        quantity="risk",
        label="Goldfeld et al. eq. (52)",
        statement="E|h(P_n * phi) - h(P * phi)| as published, for laws on [-1, 1]^d and n large enough.",
        source=f"{GOLDFELD}, Theorem 2, eq. (52)",
        standing="large enough",
        function=bounds.risk_bounded_printed,
        bound=_in_cube(lambda case: bounds.risk_bounded_printed(case.n, case.d, case.beta)),
    ),
    _theorem(
        name="risk_subgaussian_printed",
        quantity="risk",
        label="Goldfeld et al. eq. (59)",
        statement="E|h(P_n * phi) - h(P * phi)| as published, for laws with subgaussian coordinates and n large "
        "enough, with a constant that differs from its own derivation.",
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
        statement="entropy_risk with the number of atoms of P for A^d where that is smaller.",
        source="as entropy_risk",
        function=bounds.entropy_bias,
        bound=_in_cube(lambda case: _bias_of_atoms(case) + bounds.entropy_spread(case.n)),
    ),
    _theorem(
        name="entropy_bias",
        quantity="bias",
        label="bound on the bias",
        statement="h(P * phi) - E h(P_n * phi) is at most ln(1 + (A^d - 1)/n) with A = 1 + sqrt(2/pi) / beta, for "
        "every n and every law on [-1, 1]^d.",
        source="here, by chi^2: ib_core.bounds.risk",
        function=bounds.entropy_bias,
        bound=_in_cube(lambda case: bounds.entropy_bias(case.n, case.d, case.beta)),
    ),
    _theorem(
        name="entropy_bias_atoms",
        quantity="bias",
        label="bound on the bias, known number of atoms",
        statement="entropy_bias with the number of atoms of P for A^d where that is smaller.",
        source="as entropy_bias",
        function=bounds.entropy_bias,
        bound=_in_cube(_bias_of_atoms),
    ),
    _theorem(
        name="bias_sign",
        concerns=("entropy", "bracket"),
        quantity="bias",
        label="sign of the bias",
        statement="h(P * phi) - E h(P_n * phi) is not negative, nor is E I_SP - I(X;T_l) for enumerated inputs.",
        source="the entropy is concave in the law, the information convex in the channel",
        above=False,
        function=None,
        bound=lambda case: Bound(0.0),
    ),
    BIAS_LOWER_BOUND,
)
