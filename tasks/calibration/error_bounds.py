"""Every theorem on the error of an estimate, for one case of the calibration."""

import math
from typing import Any, NamedTuple

import numpy as np

from ib_core import bounds
from ib_core.calibration.known_laws import GRID_EPSILON, KNOWN_LAWS

# Theorems 2 and 3 of arXiv:1810.11589 hold for n large enough, and how large is not printed; eq. (52) is for laws on
# [-1, 1]^d, eq. (59) for subgaussian ones, with a constant that differs from its own derivation. Proposition 1 holds
# for every n, but not with eq. (52) in it.
FOR_LARGE_N = ("risk_bounded_printed", "risk_subgaussian_printed", "information_risk_printed")


class ErrorBound(NamedTuple):
    """A bound on one measured quantity, nats.

    Attributes:
        quantity: what it bounds: "risk", "bias" or "sd".
        theorem: its name in `ib_core.bounds`.
        value: the bound.
        cap: the error of an answer that looks at no data, h(Z) or 0; an upper bound that is not below says nothing.
        upper: whether it bounds from above.
        proven: False for a published formula that is shown for comparison: a misprint, or a theorem whose hypotheses
            are not known to hold for this case (`FOR_LARGE_N`).
    """

    quantity: str
    theorem: str
    value: float
    cap: float
    upper: bool = True
    proven: bool = True


def entropy_bounds(law: str, d: int, beta: float, n: int) -> list[ErrorBound]:
    """What is known of h(S_hat + Z) of n samples: in the cube, for its atoms, or for its subgaussian norm."""
    known = KNOWN_LAWS[law](d, beta)
    found = [("sd", "entropy_spread", bounds.entropy_spread(n))]
    if known.psi2 is not None:
        cap = known.information(beta)  # the most under this power
        found.append(("risk", "risk_subgaussian_printed", bounds.risk_subgaussian_printed(n, d, beta, known.psi2)))
    else:
        cap = bounds.capacity(d, beta)
        of_atoms = bounds.entropy_bias(n, d, beta, n_atoms=known.n_atoms)
        found += [
            ("risk", "risk_bounded_printed", bounds.risk_bounded_printed(n, d, beta)),
            ("risk", "entropy_risk", bounds.entropy_risk(n, d, beta)),
            ("risk", "entropy_risk_atoms", of_atoms + bounds.entropy_spread(n)),
            ("bias", "entropy_bias", bounds.entropy_bias(n, d, beta)),
            ("bias", "entropy_bias_atoms", of_atoms),
        ]
    upper = [
        ErrorBound(quantity, theorem, value, cap, proven=theorem not in FOR_LARGE_N)
        for quantity, theorem, value in found
    ]
    lower = [ErrorBound("bias", "bias_sign", 0.0, cap, upper=False)]
    if law == "grid":
        least = bounds.bias_lower_bound(n, d, beta, GRID_EPSILON)
        lower.append(ErrorBound("bias", "bias_lower_bound", least, cap, upper=False))
    return upper + lower


def information_bounds(place: dict[str, Any], n_values: int) -> list[ErrorBound]:
    """What is known of I_SP of the second layer, with enumerated or with sampled inputs."""
    d, beta, passes = int(place["d"]), place["beta"], int(place["n_passes"])
    cap = min(d * math.log(n_values), bounds.capacity(d, beta))
    if place["part"] == "bracket":
        weights = np.full(n_values**d, n_values**-d)
        risk = bounds.estimation_risk(weights, passes, d, beta, layer=2, half_width=1.0)
        return [
            ErrorBound("risk", "estimation_risk", risk, cap),
            ErrorBound("bias", "bias_sign", 0.0, cap, upper=False),
        ]
    n = int(place["n"])
    sharp, printed = bounds.entropy_risk(n, d, beta), bounds.risk_bounded_printed(n, d, beta)
    # The slides write the entropy risk as c^d / sqrt(n).
    c = (sharp * math.sqrt(n)) ** (1 / d)
    with_printed = bounds.information_risk_printed(printed, n, d, beta)
    return [
        ErrorBound("risk", "information_risk", bounds.information_risk(n, passes, d, beta), cap),
        ErrorBound("risk", "information_risk_printed", with_printed, cap, proven=False),
        ErrorBound("risk", "information_risk_printed_sharp", bounds.information_risk_printed(sharp, n, d, beta), cap),
        ErrorBound("risk", "information_risk_slides", bounds.information_risk_slides(c, n, d, beta), cap, proven=False),
    ]
