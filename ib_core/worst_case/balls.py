"""Balls of input laws around a reference, in total variation and in KL divergence: two projections for each.

`nearest` is the law of the ball that is nearest to a positive measure in KL divergence (a mirror step), `best` the law
that maximises the mean of a function (a Frank-Wolfe step). Both are exact up to rounding, in O(N ln N).
"""

import math

import numpy as np

from ib_core.bounds.checks import non_negative, total_variation_size
from ib_core.bounds.pointwise import largest_mean_tv
from ib_core.laws.tilt import divergence, tilt

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

    def vertices(self) -> np.ndarray:
        """All extreme points (k, N), and some more laws of the ball: for few atoms, N^2 2^N laws at most.

        Mass leaves some atoms wholly and one in part, and arrives at one atom.
        """
        n, eps = len(self.weights), min(self.epsilon, 1.0)
        laws = [np.eye(n)[a] for a in range(n) if eps >= 1 - self.weights[a]]
        for chosen in range(2**n):
            whole = (chosen >> np.arange(n) & 1).astype(bool)
            rest = eps - float(self.weights[whole].sum())
            if rest < 0:
                continue
            for part in np.flatnonzero(~whole & (self.weights >= rest)):
                kept = np.where(whole, 0.0, self.weights)
                kept[part] -= rest
                laws += [kept + (1 - kept.sum()) * onto for onto in np.eye(n)]
        return np.stack(laws)

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
        """Whether the law lies in the ball, up to the rounding of its weights."""
        allowed = self.kappa * (1 + 1e-12) + 1e-15 * math.sqrt(self.kappa)
        return bool(law.min() >= 0) and divergence(law, self.weights) <= allowed

    def largest_mean(self, values: np.ndarray) -> float:
        """max of E_{P'} f over the ball, rounded upwards."""
        return tilt(values, self.weights, self.kappa).largest_mean

    def best(self, values: np.ndarray) -> np.ndarray:
        """The law of the largest mean, an exponential tilt by f; the centre where f is constant."""
        return tilt(values, self.weights, self.kappa).law

    def nearest(self, log_measure: np.ndarray) -> np.ndarray:
        """argmin of D(P' || V) over the ball: the tilt of P towards V, as far as the ball reaches."""
        f = np.maximum(log_measure - log_measure.max(), LOG_FLOOR) - self.log_weights
        return tilt(f, self.weights, self.kappa, 1.0).law
