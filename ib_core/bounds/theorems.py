"""The one table of theorems: every bound that a table, figure, report or metric names, with its words and its source.

Another theorem is another row. Rows of tables follow this order, and of equal bounds the first counts as the smallest.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ib_core import bounds
from ib_core.bounds.theorem import Bound, Clean, PlugIn, Samples, Shift, Theorem
from ib_core.estimate import IN_WORDS

DELTA = 0.05  # probability that a bound on one estimate may fail

GOLDFELD = "Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589"
ELSEWHERE = Bound(math.inf, "the law has other atoms")


def _certified(certificate: Callable[..., bounds.Certificate], size: float, clean: Clean) -> Bound:
    """A certificate from i(x); Monte Carlo is what it adds for errors, and what noise adds to an extreme."""
    if size == 0:
        return Bound(0.0, "no shift", *clean.bracket, monte_carlo=0.0)
    proven = certificate(size, clean.pointwise, clean.stderr, clean.weights, low=clean.low, reference=clean.bracket)
    monte_carlo = min(proven.widening + proven.inflation, proven.deviation)
    note = f"from both ends of i(x), widened by {IN_WORDS}"
    return Bound(proven.deviation, note, proven.lower, proven.upper, monte_carlo)


def _tv_golden(case: Shift) -> Bound:
    return ELSEWHERE if case.clean is None else _certified(bounds.tv_certificate, case.tv, case.clean)


def _kl_golden(case: Shift) -> Bound:
    if case.clean is None or math.isinf(case.kl):
        return ELSEWHERE
    return _certified(bounds.golden_certificate, case.kl, case.clean)


def _kl_pointwise(case: Shift) -> Bound:
    if case.clean is None or math.isinf(case.kl):
        return ELSEWHERE
    value = bounds.kl_pointwise(case.kl, case.clean.pointwise, case.clean.weights, case.clean.stderr)
    return Bound(value, f"from i(x) from above, its range widened by {IN_WORDS}")


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


def _wasserstein(case: Shift) -> Bound:
    value = bounds.wasserstein(case.w1, case.w2, case.d, case.beta, case.lipschitz, case.layer, case.half_width)
    return Bound(value, f"W2 {case.w2_how}; Lipschitz product {case.lipschitz:.4g}")


def _polyanskiy_wu(case: Shift) -> Bound | None:
    if case.half_width is None:
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


MASS = "here, by the decomposition of P and P' into common and moved mass: ib_core.bounds.reweighting"
GOLDEN = "here, from I(P') - I(P) = E_P' i - E_P i - D(P'_T || P_T): ib_core.bounds.pointwise"
PASSES = "here, by bounded differences over the passes: ib_core.bounds.passes"

ENUMERATED_RISK = Theorem(
    name="enumerated_risk",
    concerns=("estimation",),
    quantity="risk",
    label="both entropies at once, enumerated inputs",
    statement="E|I_SP - I(X;T_l)| is at most b(n_x) + (1/2) sqrt(sum_i n_x H_b(w_i/n_x)^2), 0 in the first layer, for "
    "enumerated inputs with pooled passes and signals in [-r, r]^d.",
    source=PASSES,
    function=bounds.enumerated_risk,
    bound=lambda case: Bound(_enumerated_risk(case), "the same with both entropies at once"),
)
ESTIMATION_RISK = Theorem(
    name="estimation_risk",
    concerns=("estimation", "bracket"),
    quantity="risk",
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
INFORMATION_RISK = Theorem(
    name="information_risk",
    concerns=("estimation", "sampled"),
    quantity="risk",
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
ENTROPY_RISK = Theorem(
    name="entropy_risk",
    concerns=("entropy",),
    quantity="risk",
    label="sharp bound, any law on the cube",
    statement="E|h(P_n * phi) - h(P * phi)| is at most ln(1 + (A^d - 1)/n) + (sqrt(n)/2) H_b(1/n) with "
    "A = 1 + sqrt(2/pi) / beta, for every n and every law on [-1, 1]^d.",
    source="here, bias by chi^2 and spread by Efron and Stein: ib_core.bounds.risk",
    function=bounds.entropy_risk,
    bound=_in_cube(lambda case: bounds.entropy_risk(case.n, case.d, case.beta)),
)
BIAS_LOWER_BOUND = Theorem(
    name="bias_lower_bound",
    concerns=("entropy",),
    quantity="bias",
    label="lower bound on the bias, Thm 4",
    statement="h(P * phi) - E h(P_n * phi) is at least ln(k*^(d (1 - eps)) / n) - H_b(eps) for P uniform on a grid of "
    "k* points per axis of [-1, 1]^d that the noise lets be decoded with error eps.",
    source=f"{GOLDFELD}, Theorem 4",
    above=False,
    function=bounds.bias_lower_bound,
    bound=_bias_lower_bound,
)

THEOREMS: tuple[Theorem, ...] = (
    Theorem(
        name="tv_seed",
        concerns=("deviation",),
        quantity="change",
        distance="tv",
        form="seed",
        label="TV: ε ln(N−1) + H(ε)",
        statement="|I(X';T_l) - I(X;T_l)| is at most eps ln(N - 1) + H_b(eps) with eps = TV(P, P') and N the atoms of "
        "both supports together, for any channel; in a ball up to eps = 1 - 1/N.",
        source=MASS,
        function=bounds.tv_seed,
        bound=lambda case: Bound(bounds.tv_seed(case.tv, case.n), f"TV {case.tv_how}, N = {case.n}"),
    ),
    Theorem(
        name="tv_capacity",
        concerns=("deviation",),
        quantity="change",
        distance="tv",
        form="capacity",
        label="TV: ε C + H(ε)",
        statement="|I(X';T_l) - I(X;T_l)| is at most eps C + H_b(min(eps, 1/2)) at TV(P, P') up to eps, C the smallest "
        "capacity cap of the layers up to l; infinite where the activation has no bound.",
        source=MASS,
        function=bounds.tv_capacity,
        bound=lambda case: Bound(bounds.tv_capacity(case.tv, case.capacity), f"C = {case.capacity:.4g} nats"),
    ),
    Theorem(
        name="tv_golden",
        concerns=("deviation",),
        quantity="change",
        distance="tv",
        form="golden",
        uses_data=True,
        label="TV: from i(x)",
        statement="I(X';T_l) lies between the least and the largest value that i(x) of clean data allows at TV(P, P') "
        f"up to eps on the atoms of P; both ends of i(x) are widened by {IN_WORDS}.",
        source=GOLDEN,
        function=bounds.tv_certificate,
        bound=_tv_golden,
    ),
    Theorem(
        name="kl_seed",
        concerns=("deviation",),
        quantity="change",
        distance="kl",
        form="seed",
        label="KL: ε* ln(N−1) + H(ε*)",
        statement="tv_seed at eps*, the largest total variation that D(P' || P) up to kappa allows; ln N beyond "
        "eps* = 1 - 1/N.",
        source=f"{MASS}; eps* from Fedotov, Harremoes and Topsoe, IEEE Trans. Inform. Theory 49 (2003) 1491",
        function=bounds.kl_seed,
        bound=lambda case: Bound(
            bounds.kl_seed(case.kl, case.n), "supports differ" if math.isinf(case.kl) else "KL exact"
        ),
    ),
    Theorem(
        name="kl_capacity",
        concerns=("deviation",),
        quantity="change",
        distance="kl",
        form="capacity",
        label="KL: ε* C + H(ε*)",
        statement="tv_capacity at eps*, the largest total variation that D(P' || P) up to kappa allows.",
        source=f"{MASS}; eps* as for kl_seed",
        function=bounds.kl_capacity,
        bound=lambda case: Bound(bounds.kl_capacity(case.kl, case.capacity), f"C = {case.capacity:.4g} nats"),
    ),
    Theorem(
        name="kl_pointwise",
        concerns=("deviation",),
        quantity="change",
        distance="kl",
        form="pointwise",
        uses_data=True,
        label="KL: M ε* + κ",
        statement="|I(X';T_l) - I(X;T_l)| is at most M eps* + kappa at D(P' || P) up to kappa, M the range of i(x) of "
        f"clean data on the support of P, widened by {IN_WORDS}, eps* as for kl_seed.",
        source=GOLDEN,
        function=bounds.kl_pointwise,
        bound=_kl_pointwise,
    ),
    Theorem(
        name="kl_golden",
        concerns=("deviation",),
        quantity="change",
        distance="kl",
        form="golden",
        uses_data=True,
        label="KL: from i(x)",
        statement="I(X';T_l) lies between the smallest mean of i(x) of clean data at D(P' || P) up to kappa, less "
        f"kappa, and the largest; both ends of i(x) are widened by {IN_WORDS}.",
        source=f"{GOLDEN}; Donsker and Varadhan's variational formula",
        function=bounds.golden_certificate,
        bound=_kl_golden,
    ),
    Theorem(
        name="wasserstein",
        concerns=("deviation",),
        quantity="change",
        distance="wasserstein",
        label="W: √d L W₂ / β",
        statement="|I(X';T'_l) - I(X;T_l)| is at most (sqrt(d) L / beta)(W_2 + W_1 above the first layer), and for "
        "signals in a box of diameter D at most (D L / beta^2) W_1, twice that above the first layer; L is a Lipschitz "
        "constant of the input's way to the signal, W_1 and W_2 are distances of the input laws or bounds of them.",
        source="here, along the Brenier map, by Fisher information at most d / beta^2: ib_core.bounds.wasserstein; "
        "compare Polyanskiy and Wu, arXiv:1504.04419",
        function=bounds.wasserstein,
        bound=_wasserstein,
    ),
    Theorem(
        name="polyanskiy_wu",
        concerns=("deviation",),
        quantity="change",
        distance="wasserstein",
        label="W₂: Polyanskiy and Wu",
        statement="The W_2 form of wasserstein with an older constant, larger by (1 + sqrt(1 + b^2)) / b at "
        "b = beta / r, for signals in [-r, r]^d; for comparison.",
        source="Polyanskiy and Wu, arXiv:1504.04419, Propositions 1 and 2",
        function=bounds.polyanskiy_wu,
        bound=_polyanskiy_wu,
    ),
    Theorem(
        name="wasserstein_coupled",
        concerns=("deviation",),
        quantity="change",
        distance="wasserstein",
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
    Theorem(
        name="tv_directional",
        concerns=("deviation",),
        quantity="change",
        distance="tv",
        label="TV: by sign, from H",
        statement="The fall is at most eps min(H(A), C) + H_b(eps), A the law of the mass that P loses, and the rise "
        "the same with the law B of the mass that P' gains; for reweightings. Where the bracket of the change excludes "
        "0 the one of its sign counts, else the larger.",
        source="here, by common and moved mass: ib_core.bounds.directional",
        function=bounds.tv_directional,
        bound=_tv_directional,
    ),
    Theorem(
        name="tv_directional_measured",
        concerns=("deviation",),
        quantity="change",
        distance="tv",
        uses_data=True,
        label="TV: by sign, from I",
        statement="The change lies between eps (I(B) - I(A)) - H_b(eps) and eps (I(B) - I(A)) + H_b(eps), for "
        "reweightings, with the brackets of I(A) and I(B), the information of the removed and of the added mass.",
        source="here, by common and moved mass: ib_core.bounds.directional",
        function=bounds.tv_directional_measured,
        bound=_tv_directional_measured,
    ),
    ESTIMATION_RISK,
    ENUMERATED_RISK,
    Theorem(
        name="sampled_risk",
        concerns=("estimation",),
        quantity="risk",
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
    Theorem(
        name="information_risk_printed",
        concerns=("estimation", "sampled"),
        quantity="risk",
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
    Theorem(
        name="information_risk_printed_sharp",
        concerns=("sampled",),
        quantity="risk",
        label="Goldfeld et al. Prop. 1 with the sharp entropy risk",
        statement="information_risk_printed with the sharp risk of the entropy for Delta(n), for every n.",
        source=f"{GOLDFELD}, Proposition 1",
        function=bounds.information_risk_printed,
        bound=lambda case: _printed(case, bounds.entropy_risk),
    ),
    Theorem(
        name="information_risk_slides",
        concerns=("estimation", "sampled"),
        quantity="risk",
        label="slides' 8cd, a misprint and no bound",
        statement="(8 c d + d ln(1 + 1/beta^2)) / (4 sqrt(n)) for an entropy risk c^d / sqrt(n): a misprint of 8 c^d "
        "and no bound; for comparison.",
        source=f"slides on {GOLDFELD}",
        standing="misprint",
        function=bounds.information_risk_slides,
        bound=_slides,
    ),
    Theorem(
        name="shift_and_risk",
        concerns=("shifted_estimate",),
        quantity="risk",
        label="smallest bound + risk",
        statement="E|I(X';T_l) - I_SP| for the plug-in on clean data is at most the smallest bound on the deviation "
        "and enumerated_risk together.",
        source="triangle inequality",
        function=bounds.enumerated_risk,
        bound=lambda case: Bound(
            case.shift + _enumerated_risk(case), f"{case.by} + {ENUMERATED_RISK.name}, in expectation, on clean data"
        ),
    ),
    Theorem(
        name="shift_and_passes",
        concerns=("shifted_estimate",),
        quantity="risk",
        label="smallest bound + passes",
        statement="|I(X';T_l) - I_SP| for the plug-in on clean data is at most the smallest bound on the deviation, "
        f"b(n_x) and the deviation over the passes together, with probability {1 - DELTA:g}.",
        source=f"triangle inequality, and {PASSES}",
        function=bounds.shift_and_passes,
        bound=_shift_and_passes,
    ),
    Theorem(
        name="entropy_spread",
        concerns=("entropy",),
        quantity="sd",
        label="bound on the spread",
        statement="The standard deviation of h(P_n * phi) is at most (sqrt(n)/2) H_b(1/n), for every law and noise.",
        source="here, by Efron and Stein: ib_core.bounds.risk",
        function=bounds.entropy_spread,
        bound=lambda case: Bound(bounds.entropy_spread(case.n)),
    ),
    Theorem(
        name="risk_bounded_printed",
        concerns=("entropy",),
        quantity="risk",
        label="Goldfeld et al. eq. (52)",
        statement="E|h(P_n * phi) - h(P * phi)| as published, for laws on [-1, 1]^d and n large enough.",
        source=f"{GOLDFELD}, Theorem 2, eq. (52)",
        standing="large enough",
        function=bounds.risk_bounded_printed,
        bound=_in_cube(lambda case: bounds.risk_bounded_printed(case.n, case.d, case.beta)),
    ),
    Theorem(
        name="risk_subgaussian_printed",
        concerns=("entropy",),
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
    Theorem(
        name="entropy_risk_atoms",
        concerns=("entropy",),
        quantity="risk",
        label="sharp bound, known number of atoms",
        statement="entropy_risk with the number of atoms of P for A^d where that is smaller.",
        source="as entropy_risk",
        function=bounds.entropy_bias,
        bound=_in_cube(lambda case: _bias_of_atoms(case) + bounds.entropy_spread(case.n)),
    ),
    Theorem(
        name="entropy_bias",
        concerns=("entropy",),
        quantity="bias",
        label="bound on the bias",
        statement="h(P * phi) - E h(P_n * phi) is at most ln(1 + (A^d - 1)/n) with A = 1 + sqrt(2/pi) / beta, for "
        "every n and every law on [-1, 1]^d.",
        source="here, by chi^2: ib_core.bounds.risk",
        function=bounds.entropy_bias,
        bound=_in_cube(lambda case: bounds.entropy_bias(case.n, case.d, case.beta)),
    ),
    Theorem(
        name="entropy_bias_atoms",
        concerns=("entropy",),
        quantity="bias",
        label="bound on the bias, known number of atoms",
        statement="entropy_bias with the number of atoms of P for A^d where that is smaller.",
        source="as entropy_bias",
        function=bounds.entropy_bias,
        bound=_in_cube(_bias_of_atoms),
    ),
    Theorem(
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


def that_concern(concerns: str) -> Iterator[Theorem]:
    """The theorems that a comparison is held against."""
    return (theorem for theorem in THEOREMS if concerns in theorem.concerns)


def among(names: Iterable[str]) -> list[Theorem]:
    """The rows of these names, in the order of the table."""
    found = set(names)
    return [theorem for theorem in THEOREMS if theorem.name in found]


def named(name: str) -> Theorem:
    """The row of this name."""
    return {theorem.name: theorem for theorem in THEOREMS}[name]


def allowed(concerns: str, case: Any) -> dict[Theorem, Bound]:
    """What each theorem of a comparison allows in one case; those whose hypotheses do not hold are left out."""
    found = ((theorem, theorem.bound(case)) for theorem in that_concern(concerns))
    return {theorem: bound for theorem, bound in found if bound is not None}


def distances() -> list[str]:
    """In which the theorems on a change measure the shift."""
    return list(dict.fromkeys(theorem.distance for theorem in that_concern("deviation")))


def of_balls() -> list[Theorem]:
    """The theorems for every law of a ball; those in KL first, which have every form."""
    return sorted((theorem for theorem in that_concern("deviation") if theorem.form), key=lambda each: each.distance)


def allowed_in_ball(metric: str, case: Shift) -> dict[Theorem, Bound]:
    """What each theorem for every law of a ball in this metric allows there."""
    found = ((theorem, theorem.bound(case)) for theorem in of_balls() if theorem.distance == metric)
    return {theorem: bound for theorem, bound in found if bound is not None}
