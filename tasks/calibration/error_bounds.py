"""Every theorem on the error of an estimate, for one case of the calibration."""

import math
from typing import Any, NamedTuple

import numpy as np

from ib_core import bounds
from ib_core.bounds.theorem import PlugIn, Samples, Theorem
from ib_core.bounds.theorems import allowed
from ib_core.calibration.known_laws import GRID_EPSILON, KNOWN_LAWS


class ErrorBound(NamedTuple):
    """A bound on one measured quantity, nats.

    Attributes:
        theorem: which says so.
        value: the bound.
        cap: the error of an answer that looks at no data, h(Z) or 0; an upper bound that is not below says nothing.
    """

    theorem: Theorem
    value: float
    cap: float

    @property
    def vacuous(self) -> bool:
        """Whether it says nothing: a lower bound on a bias that is not negative anyway says nothing below 0."""
        return self.value >= self.cap if self.theorem.above else self.value < 0


def error_bounds(place: dict[str, Any], n_values: int) -> list[ErrorBound]:
    """What is known of the plug-in of a case: an entropy, or the information of a chain of `n_values` inputs per
    neuron."""
    case, cap = _samples(place) if place["part"] == "entropy" else _plug_in(place, n_values)
    return [ErrorBound(theorem, bound.value, cap) for theorem, bound in allowed(place["part"], case).items()]


def _samples(place: dict[str, Any]) -> tuple[Samples, float]:
    """h(S_hat + Z) of n samples, in the cube, for its atoms, or for its subgaussian norm."""
    law, d, beta, n = place["law"], place["d"], place["beta"], int(place["n"])
    known = KNOWN_LAWS[law](d, beta)
    cap = bounds.capacity(d, beta) if known.psi2 is None else known.information(beta)  # the most under this power
    epsilon = GRID_EPSILON if law == "grid" else None
    return Samples(n=n, d=d, beta=beta, n_atoms=known.n_atoms, psi2=known.psi2, grid_epsilon=epsilon), cap


def _plug_in(place: dict[str, Any], n_values: int) -> tuple[PlugIn, float]:
    """I_SP of the last layer, with enumerated or with sampled inputs."""
    d, beta = int(place["d"]), place["beta"]
    cap = min(d * math.log(n_values), bounds.capacity(d, beta))
    at: dict[str, Any] = {"n_passes": int(place["n_passes"]), "layer": 2, "d": d, "beta": beta, "half_width": 1.0}
    if place["part"] == "bracket":
        return PlugIn(weights=np.full(n_values**d, n_values**-d), **at), cap
    n = int(place["n"])
    # The slides write the entropy risk as c^d / sqrt(n).
    c = (bounds.entropy_risk(n, d, beta) * math.sqrt(n)) ** (1 / d)
    return PlugIn(weights=np.full(n, 1 / n), slides_constant=c, **at), cap
