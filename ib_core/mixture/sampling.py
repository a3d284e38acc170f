"""Draw until the standard error is small enough."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ib_core.mixture.draws import Draws
from ib_core.mixture.strata import Strata, Unit


@dataclass(frozen=True)
class Sampled:
    """Means of V variables under K columns, and what is known of their errors."""

    means: np.ndarray  # (V, K)
    errors: np.ndarray  # (V, K) standard errors
    covariance: np.ndarray  # (judged, K, K) across columns
    stratum_means: np.ndarray  # (V, strata, K)
    stratum_errors: np.ndarray  # (strata, K) standard errors of the first variable's
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
        # An event that no draw has shown yet may still have a probability of one in all draws: the spread cannot know.
        errors = np.hypot(np.sqrt(np.maximum(variance, 0.0)), draws.largest_share / strata.units)
        reached = bool((errors[:judged] <= target_stderr).all())
        exhausted = (blocks + 1) * draws.points > max_draws or strata.units == draws.max_units
        if reached or exhausted:
            strata_found = strata.stratum_means(), strata.stratum_errors()
            return Sampled(strata.means(), errors, covariance, *strata_found, blocks * draws.points, reached)
        for unit in units(blocks):
            strata.add(unit)
        blocks += 1
