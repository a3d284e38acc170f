"""Draw until the standard error is small enough."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ib_core.mixture.draws import Draws
from ib_core.mixture.strata import Strata, Unit


class Spread(NamedTuple):
    """What is known of the errors of means under K columns together: their covariance, and what no spread can show."""

    covariance: np.ndarray  # (K, K)
    shares: np.ndarray  # (atoms, K) of the means, what one independent event weighs

    def error(self, share: np.ndarray) -> float:
        """Standard error of the sum of `share` (K,) times the means.

        An event of which there was no instance may still have a probability of one in all draws.
        """
        variance = float(share @ self.covariance @ share)
        return math.hypot(math.sqrt(max(variance, 0.0)), float(np.abs(self.shares @ share).max()))


@dataclass(frozen=True)
class Sampled:
    """Means of V variables under K columns, and what is known of their errors."""

    means: np.ndarray  # (V, K)
    errors: np.ndarray  # (V, K) standard errors
    stratum_means: np.ndarray  # (V, strata, K)
    stratum_errors: np.ndarray  # (strata, K) standard errors of the first variable's
    spread: Spread  # of the first variable
    draws: int
    reached: bool


def sample(
    draws: Draws,
    variables: Callable[[np.ndarray, np.ndarray], np.ndarray],
    judged: int,
    target_stderr: float | np.ndarray,
    max_draws: int,
) -> Sampled:
    """Average variables over draws until the first `judged` of them meet the target under every column.

    Args:
        draws: where the points come from.
        variables: maps points (m, d) and their atoms (m,) to values (V, m, K).
        judged: see above; these also get their covariance between columns.
        target_stderr: the standard errors to reach, (K,) or one for all.
        max_draws: most points; the first two units are drawn in any case.
    """

    def units(block: int) -> list[Unit]:
        points, atom, controls = draws.block(block)
        return list(zip(draws.by_unit(variables(points, atom)), draws.by_unit(controls), strict=True))

    first, blocks = units(0), 1
    if len(first) == 1 and draws.max_units != 1:
        first, blocks = first + units(1), 2
    strata = Strata(draws.weights, judged, first)
    while True:
        covariance, variance = strata.spread()
        shares = draws.shares / strata.units
        errors = np.hypot(np.sqrt(np.maximum(variance, 0.0)), shares.max(0))  # see Spread
        reached = bool((errors[:judged] <= target_stderr).all())
        exhausted = (blocks + 1) * draws.points > max_draws or strata.units == draws.max_units
        if reached or exhausted:
            strata_found = strata.stratum_means(), strata.stratum_errors()
            spread = Spread(covariance[0], shares)
            return Sampled(strata.means(), errors, *strata_found, spread, blocks * draws.points, reached)
        for unit in units(blocks):
            strata.add(unit)
        blocks += 1
