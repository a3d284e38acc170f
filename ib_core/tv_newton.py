"""The largest I(P') over a total variation ball to high accuracy: Newton steps on the atoms that still have to move.

A law of the ball is P - u + v with 0 <= u <= P the mass that leaves, v >= 0 the mass that arrives, eps of either. The
information is concave in both, and its largest value shows in the pointwise information i(x): v stands on the largest
i(x), u took the smallest. What is missing to that, atom by atom, adds up to the duality gap. So the atoms with the
largest share of the gap, a few hundred, are moved together by a Newton step, again and again.
"""

import numpy as np

from ib_core.bounds.pointwise import largest_mean_tv, top_mass

WORST = 300  # atoms of the largest share of the gap, on either side
NEAR = 60  # further ones that may come to matter: largest i(x) for v, next to the threshold for u
INNER_WORK = 1e8  # multiplications of the steps that solve for one Newton direction


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

    Source: duality gap of Frank and Wolfe, Naval Research Logistics 3 (1956); the quadratic programme of a step by
    accelerated projected gradients with restarts, O'Donoghue and Candes, Found. Comput. Math. 15 (2015).
    """
    leaving, arriving = _split(weights, law, epsilon)
    upper = np.inf
    for iteration in range(max_iterations + 1):
        law = weights - leaving + arriving
        output = channel @ law
        i = self_term - np.log(np.maximum(output, 1e-300)) @ channel
        upper = min(upper, largest_mean_tv(i, weights, epsilon).value)
        if upper - float(law @ i) <= tolerance or iteration == max_iterations:
            break
        if iteration == 0:
            # Mirror steps leave u smeared out; where that pays, it takes the smallest i(x) in one go.
            step = top_mass(-i, weights, epsilon) - leaving
            taken = _line_search(-step @ self_term, -(channel @ step), output)
            leaving = np.clip(leaving + taken * step, 0, weights)
            continue
        leave, arrive = _worst_atoms(i, weights, epsilon, leaving, arriving)
        atoms = np.union1d(leave, arrive)
        columns = channel[:, atoms]
        model = _Model(
            i[atoms],
            columns,
            output,
            [
                (np.searchsorted(atoms, leave), leaving[leave], weights[leave], -1.0),
                (np.searchsorted(atoms, arrive), arriving[arrive], np.full(len(arrive), np.inf), 1.0),
            ],
        )
        moved_out, moved_in = model.solve()
        step = np.zeros(len(atoms))
        step[np.searchsorted(atoms, leave)] -= moved_out - leaving[leave]
        step[np.searchsorted(atoms, arrive)] += moved_in - arriving[arrive]
        taken = _line_search(step @ self_term[atoms], columns @ step, output)
        leaving[leave] += taken * (moved_out - leaving[leave])
        arriving[arrive] += taken * (moved_in - arriving[arrive])
    return law, upper, iteration


def nearest_capped(point: np.ndarray, total: float, cap: np.ndarray) -> np.ndarray:
    """The x with 0 <= x <= cap and sum x = total that is nearest to `point`: clip(point - t, 0, cap) for some t."""
    ends = np.concatenate([point, (point - cap)[np.isfinite(cap)]])
    ends = np.sort(np.append(ends, ends.min() - total - 1e-9))

    def excess(t: float) -> float:
        return float(np.clip(point - t, 0, cap).sum()) - total

    low, high = 0, len(ends) - 1  # the excess is linear between neighbouring ends, and falls
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if excess(ends[middle]) > 0 else (low, middle)
    before, after = excess(ends[low]), excess(ends[high])
    share = before / (before - after) if before > after else 0.0
    return np.clip(point - (ends[low] + (ends[high] - ends[low]) * share), 0, cap)


def _split(weights: np.ndarray, law: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """u and v of a law; inside the ball, mass that stays leaves and arrives again."""
    leaving, arriving, common = np.maximum(weights - law, 0), np.maximum(law - weights, 0), np.minimum(weights, law)
    spare = common / common.sum() if common.any() else np.zeros(len(law))
    leaving = np.minimum(leaving + spare * max(epsilon - leaving.sum(), 0.0), weights)
    return leaving, arriving + spare * max(epsilon - arriving.sum(), 0.0)


def _worst_atoms(
    i: np.ndarray, weights: np.ndarray, epsilon: float, leaving: np.ndarray, arriving: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The atoms whose u, and those whose v, make up most of the gap, with some that are near to it."""
    arriving_gap = arriving * (i.max() - i)
    best = top_mass(-i, weights, epsilon)
    threshold = i[best > 0].max()
    leaving_gap = (leaving - best) * (i - threshold)
    leave = np.concatenate([_largest(leaving_gap, WORST), _largest(-np.abs(i - threshold), NEAR, None)])
    arrive = np.concatenate([_largest(arriving_gap, WORST), _largest(i, NEAR, None)])
    return np.unique(leave), np.unique(arrive)


def _largest(values: np.ndarray, count: int, above: float | None = 0.0) -> np.ndarray:
    """Indices of the `count` largest values, those above a limit only."""
    chosen = np.argsort(-values)[:count]
    return chosen if above is None else chosen[values[chosen] > above]


def _line_search(gain: float, produced: np.ndarray, output: np.ndarray) -> float:
    """The best step in [0, 1] along a direction that moves the output by `produced`."""

    def slope(t: float) -> float:
        return gain - float(produced @ np.log(np.maximum(output + t * produced, 1e-300)))

    low, high = 0.0, 1.0
    if slope(high) >= 0:
        return 1.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return low


class _Model:
    """The second-order model of the information in u and v of some atoms, <g, x> - <x, H x> / 2 for weights moved by x.

    Args:
        gradient: (A,) of i(x).
        columns: (m, A) of the channel.
        output: (m,) of P_T.
        sides: for u and for v: index into the atoms, present masses, their caps, and the sign with which they enter.
    """

    def __init__(
        self,
        gradient: np.ndarray,
        columns: np.ndarray,
        output: np.ndarray,
        sides: list[tuple[np.ndarray, np.ndarray, np.ndarray, float]],
    ) -> None:
        self.gradient, self.sides = gradient, sides
        scaled = columns / np.sqrt(np.maximum(output, 1e-300))[:, None]
        self.curvature = scaled.T @ scaled
        x = np.ones(len(gradient))
        for _ in range(20):
            x = self.curvature @ x
            x /= np.linalg.norm(x)
        # An atom that is in u and in v counts twice.
        self.steepest = 2.1 * float(x @ self.curvature @ x)

    def solve(self) -> list[np.ndarray]:
        """The masses u and v that maximise the model; their sums stay."""
        start = [mass for _, mass, _, _ in self.sides]
        totals = [float(mass.sum()) for mass in start]
        found, ahead, pace = start, start, 1.0
        for _ in range(int(np.clip(INNER_WORK / len(self.gradient) ** 2, 300, 5000))):
            x = np.zeros(len(self.gradient))
            for (index, mass, _, sign), now in zip(self.sides, ahead, strict=True):
                x[index] += sign * (now - mass)
            slope = self.gradient - self.curvature @ x
            following = [
                nearest_capped(now + sign * slope[index] / self.steepest, total, cap)
                for (index, _, cap, sign), now, total in zip(self.sides, ahead, totals, strict=True)
            ]
            moves = [new - old for new, old in zip(following, found, strict=True)]
            back = sum(float((now - new) @ move) for now, new, move in zip(ahead, following, moves, strict=True))
            next_pace = 1.0 if back > 0 else (1 + np.sqrt(1 + 4 * pace**2)) / 2
            push = 0.0 if back > 0 else (pace - 1) / next_pace
            ahead = [new + push * move for new, move in zip(following, moves, strict=True)]
            found, pace = following, next_pace
            if sum(float(np.abs(move).sum()) for move in moves) < 1e-13:
                break
        return found
