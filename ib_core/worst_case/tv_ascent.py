"""The largest I(P') over a total variation ball to high accuracy: Newton steps on the atoms that still have to move.

A law of the ball is P - u + v with 0 <= u <= P the mass that leaves, v >= 0 the mass that arrives, eps of either. The
information is concave in both, and its largest value shows in the pointwise information i(x): v stands on the largest
i(x), u took the smallest. What is missing to that, atom by atom, adds up to the duality gap. So the atoms with the
largest share of the gap are moved together by a Newton step, again and again: a few hundred, or all that matter where
the atoms depend on one another.
"""

import numpy as np
from scipy.optimize import brentq

from ib_core.bounds.pointwise import largest_mean_tv
from ib_core.laws.top_mass import top_mass
from ib_core.worst_case.quadratic import best_move

WORST = 300  # atoms of the largest share of the gap, on either side; twice as many where those do not halve it
NEAR = 60  # further ones that may come to matter: largest i(x) for v, next to the threshold for u
LENGTH_ERROR = 1e-15  # of a step
LIGHT = 1e-3  # of the mean u or v: less is too little to matter


def newton_ascent(
    channel: np.ndarray,
    self_term: np.ndarray,
    weights: np.ndarray,
    epsilon: float,
    law: np.ndarray,
    tolerance: float,
    max_iterations: int,
) -> tuple[np.ndarray, float, int]:
    """From a law of the ball to one whose information is within `tolerance` of the largest.

    Args:
        channel: (m, N), columns of sum 1.
        self_term: (N,) of sum_t p(t|x) ln p(t|x).
        weights: (N,) of P.
        epsilon: radius.
        law: (N,) to start from, in the ball.
        tolerance: duality gap, nats, at which the search ends.
        max_iterations: Newton steps after which it ends anyway.

    Returns:
        The law, an upper bound on the information of the ball, and the steps taken.

    Source: duality gap of Frank and Wolfe, Naval Research Logistics 3 (1956).
    """
    leaving, arriving = _split(weights, law, epsilon)
    upper, least, worst = np.inf, np.inf, WORST
    for iteration in range(max_iterations + 1):
        law = weights - leaving + arriving
        output = channel @ law
        i = self_term - np.log(np.maximum(output, 1e-300)) @ channel
        limit, value = largest_mean_tv(i, weights, epsilon).value, float(law @ i)
        upper, gap = min(upper, limit), limit - value
        if upper - value <= tolerance or iteration == max_iterations:
            break
        if iteration == 0:
            # Mirror steps leave u smeared out; where that pays, it takes the smallest i(x) in one go.
            step = top_mass(-i, weights, epsilon) - leaving
            taken = _line_search(-step @ self_term, -(channel @ step), output)
            leaving = np.clip(leaving + taken * step, 0, weights)
            least = gap
            continue
        if gap > 0.5 * least:
            worst = min(2 * worst, len(weights))
        least = min(gap, least)
        leave, arrive = _worst_atoms(i, weights, epsilon, leaving, arriving, worst, 1e-2 * tolerance / len(weights))
        leave, out, into = _exchange(channel, weights, i, output, leaving, arriving, leave, arrive, tolerance)
        step = np.zeros(len(weights))
        step[leave] -= out
        step[arrive] += into
        taken = _line_search(step @ self_term, channel @ step, output)
        leaving[leave] += taken * out
        arriving[arrive] += taken * into
    return law, upper, iteration


def _exchange(
    channel: np.ndarray,
    weights: np.ndarray,
    i: np.ndarray,
    output: np.ndarray,
    leaving: np.ndarray,
    arriving: np.ndarray,
    leave: np.ndarray,
    arrive: np.ndarray,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Newton's step on u at the atoms `leave` and on v at `arrive`: those of `leave` that may move, and both moves."""
    leave = leave[weights[leave] > 0]
    if not 1e-9 < leaving[leave].sum() / weights[leave].sum() < 1 - 1e-9:  # no freedom
        leave = leave[:0]
    atoms, sign = np.concatenate([leave, arrive]), np.repeat([-1.0, 1.0], [len(leave), len(arrive)])
    # float32 is enough for the curvature of a step, and a diagonal a little larger makes up for its rounding.
    scaled = (channel[:, atoms] * (sign / np.sqrt(np.maximum(output, 1e-300))[:, None])).astype(np.float32)
    curvature = (scaled.T @ scaled).astype(float)
    curvature[np.diag_indices(len(atoms))] *= 1 + 1e-6
    present = np.concatenate([leaving[leave], arriving[arrive]])
    cap = np.concatenate([weights[leave], np.full(len(arrive), np.inf)])
    # A gap is of first order in what is missing, the objective of second.
    moved = best_move(sign * i[atoms], curvature, present, cap, sign, 1e-6 * tolerance)
    out, into = np.split(moved - present, [len(leave)])
    return leave, out, into


def _split(weights: np.ndarray, law: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """u and v of a law; inside the ball, mass that stays leaves and arrives again."""
    leaving, arriving, common = np.maximum(weights - law, 0), np.maximum(law - weights, 0), np.minimum(weights, law)
    spare = common / common.sum() if common.any() else np.zeros(len(law))
    leaving = np.minimum(leaving + spare * max(epsilon - leaving.sum(), 0.0), weights)
    return leaving, arriving + spare * max(epsilon - arriving.sum(), 0.0)


def _worst_atoms(
    i: np.ndarray,
    weights: np.ndarray,
    epsilon: float,
    leaving: np.ndarray,
    arriving: np.ndarray,
    worst: int,
    small: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The atoms whose u, and those whose v, make up most of the gap or are free, with some that are near to it."""
    best = top_mass(-i, weights, epsilon)
    threshold = i[best > 0].max()

    def choose(gap: np.ndarray, free: np.ndarray, nearness: np.ndarray) -> np.ndarray:
        # Free atoms have no gap of their own, but must be able to answer to the others.
        matters = (gap > small) | (free > LIGHT * epsilon / len(i))
        rank = np.where(matters, gap + 1e-12 * free, 0.0)
        return np.unique(np.concatenate([_largest(rank, worst), _largest(nearness, NEAR, None)]))

    leaving_gap, within = (leaving - best) * (i - threshold), np.minimum(leaving, weights - leaving)
    return choose(leaving_gap, within, -np.abs(i - threshold)), choose(arriving * (i.max() - i), arriving, i)


def _largest(values: np.ndarray, count: int, above: float | None = 0.0) -> np.ndarray:
    """Indices of the `count` largest values, those above a limit only."""
    chosen = np.argsort(-values)[:count]
    return chosen if above is None else chosen[values[chosen] > above]


def _line_search(gain: float, produced: np.ndarray, output: np.ndarray) -> float:
    """The best step in [0, 1] along a direction that moves the output by `produced`."""

    def slope(t: float) -> float:
        return gain - float(produced @ np.log(np.maximum(output + t * produced, 1e-300)))

    if slope(1.0) >= 0:
        return 1.0
    return brentq(slope, 0.0, 1.0, xtol=LENGTH_ERROR) if slope(0.0) > 0 else 0.0
