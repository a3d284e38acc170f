"""Balls of input laws around a reference, in total variation and in KL divergence: two projections for each.

`nearest` is the law of the ball that is nearest to a positive measure in KL divergence (a mirror step), `best` the law
that maximises the mean of a function (a Frank-Wolfe step). Both are exact up to rounding, in O(N ln N).
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import logsumexp

from ib_core.bounds.checks import non_negative, total_variation_size
from ib_core.bounds.pointwise import largest_mean_kl, largest_mean_tv

# ln of the smallest weight that a law keeps: far below every tolerance, yet a few steps away from coming back.
LOG_FLOOR = -80.0


class TotalVariationBall:
    """All laws on N atoms with TV(P, P') <= eps; atoms without weight in P may gain some."""

    def __init__(self, weights: np.ndarray, epsilon: float) -> None:
        total_variation_size(epsilon)
        self.weights, self.epsilon = weights, epsilon

    def start(self) -> np.ndarray:
        """A law of the ball with mass on every atom."""
        return (1 - self.epsilon) * self.weights + self.epsilon / len(self.weights)

    def contains(self, law: np.ndarray) -> bool:
        """Whether the law lies in the ball, up to rounding."""
        return bool(law.min() >= 0) and 0.5 * float(np.abs(law - self.weights).sum()) <= self.epsilon * (1 + 1e-12)

    def largest_mean(self, values: np.ndarray) -> float:
        """max of E_{P'} f over the ball."""
        return largest_mean_tv(values, self.weights, self.epsilon).value

    def best(self, values: np.ndarray) -> np.ndarray:
        """The law of the largest mean: the eps-mass of smallest f goes to the largest."""
        return largest_mean_tv(values, self.weights, self.epsilon).law

    def nearest(self, log_measure: np.ndarray) -> np.ndarray:
        """argmin of D(P' || V) over the ball: P clipped to [a V, b V], a and b set by the mass eps on either side."""
        log_v = np.maximum(log_measure - log_measure.max(), LOG_FLOOR)
        v, p = np.exp(log_v), self.weights
        free = v / v.sum()
        if 0.5 * np.abs(free - p).sum() <= self.epsilon:
            return free
        with np.errstate(divide="ignore"):
            log_ratio = np.log(p) - log_v
        order = np.argsort(log_ratio)
        # Raised atoms are those of smallest p / v: a = (eps + their p) / their v.
        log_a = np.log(self.epsilon + np.cumsum(p[order])) - np.log(np.cumsum(v[order]))
        following = np.append(log_ratio[order][1:], np.inf)
        a = math.exp(log_a[np.argmax(log_a <= following)])
        # Lowered atoms are those of largest p / v: b = (their p - eps) / their v.
        order = order[::-1]
        left = np.cumsum(p[order]) - self.epsilon
        with np.errstate(divide="ignore", invalid="ignore"):
            log_b = np.where(left > 0, np.log(np.maximum(left, 0)) - np.log(np.cumsum(v[order])), -np.inf)
        following = np.append(log_ratio[order][1:], -np.inf)
        b = math.exp(log_b[np.argmax((left > 0) & (log_b >= following))])
        found = np.where(a * v > p, a * v, np.minimum(p, b * v))
        return found / found.sum()


class DivergenceBall:
    """All laws with D(P' || P) <= kappa; P has mass on every atom."""

    def __init__(self, weights: np.ndarray, kappa: float) -> None:
        non_negative(kappa=kappa)
        if (weights <= 0).any():
            raise ValueError("a KL ball has no law outside the support of its centre: leave out atoms without weight")
        self.weights, self.kappa = weights, kappa
        self.log_weights = np.log(weights)

    def start(self) -> np.ndarray:
        """The centre."""
        return self.weights

    def contains(self, law: np.ndarray) -> bool:
        """Whether the law lies in the ball, up to rounding."""
        inside = law > 0
        divergence = float(law[inside] @ (np.log(law[inside]) - self.log_weights[inside]))
        return bool(law.min() >= 0) and divergence <= self.kappa * (1 + 1e-12)

    def largest_mean(self, values: np.ndarray) -> float:
        """max of E_{P'} f over the ball, rounded upwards."""
        return largest_mean_kl(values, self.weights, self.kappa).value

    def best(self, values: np.ndarray) -> np.ndarray:
        """The law of the largest mean, an exponential tilt by f."""
        f = values - values.max()
        scale = max(-float(f.min()), 1e-300)
        return self._tilt(f, 1e12 / scale)

    def nearest(self, log_measure: np.ndarray) -> np.ndarray:
        """argmin of D(P' || V) over the ball: the tilt of P towards V, as far as the ball reaches."""
        return self._tilt(np.maximum(log_measure - log_measure.max(), LOG_FLOOR) - self.log_weights, 1.0)

    def _tilt(self, f: np.ndarray, most: float) -> np.ndarray:
        """P exp(s f), normalised, with the largest s <= most inside the ball."""

        def tilted(s: float) -> np.ndarray:
            exponent = self.log_weights + s * f
            return np.exp(exponent - logsumexp(exponent))

        def excess(s: float) -> float:
            w = tilted(s)
            inside = w > 0
            return float(w[inside] @ (np.log(w[inside]) - self.log_weights[inside])) - self.kappa

        if excess(most) <= 0:
            return tilted(most)
        upper = min(most, 1.0)
        while excess(upper) < 0:
            upper = min(2 * upper, most)
        return tilted(brentq(excess, 0, upper, xtol=1e-15 * upper, rtol=1e-13)) if self.kappa > 0 else self.weights
