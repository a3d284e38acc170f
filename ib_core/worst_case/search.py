"""The largest and the smallest I(X';T) over a ball of input laws around P, for a finite channel; nats.

The information is concave in the law. Its largest value is a convex programme with a certificate; its smallest is kept
between a proven lower end and a law that attains the upper. A layer becomes a finite channel by
`channels.finite.from_kernel`.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import xlogy

from ib_core.bounds.pointwise import tv_interval
from ib_core.bounds.reweighting import kl_seed, tv_seed
from ib_core.channels.finite import check, negentropies
from ib_core.worst_case.balls import DivergenceBall, TotalVariationBall
from ib_core.worst_case.kl_path import newton_path
from ib_core.worst_case.tv_ascent import LENGTH_ERROR, newton_ascent

MIRROR_STEPS, NEWTON_STEPS = 20, 60
STARTS = 24  # of a search for the least information
FEW_ATOMS = 8  # up to which all extreme points of a TV ball are tried


class WorstCase(NamedTuple):
    """The largest information of a ball.

    Attributes:
        weights: (N,) of the maximising law; `law.reweighted(weights)` is a shift like any other.
        value: its information, attained.
        upper: no law of the ball has more; `upper - value` is the duality gap.
        iterations: mirror and Newton steps taken.
    """

    weights: np.ndarray
    value: float
    upper: float
    iterations: int


class LeastCase(NamedTuple):
    """The smallest information of a ball lies in [lower, value].

    Attributes:
        weights: (N,) of a law of the ball with information `value`, a local minimum.
        value: its information, attained.
        lower: no law of the ball has less.
    """

    weights: np.ndarray
    value: float
    lower: float


def largest_information(
    channel: np.ndarray,
    weights: np.ndarray,
    size: float,
    metric: Literal["tv", "kl"],
    *,
    tolerance: float = 5e-7,
) -> WorstCase:
    """sup of I(P') over TV(P, P') <= size, or over D(P' || P) <= size.

    Mirror ascent with gradient i(x): a step maximises <i, P'> - D(P' || P_t) / step over the ball. Step 1 always
    ascends (Blahut and Arimoto); a longer one is taken as long as D(P'_T || P_t,T) <= D(P' || P_t) / step, which makes
    channels that forget much fast. The certificate is I(P') <= <i_t, P'> for every t. A few mirror steps are enough:
    along the faces of a TV ball, and inside a KL ball, they creep. `newton_ascent` and `newton_path` do the rest.

    Args:
        channel: (m, N), columns of sum 1.
        weights: (N,) of P.
        tolerance: duality gap, nats, at which the search ends.

    Example:
        >>> channel = np.array([[0.9, 0.1], [0.1, 0.9]])
        >>> found = largest_information(channel, np.array([0.7, 0.3]), 0.1, "tv")
        >>> found.weights.round(6).tolist(), round(found.value, 6)
        ([0.6, 0.4], 0.355209)

    Source: golden identity; Beck and Teboulle, Operations Research Letters 31 (2003); Bolte, Bauschke and Teboulle,
    relative smoothness, Mathematics of Operations Research 42 (2017).
    """
    check(channel, weights)
    inside = np.ones(len(weights), bool) if metric == "tv" else weights > 0
    columns = channel if inside.all() else channel[:, inside]
    ball = _ball(weights[inside], size, metric)
    self_term = negentropies(columns)
    found = _mirror_ascent(columns, self_term, ball, tolerance)
    if found.upper - found.value > tolerance:
        if isinstance(ball, DivergenceBall):
            found = _newton_kl(columns, self_term, ball, found, tolerance)
        else:
            found = _newton_tv(columns, self_term, ball, found, tolerance)
    law = np.zeros(len(weights))
    law[inside] = found.weights
    return found._replace(weights=law, upper=max(found.upper, found.value))


def _mirror_ascent(
    columns: np.ndarray, self_term: np.ndarray, ball: TotalVariationBall | DivergenceBall, tolerance: float
) -> WorstCase:
    """At most MIRROR_STEPS steps from the middle of the ball."""
    law = ball.start()
    output = columns @ law
    step, upper = 1.0, np.inf
    for iteration in range(1, MIRROR_STEPS + 1):
        log_output = np.log(np.maximum(output, 1e-300))
        i = self_term - log_output @ columns
        value = float(law @ i)
        upper = min(upper, ball.largest_mean(i))
        if upper - value <= tolerance:
            break
        log_law = np.log(np.maximum(law, 1e-35))
        while True:
            following = ball.nearest(log_law + step * i)
            produced = columns @ following
            moved = float((xlogy(produced, produced) - produced * log_output).sum())
            allowed = float((xlogy(following, following) - following * log_law).sum())
            if step <= 1 or step * moved <= allowed:
                break
            step = max(1.0, step / 2)
        step = min(1.5 * step, 1e6)
        # Mirror steps creep along faces where atoms resemble each other; an exact line search beyond the step, and one
        # towards the best vertex now and then, costs no further gradient.
        law, output = _ascend(ball, self_term, law, output, following - law, produced - output)
        if iteration % 3 == 0:
            vertex = ball.best(i)
            law, output = _ascend(ball, self_term, law, output, vertex - law, columns @ vertex - output)
    return WorstCase(law, _information(columns, self_term, law), upper, iteration)


def _newton_kl(
    columns: np.ndarray, self_term: np.ndarray, ball: DivergenceBall, found: WorstCase, tolerance: float
) -> WorstCase:
    """Newton steps from what mirror steps found."""
    law, least, steps = newton_path(columns, self_term, ball, found.weights, tolerance, NEWTON_STEPS)
    value = _information(columns, self_term, law)
    return WorstCase(law, value, min(found.upper, least), found.iterations + steps)


def _newton_tv(
    columns: np.ndarray, self_term: np.ndarray, ball: TotalVariationBall, found: WorstCase, tolerance: float
) -> WorstCase:
    """Likewise in a TV ball."""
    law, value, upper, iterations = found
    if 0.5 * np.abs(law - ball.weights).sum() < 0.999 * ball.epsilon:
        # The ball does not hold the law back: it may contain the one of the channel's capacity.
        n = len(law)
        everything = DivergenceBall(np.full(n, 1 / n), math.log(n))
        freest, least, steps = newton_path(columns, self_term, everything, law, tolerance, NEWTON_STEPS)
        upper, iterations = min(upper, least), iterations + steps
        if ball.contains(freest):
            law, value = freest, _information(columns, self_term, freest)
        else:
            law = _towards(ball, law, freest)
            value = _information(columns, self_term, law)
    if upper - value > tolerance:
        law, least, steps = newton_ascent(columns, self_term, ball.weights, ball.epsilon, law, tolerance, NEWTON_STEPS)
        value, upper, iterations = _information(columns, self_term, law), min(upper, least), iterations + steps
    return WorstCase(law, value, upper, iterations)


def smallest_information(
    channel: np.ndarray, weights: np.ndarray, size: float, metric: Literal["tv", "kl"], *, max_iterations: int = 100
) -> LeastCase:
    """An interval for inf of I(P') over TV(P, P') <= size on the atoms of P, or over D(P' || P) <= size.

    The lower end is the best of the golden-formula certificate and the seed form. The attained end is the least of many
    descents: each follows the gradient from law to law, I(next) <= <i_t, next>, until it stays. They start at P and at
    laws with mass moved onto single atoms, since P itself may be a maximum, where no gradient points downwards. In TV
    the minimum is at an extreme point of the ball; for up to 8 atoms all of them are tried, and it is exact.

    Args:
        channel: (m, N), columns of sum 1.
        weights: (N,) of P; the ball is that on its support.

    Source: `golden_interval`, `tv_interval`; a concave function has its minimum at an extreme point.
    """
    check(channel, weights)
    inside = weights > 0
    columns, centre = channel if inside.all() else channel[:, inside], weights[inside] / weights[inside].sum()
    ball = _ball(centre, size, metric)
    self_term = negentropies(columns)
    i = _pointwise(columns, self_term, centre[:, None])[:, 0]
    value, n = float(centre @ i), len(centre)
    if metric == "tv":
        lower, seed = tv_interval(size, i, centre)[0], tv_seed(min(size, 1 - 1 / n), n)
    else:
        lower, seed = -ball.largest_mean(-i) - size, kl_seed(size, n)
    lower = max(lower, value - seed, 0.0)
    law, value = _descend(ball, columns, self_term, np.column_stack([centre, _starts(ball, i)]), max_iterations)
    if isinstance(ball, TotalVariationBall) and n <= FEW_ATOMS:
        law, value = _least(columns, self_term, ball.vertices())
    found = np.zeros(len(weights))
    found[inside] = law
    return LeastCase(found, max(value, 0.0), min(lower, max(value, 0.0)))


def _starts(ball: TotalVariationBall | DivergenceBall, i: np.ndarray) -> np.ndarray:
    """Laws (N, starts) of the ball with mass moved onto single atoms: all of them, or some of every kind."""
    n = len(i)
    ranked = np.argsort(i, kind="stable")
    if n <= STARTS:
        atoms = ranked
    else:
        heaviest = np.argsort(-ball.weights, kind="stable")
        spread = ranked[np.linspace(0, n - 1, STARTS // 2).astype(int)]
        atoms = np.unique(np.concatenate([ranked[: STARTS // 4], heaviest[: STARTS // 4], spread]))
    onto = np.zeros((n, len(atoms)))
    onto[atoms, np.arange(len(atoms))] = 1.0
    if isinstance(ball, TotalVariationBall):
        starts = (1 - ball.epsilon) * ball.weights[:, None] + ball.epsilon * onto
        return np.column_stack([starts, *(_exchanged(ball, onto, b) for b in range(n if n <= STARTS else 0))])
    functions = [*onto.T] if n > STARTS else [*onto.T, *-onto.T]
    if n == 3:  # the sphere is a curve
        angles = 2 * np.pi * (np.arange(2 * STARTS)[:, None] / (2 * STARTS) + np.arange(3) / 3)
        functions += list(np.cos(angles))
    elif n <= FEW_ATOMS:
        functions += [(chosen >> np.arange(n) & 1).astype(float) for chosen in range(1, 2**n - 1)]
    return np.stack([ball.best(f) for f in functions], axis=1)


def _exchanged(ball: TotalVariationBall, onto: np.ndarray, b: int) -> np.ndarray:
    """Laws (N, starts) whose mass arrives at single atoms and leaves atom b before it leaves the others."""
    first = np.zeros(len(onto))
    first[b] = min(ball.epsilon, ball.weights[b])
    rest = ball.weights - first
    kept = rest * (1 - (ball.epsilon - first[b]) / rest.sum()) if rest.sum() > 0 else rest
    return np.maximum(kept, 0.0)[:, None] + ball.epsilon * onto


def _descend(
    ball: TotalVariationBall | DivergenceBall, columns: np.ndarray, self_term: np.ndarray, laws: np.ndarray, steps: int
) -> tuple[np.ndarray, float]:
    """The law of least information that linearised steps reach from laws (N, starts), and its information."""
    best, least = laws[:, 0], np.inf
    values = np.full(laws.shape[1], np.inf)
    for _ in range(steps + 1):
        i = _pointwise(columns, self_term, laws)
        found = np.einsum("ns,ns->s", laws, i)
        lowest = int(np.argmin(found))
        if found[lowest] < least:
            best, least = laws[:, lowest], float(found[lowest])
        falls = found < values - 1e-12
        if not falls.any():
            break
        following = [ball.best(-gradient) for gradient in i[:, falls].T]
        laws, values = np.stack(following, axis=1), found[falls]
    return best, least


def _pointwise(columns: np.ndarray, self_term: np.ndarray, laws: np.ndarray) -> np.ndarray:
    """i(x) of every atom (N, k) under laws (N, k)."""
    return self_term[:, None] - columns.T @ np.log(np.maximum(columns @ laws, 1e-300))


def _least(columns: np.ndarray, self_term: np.ndarray, laws: np.ndarray) -> tuple[np.ndarray, float]:
    """The law of least information among laws (k, N)."""
    rows = max(1, 2**21 // len(columns))
    values = np.empty(len(laws))
    for first in range(0, len(laws), rows):
        part = laws[first : first + rows]
        output = part @ columns.T
        values[first : first + rows] = part @ self_term - xlogy(output, output).sum(axis=1)
    best = int(np.argmin(values))
    return laws[best], float(values[best])


def _information(columns: np.ndarray, self_term: np.ndarray, law: np.ndarray) -> float:
    output = columns @ law
    return float(law @ self_term - xlogy(output, output).sum())


def _ascend(
    ball: TotalVariationBall | DivergenceBall,
    self_term: np.ndarray,
    law: np.ndarray,
    output: np.ndarray,
    direction: np.ndarray,
    produced: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The law of largest information on a ray inside the ball and its output, which `direction` moves by `produced`."""
    falling = direction < 0
    reach = float((law[falling] / -direction[falling]).min()) if falling.any() else 0.0
    # An atom that reached 0 exactly could come back only from rounding.
    # And a direction that is rounding alone must not be followed far.
    reach = min(1 + 0.9 * (reach - 1), 1e3) if reach > 1 else 1.0
    while reach > 1 and not ball.contains(law + reach * direction):
        reach = max(1.0, reach / 2)

    gain = float(direction @ self_term)

    def slope(t: float) -> float:
        return gain - float(produced @ np.log(np.maximum(output + t * produced, 1e-300)))

    length = reach
    if slope(reach) < 0:
        length = brentq(slope, 0.0, reach, xtol=LENGTH_ERROR) if slope(0.0) > 0 else 0.0
    law, output = np.maximum(law + length * direction, 0.0), np.maximum(output + length * produced, 0.0)
    return law / law.sum(), output / output.sum()


def _towards(ball: TotalVariationBall | DivergenceBall, law: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The last law of the ball on the way from one of its laws to a goal outside."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ball.contains(law + middle * (goal - law)) else (low, middle)
    return law + low * (goal - law)


def _ball(weights: np.ndarray, size: float, metric: str) -> TotalVariationBall | DivergenceBall:
    if metric not in ("tv", "kl"):
        raise ValueError(f"metric must be tv or kl, got {metric!r}")
    return TotalVariationBall(weights, size) if metric == "tv" else DivergenceBall(weights, size)
