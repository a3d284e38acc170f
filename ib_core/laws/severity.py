"""Which severity of a family gives its law a distance."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

# The largest severity is halved so many times: between two of these one is sought, below the least of them another.
HALVINGS = 10


def severities(largest: float) -> np.ndarray:
    """Those at which the distance is looked at before it is solved for, ascending."""
    return largest * 2.0 ** np.arange(-HALVINGS, 1)


def severity_at(size: float, distance: Callable[[float], float], largest: float, least: float = 0.0) -> float | None:
    """The first severity above `least` at which `distance`, less than `size` up to there, reaches it; None without.

    Distances may fall again, as that of a turn beyond a right angle does.
    """
    for severity in severities(largest):
        if severity > least:
            if distance(severity) >= size:
                return float(
                    brentq(lambda s: distance(s) - size, least, severity, xtol=1e-300, rtol=1e-10, maxiter=500)
                )
            least = severity
    return None


def farthest(size: float, distance: Callable[[float], float], largest: float) -> float:
    """The largest distance of any of these severities, or the first one found that is at least `size`."""
    most = 0.0
    for severity in severities(largest)[::-1]:
        most = max(most, distance(severity))
        if most >= size:
            break
    return most
