"""Exponential tilts P' ~ P exp(s f) of a law: the laws of the largest mean of f at their KL divergence from P, nats.

Divergences are sums of terms r ln r - r + 1 >= 0, which keep their digits where P' is near P: from 1e-200 nats on.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

SMALLEST = 1e-200  # nats, below which squares leave float64
NEAR = 1e-2  # |ln P'/P| below which the terms come from their series
LIMIT = 800.0  # e^-LIMIT is 0: nothing but the largest values is left


class Tilt(NamedTuple):
    """A tilt of P.

    Attributes:
        law: (N,), sum 1.
        parameter: s; infinite where only the largest values of f are left.
        largest_mean: max of E_{P'} f over D(P' || P) <= kappa, or a little above it.
    """

    law: np.ndarray
    parameter: float
    largest_mean: float


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """D(P || Q) for laws (N,); infinite when P has mass where Q has none.

    It is sum q (r ln r - r + 1) with r = p / q, whose terms cancel nothing: two laws 1e-9 apart still have a
    divergence, and one that sums to 1 only within rounding has no negative one.
    """
    inside = q > 0
    if (p[~inside] > 0).any():
        return math.inf
    p, q = p[inside], q[inside]
    both = p > 0
    ratio = np.ones(len(p))
    with np.errstate(over="ignore", divide="ignore"):
        ratio[both] = p[both] / q[both]
        z = np.where(np.isfinite(ratio), np.log(ratio), np.log(np.maximum(p, 1e-323)) - np.log(q))
    return float(np.where(both, _terms(p, q, z), q).sum())


def reach(values: np.ndarray, weights: np.ndarray) -> float:
    """The supremum of D(P' || P) over the tilts of P by f, -ln P(f = max f); `weights` (N,) positive."""
    return max(0.0, -math.log(float(weights[values == values.max()].sum() / weights.sum())))


def tilt(values: np.ndarray, weights: np.ndarray, kappa: float, most: float = math.inf) -> Tilt:
    """The tilt of P by f with the largest s <= most and D(P' || P) <= kappa; for most = inf the law of largest mean.

    Args:
        values: (N,) of f, finite.
        weights: (N,) of P, positive.
        kappa: nats, infinity included.

    Source: Donsker and Varadhan: E_{P'} f <= (kappa + ln E_P e^{s f}) / s for every s > 0, so that the search for s
    costs the largest mean no rigour.
    """
    top = float(values.max())
    spread = top - float(values.min())
    mean = float(weights @ values)
    if spread == 0 or kappa == 0 or most == 0:
        return Tilt(weights, 0.0, top if spread == 0 else mean)
    if kappa < SMALLEST:
        return Tilt(weights, 0.0, min(top, mean + spread * math.sqrt(kappa / 2)))  # Pinsker
    f = (values - top) / spread  # in [-1, 0]
    farthest = LIMIT / max(float(-f[f < 0].max()), 1e-300) if most == math.inf else most * spread

    def at(s: float) -> tuple[np.ndarray, float, float]:
        shares = np.exp(s * f)
        less = float(weights @ np.expm1(s * f))
        log_total = math.log1p(less) if less > -0.5 else math.log(float(weights @ shares))
        law = weights * shares
        law /= law.sum()
        return law, log_total, float(_terms(law, weights, s * f - log_total).sum())

    law, log_total, found = at(farthest)
    if found <= kappa:
        if most == math.inf:
            peak = np.where(f == 0, weights, 0.0)
            return Tilt(peak / peak.sum(), math.inf, top)
        return Tilt(law, most, min(top, top + spread * (kappa + log_total) / farthest))
    # D is at most s^2 / 8 (the variance of f in [-1, 0] is at most 1/4), and near to a square for small s.
    low = min(math.sqrt(2 * kappa), 0.5 * farthest)
    high = 2 * low
    while high < farthest and at(high)[2] < kappa:
        low, high = high, 4 * high
    log_kappa = math.log(kappa)
    ends = math.log(low), math.log(min(high, farthest))
    s = math.exp(brentq(lambda t: math.log(max(at(math.exp(t))[2], 1e-300)) - log_kappa, *ends, xtol=1e-15, rtol=1e-14))
    law, log_total, _ = at(s)
    return Tilt(law, s / spread, min(top, top + spread * (kappa + log_total) / s))


def _terms(p: np.ndarray, q: np.ndarray, z: np.ndarray) -> np.ndarray:
    """q (r ln r - r + 1) for r = p / q = e^z, without cancellation."""
    z = np.maximum(z, -1e300)
    near = np.clip(z, -NEAR, NEAR)
    series = near**2 * (1 / 2 + near * (1 / 3 + near * (1 / 8 + near * (1 / 30 + near / 144))))
    return np.where(np.abs(z) <= NEAR, q * series, np.maximum(p * z + (q - p), 0.0))
