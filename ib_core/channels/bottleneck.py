"""The information-bottleneck curve of a discrete p(x, y): the most I(T;Y) at each I(X;T), over all T - X - Y; nats.

It is the rate-distortion curve of X with distortion D(p(y|x) || r) and every law r of Y as a reproduction, hence a
convex programme: a prior over the r, and for each slope a certificate.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, xlogy

from ib_core.checks import finite_array, one_law

ROUNDS = 20  # of alternation, each with the value of T that the certificate asks for
LOG_FLOOR = -40.0  # ln r(y) from which on down a label is taken as one cell
MOST_WORK = 2**24  # boxes times inputs times labels of one certificate
TRIED = 8  # boxes in whose middle a larger c is looked for, each time
PRICES = 6  # steps towards the price of a law's mass
CHUNK = 2**22  # numbers at a time


class BottleneckPoint(NamedTuple):
    """A point of the curve, where its slope is 1 / multiplier.

    Attributes:
        multiplier: the price of I(T;Y): T minimises I(X;T) - multiplier I(T;Y).
        compression: I(X;T).
        relevance: I(T;Y).
        gap: I(X;T) - multiplier I(T;Y) is at most this much above its minimum over all T: a proof, whatever the
            search found; infinite where nothing is proven.
        n_codes: values of T.
    """

    multiplier: float
    compression: float
    relevance: float
    gap: float
    n_codes: int


def bottleneck_curve(
    joint: np.ndarray, multipliers: np.ndarray, *, tolerance: float = 1e-7, max_iterations: int = 5000
) -> list[BottleneckPoint]:
    """The curve at each multiplier, by Blahut-Arimoto over priors and reproductions together.

    Each step is p(t|x) ~ p(t) exp(-multiplier D(p(y|x) || p(y|t))), from every p(y|x) as a value of T.

    What `gap` certifies: with Z(x) = sum_t p(t) exp(-multiplier D(p(y|x) || p(y|t))) and c(r) = sum_x p(x)
    exp(-multiplier D(p(y|x) || r)) / Z(x), every T has

        I(X;T) - multiplier I(T;Y) >= -sum_x p(x) ln Z(x) - ln max_r c(r) - multiplier I(X;Y),

    and the maximum over *all* laws r is bounded from above by branch and bound over the simplex, cell by cell. Where c
    exceeds 1, r is a new value of T, and the search goes on. The bound holds for any number of labels and for zeros, up
    to the rounding of float64; with more labels than 4, or multipliers of many hundreds, the cells may run out first,
    and `gap` is then larger than what is missing. Besides, I(T;Y) <= min{I(X;T), I(X;Y)} (data processing) bounds the
    same expression by -(multiplier - 1) I(X;Y): that is exact where Y is a function of X, and for multipliers up to 1,
    whose point is the origin.

    Args:
        joint: (N, C) of p(x, y), sum 1. Rows of equal p(y|x) are merged, which changes no point of the curve.
        multipliers: (K,) positive; up to 1 the curve is at the origin.
        tolerance: gap at which a point is done.
        max_iterations: steps for each round of a point; the gap says how far they came.

    Raises:
        ValueError: `joint` is no law, or a multiplier is not positive.

    Example:
        >>> joint = np.array([[0.45, 0.05], [0.05, 0.45]])  # a fair sign, seen through a channel that flips one in ten
        >>> for point in bottleneck_curve(joint, [1.0, 3.0, 1000.0]):
        ...     print(f"I(X;T) = {point.compression:.4f}, I(T;Y) = {point.relevance:.4f}")
        I(X;T) = 0.0000, I(T;Y) = 0.0000
        I(X;T) = 0.6578, I(T;Y) = 0.3581
        I(X;T) = 0.6931, I(T;Y) = 0.3681

    Source: Tishby, Pereira and Bialek, physics/0004057; Harremoes and Tishby, ISIT 2007, for the rate-distortion form;
    Blahut, IEEE Trans. IT 18 (1972), for the certificate.
    """
    joint = one_law(joint, "joint", "(N, C)")
    multipliers = finite_array(np.atleast_1d(multipliers), "multipliers", "(K)")
    if not (multipliers > 0).all():
        raise ValueError(f"multipliers must be positive, got {multipliers.min()}")
    problem = _Problem(joint)
    return [problem.solve(float(multiplier), tolerance, max_iterations) for multiplier in multipliers]


class _Problem:
    """The distinct laws of Y given X, (n, C), with their weights (n,); labels without weight are left out."""

    def __init__(self, joint: np.ndarray) -> None:
        joint = joint[joint.sum(axis=1) > 0][:, joint.sum(axis=0) > 0]
        p_x = joint.sum(axis=1)
        rows, owner = np.unique((joint / p_x[:, None]).round(13), axis=0, return_inverse=True)
        weights = np.bincount(owner.reshape(-1), p_x)
        self.weights = weights / weights.sum()
        self.rows = rows / rows.sum(axis=1, keepdims=True)
        self.self_term = xlogy(self.rows, self.rows).sum(axis=1)
        self.relevance = _information(self.weights[:, None] * self.rows)  # I(X;Y)

    def divergence(self, codes: np.ndarray) -> np.ndarray:
        """D(p(y|x) || r), (n, k) for codes (k, C); infinite where r misses a label."""
        cross = xlogy(self.rows[:, None, :], codes).sum(axis=2)
        return np.maximum(self.self_term[:, None] - cross, 0.0)

    def solve(self, multiplier: float, tolerance: float, max_iterations: int) -> BottleneckPoint:
        least = -max(multiplier - 1, 0.0) * self.relevance
        best = BottleneckPoint(multiplier, 0.0, 0.0, -least, 1)
        # T = Y where Y is a function of X, else T = X: the ends of the curve need no search.
        best = self._better(best, np.eye(len(self.weights)), least)
        origin = (self.weights @ self.rows)[None]
        log_z = -multiplier * self.divergence(origin)[:, 0]
        log_c, _ = self._largest(origin, log_z, multiplier, 0.5 * tolerance)
        least = max(least, -float(self.weights @ log_z) - log_c - multiplier * self.relevance)
        best = self._better(best, np.ones((len(self.weights), 1)), least)
        codes, prior = self.rows.copy(), self.weights.copy()
        for _ in range(ROUNDS):
            if best.gap <= tolerance:
                break
            codes, prior = self._alternate(codes, prior, multiplier, tolerance, max_iterations)
            log_z = self._log_z(codes, prior, multiplier)
            log_c, code = self._largest(codes, log_z, multiplier, 0.5 * tolerance)
            least = max(least, -float(self.weights @ log_z) - log_c - multiplier * self.relevance)
            before, best = best, self._better(best, self._channel(codes, prior, multiplier), least)
            if log_c > 100 * tolerance and best.gap > 0.9 * before.gap:  # the boxes ran out
                break
            codes, prior = np.vstack([codes, code]), np.append(0.99 * prior, 0.01)
        return best._replace(gap=max(best.compression - multiplier * best.relevance - least, 0.0))

    def _better(self, best: BottleneckPoint, channel: np.ndarray, least: float) -> BottleneckPoint:
        """The point of p(t|x) (n, k) if its Lagrangian is less, with its distance from a proven lower end."""
        used = channel[:, self.weights @ channel > 0]
        joint = self.weights[:, None] * used
        compression, relevance = _information(joint), _information(joint.T @ self.rows)
        gap = compression - best.multiplier * relevance - least
        old = best.compression - best.multiplier * best.relevance - least
        if gap < old:
            return BottleneckPoint(best.multiplier, compression, relevance, gap, used.shape[1])
        return best._replace(gap=old)

    def _alternate(
        self, codes: np.ndarray, prior: np.ndarray, multiplier: float, tolerance: float, max_iterations: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Blahut-Arimoto from these codes until the prior is stationary; codes that died or met are dropped."""
        lightest = 1e-12 * float(self.weights.min())
        for iteration in range(max_iterations):
            new_codes, new_prior = self._centroids(codes, prior, multiplier)
            alive = new_prior > lightest
            with np.errstate(divide="ignore"):
                excess = float(np.abs(np.log(new_prior[alive] / prior[alive])).max())
            change = max(excess, float(np.abs(new_codes - codes)[alive].max()))
            codes, prior = new_codes[alive], new_prior[alive]
            if iteration % 50 == 49:
                codes, prior = _merged(codes, prior)
            if change <= 0.1 * tolerance:
                break
        # Codes are the centroids of their own channel, so that p(y|t) is exact in what is published.
        return self._centroids(*_merged(codes, prior), multiplier)

    def _centroids(self, codes: np.ndarray, prior: np.ndarray, multiplier: float) -> tuple[np.ndarray, np.ndarray]:
        """p(y|t) and p(t) of the channel that codes and prior give."""
        channel = self._channel(codes, prior, multiplier)
        new_prior = self.weights @ channel
        alive = new_prior > 0
        new_codes = codes.copy()
        new_codes[alive] = (self.weights[:, None] * channel[:, alive]).T @ self.rows / new_prior[alive, None]
        return new_codes, new_prior

    def _log_z(self, codes: np.ndarray, prior: np.ndarray, multiplier: float) -> np.ndarray:
        return logsumexp(-multiplier * self.divergence(codes), axis=1, b=prior)

    def _channel(self, codes: np.ndarray, prior: np.ndarray, multiplier: float) -> np.ndarray:
        """p(t|x), (n, k)."""
        with np.errstate(divide="ignore"):
            exponent = np.log(prior) - multiplier * self.divergence(codes)
        exponent -= exponent.max(axis=1, keepdims=True)
        channel = np.exp(exponent)
        return channel / channel.sum(axis=1, keepdims=True)

    def _largest(
        self, codes: np.ndarray, log_z: np.ndarray, multiplier: float, accuracy: float
    ) -> tuple[float, np.ndarray]:
        """An upper end of max ln c(r) over all laws r, and the r of the largest value that was found.

        In rho = ln r, c is a sum of exponentials. A box of rho is bounded term by term, by the law in it nearest to
        p(y|x), and to second order by c + multiplier (1 - sum e^rho), which is c on the simplex and has c's maxima as
        stationary points. Boxes below `accuracy` are done, others are halved where that helps most.
        """
        log_share = np.log(self.weights) - log_z - multiplier * self.self_term
        slopes = multiplier * self.rows  # d ln(term) / d rho

        def ascended(laws: np.ndarray) -> tuple[float, np.ndarray]:
            """The best law after ascent by r <- its own centroid, which never falls."""
            for last in (*[False] * 20, True):
                log_terms = log_share[:, None] + multiplier * xlogy(self.rows[:, None], laws).sum(axis=2)
                log_c = logsumexp(log_terms, axis=0)
                if last:
                    best = int(np.argmax(log_c))
                    return float(log_c[best]), laws[best]
                laws = np.exp(log_terms - log_c).T @ self.rows
            raise AssertionError

        found, code = ascended(np.vstack([codes, self.rows]))
        low, high = _cells(self.rows.shape[1])
        most, seen, rows = accuracy, 0, max(1, CHUNK // self.rows.size)
        while True:
            low, high = _contracted(low, high)
            if not len(low):
                return most, code
            chunks = [slice(first, first + rows) for first in range(0, len(low), rows)]
            parts = [_box_bounds(log_share, slopes, multiplier, low[part], high[part]) for part in chunks]
            bound, split = (np.concatenate(part) for part in zip(*parts, strict=True))
            likely = np.argsort(-bound)[:TRIED]
            laws = np.exp(0.5 * (np.maximum(low[likely], LOG_FLOOR) + high[likely]))
            value, law = ascended(laws / laws.sum(axis=1, keepdims=True))
            if value > found:
                found, code = value, law
            # Where c exceeds 1 the search goes on from there, and its end need not be sharp.
            most = max(most, found + 0.1 * max(found, accuracy))
            seen += len(low)
            if seen * self.rows.size > MOST_WORK:
                return max(most, float(bound.max())), code
            open_ = bound > most
            low, high, split = low[open_], high[open_], split[open_]
            at = np.arange(len(low)), split
            lower, upper = high.copy(), low.copy()
            lower[at] = upper[at] = 0.5 * (low[at] + high[at])
            low, high = np.vstack([low, upper]), np.vstack([lower, high])


def _cells(labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (k, C) of ln r that cover the simplex: every label below or above the floor."""
    below = np.arange(2**labels - 1)[:, None] >> np.arange(labels) & 1  # not all of them
    return np.where(below, -np.inf, LOG_FLOOR), np.where(below, LOG_FLOOR, 0.0)


def _contracted(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes without what cannot sum to 1, and without those that miss the simplex."""
    r_low, r_high = np.exp(low), np.exp(high)
    with np.errstate(divide="ignore"):
        most = np.log(np.clip(1 - (r_low.sum(axis=1, keepdims=True) - r_low), 0, 1) + 1e-15)
        least = np.log(np.maximum(1 - (r_high.sum(axis=1, keepdims=True) - r_high) - 1e-15, 0))
    high = np.minimum(high, most)
    low = np.where(np.isfinite(low), np.maximum(low, np.minimum(least, high)), low)
    meets = (low <= high).all(axis=1) & (r_low.sum(axis=1) <= 1 + 1e-14) & (r_high.sum(axis=1) >= 1 - 1e-14)
    return low[meets], high[meets]


def _box_bounds(
    log_share: np.ndarray, slopes: np.ndarray, multiplier: float, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For boxes (k, C) an upper end of ln c, and the label to halve them by."""
    free = np.isfinite(low)  # a label below the floor stands at it
    width = np.where(free, 0.5 * (high - np.where(free, low, 0.0)), 0.0)
    centre = high - width
    # For each x the most of sum_y p(y|x) ln r(y) in the box and on the simplex, by its dual: any price serves.
    rows, floor, top = slopes / multiplier, np.exp(low)[:, None], np.exp(high)[:, None]
    price = np.ones((len(low), len(rows), 1))
    for _ in range(PRICES):
        r = np.clip(rows / price, floor, top)
        price = np.clip(price * r.sum(axis=2, keepdims=True), 1e-6, 1e6)
    r = np.clip(rows / price, floor, top)
    nearest = (xlogy(rows, r) - price * r).sum(axis=2) + price[:, :, 0]
    corner = logsumexp(log_share + multiplier * np.minimum(nearest, high @ rows.T), axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        terms = np.exp(log_share + centre @ slopes.T)  # (k, n)
        reach = width @ slopes.T
        mass = np.where(free, multiplier * np.exp(centre), 0.0)
        slope = np.where(free, np.abs(terms @ slopes - mass), 0.0) * width
        # At centre + s width, (slopes . s width)^2 <= reach (slopes . s^2 width): so each label rises by at most
        # slope s + (bend - against) s^2 for some s in [0, 1].
        bend = 0.5 * (terms * np.exp(reach) * reach) @ slopes * width
        against = 0.5 * np.where(free, multiplier * np.exp(np.where(free, low, 0.0)), 0.0) * width**2
        down = against - bend
        inner = slope**2 / np.maximum(4 * down, 1e-300)
        rise = np.where(slope < 2 * down, inner, slope - down)
        second = terms.sum(axis=1) + multiplier - mass.sum(axis=1) + rise.sum(axis=1)
        split = np.argmax(np.where(free, np.nan_to_num(slope + bend, nan=np.inf, posinf=1e300), -1.0), axis=1)
        wide = width.max(axis=1) > 1
        split = np.where(wide, np.argmax(width, axis=1), split)
        second = np.log(np.where(np.isnan(second), np.inf, np.maximum(second, 1e-300)))
    return np.minimum(corner, second), split


def _information(joint: np.ndarray) -> float:
    """I of a joint law (a, b)."""
    a, b = joint.sum(axis=1), joint.sum(axis=0)
    product = np.outer(a, b)
    inside = joint > 0
    return max(float((joint[inside] * np.log(joint[inside] / product[inside])).sum()), 0.0)


def _merged(codes: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes closer than 1e-7 become one."""
    _, owner = np.unique(codes.round(7), axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    mass = np.bincount(owner, prior)
    centres = np.stack([np.bincount(owner, prior * column) for column in codes.T], axis=1) / mass[:, None]
    return centres, mass / mass.sum()
