"""A number with its standard error, and how two of them combine."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t

# Every interval that we publish is this many standard errors wide on either side.
WIDTH = 3.0
IN_WORDS = "three standard errors"
ROUNDING = 1e-12  # of what is measured and of 1 nat, by which numbers that are equal may differ as they are computed


class Estimate(NamedTuple):
    """A Monte Carlo estimate in nats; both members are floats, or arrays (K,) for K laws at once."""

    value: Any
    stderr: Any


def interval(estimate: Estimate, width: float = WIDTH) -> tuple[Any, Any]:
    """The interval value -+ width standard errors."""
    return estimate.value - width * estimate.stderr, estimate.value + width * estimate.stderr


def centred(low: Any, high: Any) -> Estimate:
    """The middle of an interval, with the standard error of which WIDTH reach its ends."""
    return Estimate((low + high) / 2, (high - low) / 2 / WIDTH)


def holds(bound: Any, measured: Estimate, above: bool = True, error: Any = 0.0) -> Any:
    """Whether a bound holds of what was measured: one is violated where all of the interval lies beyond it.

    Args:
        bound: from above, or from below with `above` False.
        measured: what it bounds.
        error: of the measurement besides its standard error, by which the interval is wider.
    """
    low, high = interval(measured)
    error = error + ROUNDING * (1 + abs(measured.value))
    return low - error <= bound if above else high + error >= bound


def independent_difference(a: Estimate, b: Estimate) -> Estimate:
    """a - b for two estimates from independent draws, whose variances add.

    Laws that share their draws have a smaller error: use `LayerInformation.difference` for those.
    """
    return Estimate(a.value - b.value, np.hypot(a.stderr, b.stderr))


def mean_of_few(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The mean of independent values, as of some seeds, and half the width of its interval by Student's t.

    Args:
        values: (n,), finite.
        confidence: with which the interval covers the expectation, if the values are normal.

    Returns:
        Mean and half width; infinite of one value, which says nothing of its spread.

    Example:
        >>> mean_of_few(np.array([1.0, 2.0, 3.0]))
        (2.0, 2.48...)
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), float("inf")
    half = t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)
