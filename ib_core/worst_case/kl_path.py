"""The largest I(P') over a KL ball to high accuracy: Newton steps along the path of regularised laws.

Where the ball contains the law of the channel's capacity, mirror steps slow down to 1 / steps: the ball does not hold
the law back, and atoms a little short of the capacity leave it slowly. So follow P_lambda, the law of the largest
I(P') - lambda D(P' || P), from large lambda to small. It is the tilt of P by its own i(x) / lambda, hence also the law
with the largest mean of i(x) in the ball of radius D(P_lambda || P), and in a larger ball its duality gap is at most
lambda (kappa - D(P_lambda || P)). The search ends where P_lambda reaches the sphere, or where lambda is small.
"""

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array
from scipy.special import xlogy

from ib_core.worst_case.balls import LOG_FLOOR, DivergenceBall

SHRINK, GROW = 0.1, 3.0  # how far one step moves lambda
CENTRED = 0.5  # lambda moves once i(x) / lambda is this near to ln P'/P: root mean square
LIGHT = 1e-12  # atoms of less mass move the output by less than the tolerance
DENSE = 2000  # atoms up to which a matrix M pays
TRACE, SPARSE = 1e-12, 0.05  # a channel with fewer entries above TRACE than this share is stored as sparse
ACCURACY, INNER_STEPS = 1e-2, 300  # of the conjugate gradients


def newton_path(
    channel: np.ndarray,
    self_term: np.ndarray,
    ball: DivergenceBall,
    law: np.ndarray,
    tolerance: float,
    max_iterations: int,
) -> tuple[np.ndarray, float, int]:
    """From a law of the ball to one whose information is within `tolerance` of the largest.

    With z = ln P'/P a law is on the path where r = i - lambda z is constant. A Newton step dz solves
    (lambda + M) P'^(1/2) dz = P'^(1/2) r, with M(x, y) = P'(x)^(1/2) P'(y)^(1/2) sum_t p(t|x) p(t|y) / P'_T(t). The
    eigenvalues of M lie in [0, 1], near 0 or 1 where the channel forgets or keeps nearly all: conjugate gradients are
    quick there.

    Args:
        channel: (m, N), columns of sum 1.
        self_term: (N,) of sum_t p(t|x) ln p(t|x).
        ball: around P, radius kappa.
        law: (N,) to start from, in the ball.
        tolerance: duality gap, nats, at which the search ends.
        max_iterations: Newton steps after which it ends anyway.

    Returns:
        The best law of the ball, an upper bound on the information of the ball, and the steps taken.

    Source: path following, Nesterov and Nemirovskii, Interior-Point Polynomial Algorithms in Convex Programming, 1994.
    """
    # For directions only, so that float32 and entries above 1e-12 are enough.
    columns = channel.astype(np.float32)
    if np.count_nonzero(columns > TRACE) < SPARSE * columns.size:
        columns = csr_array(np.where(columns > TRACE, columns, np.float32(0)))
    z = np.maximum(np.log(np.maximum(law, 1e-300)) - ball.log_weights, LOG_FLOOR)
    law, output = _on_simplex(channel, ball, z)
    best, value, upper, regular = law, -np.inf, np.inf, 0.0
    for iteration in range(max_iterations + 1):
        z = np.log(law) - ball.log_weights
        i = self_term - np.log(np.maximum(output, 1e-300)) @ channel
        information = float(law @ i)
        limit = ball.largest_mean(i)
        upper = min(upper, limit)
        inside = law
        if not ball.contains(law):
            inside = ball.nearest(np.log(law))
            produced = channel @ inside
            information = float(inside @ self_term - xlogy(produced, produced).sum())
        if information > value:
            best, value = inside, information
        if upper - value <= tolerance or iteration == max_iterations:
            break
        if iteration == 0:  # the lambda that fits the law best, unless its gap asks for more
            away = z - float(law @ z)
            regular = max(float(law * away @ i) / max(float(law * away @ away), 1e-300), (limit - value) / ball.kappa)
        residual = i - regular * z
        residual -= law @ residual
        dz, target = _newton_step(columns, ball, law, output, z, residual, regular, tolerance)
        law, output = _search(channel, self_term, ball, law, output, z, dz - law @ dz, target)
        regular = target
    return best, upper, iteration


def _newton_step(
    columns: np.ndarray | csr_array,
    ball: DivergenceBall,
    law: np.ndarray,
    output: np.ndarray,
    z: np.ndarray,
    residual: np.ndarray,
    regular: float,
    tolerance: float,
) -> tuple[np.ndarray, float]:
    """The step dz, and the lambda that it leads to: another one where the law is near to the path already."""
    divergence = float(law @ z)
    away = z - divergence
    heavy = law > LIGHT
    root = np.where(heavy, np.sqrt(law), 0.0)
    apply = _curvature(columns, root, output, regular)
    step = _solve(apply, root * residual)
    target = regular
    if float(law @ residual**2) < (CENTRED * regular) ** 2:
        # Along the path, to where the linearised divergence is kappa.
        along = -_solve(apply, root * away)
        farther = float(along @ (root * away))
        target += (ball.kappa - divergence - float(step @ (root * away))) / min(farther, -1e-300)
        room = max(min(ball.kappa, float(z.max())) - divergence, 1e-300)  # the gap is lambda times this
        target = min(max(target, SHRINK * regular, min(regular, tolerance / (2 * room))), GROW * regular)
        step = step + (target - regular) * along
    dz = np.empty_like(z)
    dz[heavy] = step[heavy] / root[heavy]
    # What hardly weighs takes the tilt by i(x) at once, until it does weigh.
    dz[~heavy] = np.minimum(residual[~heavy] / regular, np.log(2 * LIGHT / law[~heavy]))
    return dz, target


def _curvature(
    columns: np.ndarray | csr_array, root: np.ndarray, output: np.ndarray, regular: float
) -> Callable[[np.ndarray], np.ndarray]:
    """v -> (lambda + M) v; M is 0 where `root` is."""
    inverse = (1 / np.maximum(output, 1e-30)).astype(np.float32)
    heavy = np.flatnonzero(root)
    if isinstance(columns, csr_array) or len(heavy) > DENSE:
        short = root.astype(np.float32)
        return lambda v: regular * v + short * ((columns @ (short * v.astype(np.float32)) * inverse) @ columns)
    scaled = columns[:, heavy] * root[heavy].astype(np.float32) * np.sqrt(inverse)[:, None]
    gram = scaled.T @ scaled

    def apply(v: np.ndarray) -> np.ndarray:
        image = regular * v
        image[heavy] += gram @ v[heavy].astype(np.float32)
        return image

    return apply


def _solve(apply: Callable[[np.ndarray], np.ndarray], right: np.ndarray) -> np.ndarray:
    """Conjugate gradients from 0."""
    x, rest, direction = np.zeros_like(right), right, right
    square = float(rest @ rest)
    enough = ACCURACY**2 * square
    for _ in range(INNER_STEPS):
        if square <= enough:
            break
        image = apply(direction)
        bend = float(direction @ image)
        if bend <= 0:  # rounding in float32
            break
        x = x + square / bend * direction
        rest = rest - square / bend * image
        square, before = float(rest @ rest), square
        direction = rest + square / before * direction
    return x


def _on_simplex(channel: np.ndarray, ball: DivergenceBall, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The law P exp(z), normalised, and its output."""
    law = np.exp(ball.log_weights + np.maximum(z, LOG_FLOOR))
    law /= law.sum()
    return law, channel @ law


def _search(
    channel: np.ndarray,
    self_term: np.ndarray,
    ball: DivergenceBall,
    law: np.ndarray,
    output: np.ndarray,
    z: np.ndarray,
    dz: np.ndarray,
    regular: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The longest of a few steps that does not lower I - lambda D.

    Masses move linearly, so that an exchange between atoms that resemble each other leaves the output as it is; below
    half of what they were they fall exponentially.
    """

    def objective(law: np.ndarray, output: np.ndarray) -> float:
        divergence = float(xlogy(law, law).sum() - law @ ball.log_weights)
        return float(law @ self_term - xlogy(output, output).sum()) - regular * divergence

    start, length = objective(law, output), 1.0
    while True:
        step = length * dz
        moved = np.log1p(np.maximum(step, -0.5)) + 2 * np.minimum(step + 0.5, 0.0)
        following = _on_simplex(channel, ball, z + moved)
        if objective(*following) >= start - 1e-13 or length < 1e-3:
            return following
        length *= 0.4
