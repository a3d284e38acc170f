"""How far a reweighting can move I(X;T_l), from the pointwise information i(x) = D(P_{T|x} || P_T) of clean data, nats.

I(P') - I(P) = E_{P'} i - E_P i - D(P'_T || P_T) for every reweighting (the golden identity), so i(x) alone gives the
first order, and intervals that hold for every law at a given distance. An estimated i(x) passes on its error.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ib_core.bounds.checks import non_negative, total_variation_size
from ib_core.bounds.kl_tv import tv_from_kl
from ib_core.estimate import WIDTH
from ib_core.laws.tilt import tilt
from ib_core.laws.top_mass import top_mass
from ib_core.streams import stream


class Certificate(NamedTuple):
    """What an estimated i(x) proves of every law of a ball, nats, each end widened by three standard errors.

    Attributes:
        lower, upper: I(P') lies between; `lower` is at least 0.
        deviation: |I(P') - I(P)| is at most this, the larger side.
        widening: how much of `deviation` is for the error of i(x).
        inflation: how much more of it is there because extremes over a ball choose by noise: what the same noise once
            more adds to `deviation`.
    """

    lower: float
    upper: float
    deviation: float
    widening: float
    inflation: float


class LargestMean(NamedTuple):
    """max of E_{P'} f over a ball (or a little above it), and the law (N,) that has it."""

    value: float
    law: np.ndarray


def kl_pointwise(kappa: float, pointwise: np.ndarray, weights: np.ndarray, stderr: np.ndarray | None = None) -> float:
    """|I(P') - I(P)| <= M TV(kappa) + kappa at D(P' || P) = kappa, M = max i - min i on the support of P.

    TV(kappa) is the largest TV there, `tv_from_kl`. At N = 4096, M = ln N and kappa = .01 this is .598 against .843 of
    the seed form; from about kappa = .7 on the seed form is smaller.

    Args:
        pointwise: (N,) of i(x) under P; atoms without weight are left out, NaN there is no matter.
        weights: (N,) of P.
        stderr: (N,) errors of an estimated i(x), which widen M by three of those of its two ends.

    Source: golden identity, |E_{P'} i - E_P i| <= M TV, and 0 <= D(P'_T || P_T) <= kappa by data processing.
    """
    non_negative(kappa=kappa)
    i, _ = _on_support(pointwise, weights)
    spread = float(np.ptp(i))
    if stderr is not None:
        ends = stderr[weights > 0][[np.argmax(i), np.argmin(i)]]
        spread += WIDTH * float(np.hypot(*ends))
    return spread * tv_from_kl(kappa) + kappa


def golden_interval(kappa: float, pointwise: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """An interval for I(P') over all P' with D(P' || P) <= kappa, from i(x) alone.

    Upper end inf_{lam>0} (kappa + ln E_P e^{lam i}) / lam, which is the largest E_{P'} i; lower end the smallest
    E_{P'} i less kappa. Every lam gives a valid end, so the search for the best costs no rigour.

    Args:
        pointwise: (N,) of i(x) under P.
        weights: (N,) of P.

    Source: Donsker and Varadhan's variational formula with the golden identity, 0 <= D(P'_T || P_T) <= kappa.
    """
    non_negative(kappa=kappa)
    i, w = _on_support(pointwise, weights)
    return -largest_mean_kl(-i, w, kappa).value - kappa, largest_mean_kl(i, w, kappa).value


def golden_certificate(
    kappa: float,
    pointwise: np.ndarray,
    stderr: np.ndarray,
    weights: np.ndarray,
    *,
    low: np.ndarray | None = None,
    reference: tuple[float, float] | None = None,
) -> Certificate:
    """`golden_interval` for i(x) with errors of known size (N,), as an interval and as a bound on the deviation.

    Args:
        kappa: D(P' || P), at most.
        pointwise: (N,) of i(x), at or above the truth in expectation.
        stderr: (N,) of its standard errors.
        weights: (N,) of P.
        low: (N,) of i(x) at or below the truth, for the lower end; `pointwise` by default, where it has no bias.
        reference: bracket of I(P); where there is none, sum w i, whose error is shared by both ends.

    Source: both ends are extremes of linear functions of i(x), so errors of mean 0 move them outwards on average
    (Jensen); around that, the error is that of the mean of i(x) under the extremal law.
    """
    non_negative(kappa=kappa)

    def extremes(high: np.ndarray, below: np.ndarray, w: np.ndarray) -> tuple[LargestMean, LargestMean]:
        least = largest_mean_kl(-below, w, kappa)
        return largest_mean_kl(high, w, kappa), LargestMean(-least.value - kappa, least.law)

    return _certificate(extremes, pointwise, stderr, weights, low, reference)


def tv_interval(epsilon: float, pointwise: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """An interval for I(P') over all P' on the support of P with TV(P, P') <= eps, from i(x) alone.

    Upper end: the largest E_{P'} i. Lower end: E_P i less its eps-mass of largest values, less
    (1-eps) ln(1/(1-eps)).

    Args:
        pointwise: (N,) of i(x) under P.
        weights: (N,) of P.

    Source: upper, golden identity. Lower: with (1-eps) R a measure of mass 1 - eps below P and P', I(P') is at least
    (1-eps) I(R) by concavity. That is the sum of the measure times i, less (1-eps) D(R_T || P_T), and R <= P / (1-eps).
    """
    epsilon = total_variation_size(epsilon)
    i, w = _on_support(pointwise, weights)
    return _least_kept(i, w, epsilon).value, largest_mean_tv(i, w, epsilon).value


def tv_certificate(
    epsilon: float,
    pointwise: np.ndarray,
    stderr: np.ndarray,
    weights: np.ndarray,
    *,
    low: np.ndarray | None = None,
    reference: tuple[float, float] | None = None,
) -> Certificate:
    """`tv_interval` for i(x) with errors of known size (N,); arguments as for `golden_certificate`."""
    epsilon = total_variation_size(epsilon)

    def extremes(high: np.ndarray, below: np.ndarray, w: np.ndarray) -> tuple[LargestMean, LargestMean]:
        return largest_mean_tv(high, w, epsilon), _least_kept(below, w, epsilon)

    return _certificate(extremes, pointwise, stderr, weights, low, reference)


def largest_mean_tv(values: np.ndarray, weights: np.ndarray, epsilon: float) -> LargestMean:
    """max of E_{P'} f over TV(P, P') <= eps on these atoms: the eps-mass of smallest f goes to the largest."""
    law = weights - top_mass(-values, weights, epsilon)
    law[np.argmax(values)] += 1 - law.sum()
    return LargestMean(float(law @ values), law)


def largest_mean_kl(values: np.ndarray, weights: np.ndarray, kappa: float) -> LargestMean:
    """max of E_{P'} f over D(P' || P) <= kappa; `weights` (N,) positive. Rounding can only raise it."""
    found = tilt(values, weights, kappa)
    return LargestMean(found.largest_mean, found.law)


def _least_kept(i: np.ndarray, w: np.ndarray, epsilon: float) -> LargestMean:
    """The lower end in TV, and the measure of mass 1 - eps whose mean of i it is but for a constant."""
    kept = w - top_mass(i, w, epsilon)
    lost = -(1 - epsilon) * math.log1p(-epsilon) if epsilon < 1 else 0.0
    return LargestMean(float(kept @ i) - lost, kept)


Extremes = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[LargestMean, LargestMean]]


def _certificate(
    extremes: Extremes,
    pointwise: np.ndarray,
    stderr: np.ndarray,
    weights: np.ndarray,
    low: np.ndarray | None,
    reference: tuple[float, float] | None,
) -> Certificate:
    """The extremes of i(x) from above and from below, widened, and once more under further noise."""
    i, w = _on_support(pointwise, weights)
    below = i if low is None else _on_support(low, weights)[0]
    error = stderr[weights > 0]
    found = _widened(*extremes(i, below, w), i, error, w, reference)
    noise = error * stream(0, "certificate").standard_normal(len(i))
    noisier = _widened(*extremes(i + noise, below + noise, w), i + noise, error, w, reference)
    return found._replace(inflation=max(noisier.deviation - found.deviation, 0.0))


def _widened(
    high: LargestMean,
    low: LargestMean,
    i: np.ndarray,
    stderr: np.ndarray,
    w: np.ndarray,
    reference: tuple[float, float] | None,
) -> Certificate:
    def error(part: np.ndarray) -> float:
        return WIDTH * math.sqrt(float(np.square(part) @ np.square(stderr)))

    lower, upper = max(low.value - error(low.law), 0.0), high.value + error(high.law)
    if reference is not None:
        deviation = max(upper - reference[0], reference[1] - lower, 0.0)
        return Certificate(lower, upper, deviation, max(upper - high.value, max(low.value, 0.0) - lower), 0.0)
    value = float(w @ i)
    rise, fall = high.value - value, value - max(low.value, 0.0)
    # No information is below 0, so it cannot fall by more than all there is.
    fall_error = min(error(low.law - w), error(w) + max(low.value, 0.0)) if low.value > 0 else error(w)
    deviation = max(rise + error(high.law - w), fall + fall_error, 0.0)
    return Certificate(lower, upper, deviation, deviation - max(rise, fall, 0.0), 0.0)


def _on_support(pointwise: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """i and w where w > 0."""
    if pointwise.shape != weights.shape:
        raise ValueError(f"pointwise and weights must have one shape (N,), got {pointwise.shape} and {weights.shape}")
    inside = weights > 0
    if not np.isfinite(pointwise[inside]).all():
        raise ValueError("pointwise information must be finite on the support of the law")
    return pointwise[inside], weights[inside]
