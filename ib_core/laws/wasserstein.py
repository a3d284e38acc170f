"""Wasserstein distances between input laws: exact where that is cheap, otherwise ends that enclose them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from ib_core.laws.input_law import InputLaw, places
from ib_core.streams import stream

# A dense cost matrix of this many entries takes 200 MB and half a minute of network simplex or assignment.
MAX_TRANSPORT_ENTRIES = 25_000_000
# Products that it may cost: seven seconds, and as much to assign 3500 images of 784 pixels, which crowd one another.
MAX_TRANSPORT_PRODUCTS = 10_000_000_000
# Rows of a large cost matrix held at a time.
BLOCK = 256
# Neighbours are found by trees in up to so many dimensions, beyond by matrix products.
TREE_DIMENSIONS = 16
# Share of a distance by which its two ends may differ where it is called exact.
EXACT = 1e-9
ROUNDS = 5  # of network simplex, each in finer units
LARGE = "coupling upper bound: every atom along its own step"
STAYS = "coupling upper bound: common mass stays, the rest is independent"
REST_IS_CARRIED = "coupling upper bound: common mass stays, the rest by transport"


class Distance(NamedTuple):
    """A distance and how it was obtained ("exact", "coupling upper bound", ...)."""

    value: float
    how: str


class Ends(NamedTuple):
    """A distance in some unit with a lower end, where it is not exact, and what gave that."""

    value: float
    how: str
    least: float = math.nan
    by: str = ""

    def distance(self, unit: float) -> Distance:
        """In units of the input."""
        rest = f"; at least {unit * self.least:.6g} by {self.by}" if self.by else ""
        return Distance(unit * self.value, self.how + rest)


def wasserstein(p: InputLaw, q: InputLaw, order: int) -> Distance:
    """W_p(P, Q) = (min over couplings of E|x - x'|^p)^(1/p) between finite laws of X, Euclidean ground distance.

    Exact whenever a proof is cheap: identical laws; laws on a line; translations (no coupling beats |E x - E x'|, by
    Jensen); moved atoms that each stay nearest to their own origin (then no coupling beats moving every atom along its
    step); equal weights (assignment); otherwise transport by network simplex, which is called exact only where its
    dual potentials prove it to 1e-9 of the value. Laws too large for that get the value of an explicit coupling, named
    an upper bound, with a lower end beside it: by slices, or where atoms moved by the steps to the nearest atom of the
    reference, which no coupling can beat. Equal rows are one atom, whatever their labels; the unit of
    the coordinates changes nothing.

    Args:
        p: reference law, atoms (N, d).
        q: shifted law; atoms in the same order as in `p`, either the same places or the same weights.
        order: 1 or 2.

    Example:
        >>> law = InputLaw([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.5, 0.3, 0.2], [0, 1, 1])
        >>> wasserstein(law, law.moved(law.atoms + np.array([3.0, 4.0])), 2)
        Distance(value=5.0, how='exact: translation')
        >>> tenth_moved = law.reweighted([0.4, 0.4, 0.2])  # by a distance of 1
        >>> round(wasserstein(law, tenth_moved, 1).value, 9)
        0.1

    Source: Peyre and Cuturi, Computational Optimal Transport, chapter 2; the nearest-origin condition in one line:
    any coupling pi has sum pi_ij |x_i - x'_j|^p >= sum_j w_j |x_j - x'_j|^p.
    """
    return wassersteins(p, q, (order,))[0]


def wassersteins(p: InputLaw, q: InputLaw, orders: Sequence[int] = (1, 2)) -> list[Distance]:
    """`wasserstein` for several orders, which share what they need."""
    if not set(orders) <= {1, 2}:
        raise ValueError(f"order must be 1 or 2, got {orders}")
    same_places, same_weights = np.array_equal(p.atoms, q.atoms), np.array_equal(p.weights, q.weights)
    if not same_places and not same_weights:
        raise ValueError("laws must share their atoms or their weights: couple them in two steps")
    p, q, unit = _in_one_unit(p, q)
    of_p, of_q = places(p.atoms, q.atoms)
    size = int(max(of_p.max(), of_q.max())) + 1
    a, b = (np.bincount(owner, law.weights, size) for owner, law in ((of_p, p), (of_q, q)))
    if np.array_equal(a, b):
        return [Distance(0.0, "exact: equal laws") for _ in orders]
    if p.atoms.shape[1] == 1:
        found = [Ends(_sliced(p, q, order, np.ones((1, 1))), "exact: sorted along the line") for order in orders]
    elif same_places:
        atoms = p.atoms if size == len(p.atoms) else p.atoms[np.unique(of_p, return_index=True)[1]]
        found = [_reweighted(atoms, a, b, order) for order in orders]
    else:
        found = _moved(p, q, orders)
    return [ends.distance(unit) for ends in found]


def sliced_wasserstein(p: InputLaw, q: InputLaw, order: int, *, projections: int = 64, seed: int = 0) -> Distance:
    """A lower end of W_p(P, Q): the largest W_p between projections of the laws on lines, for laws of any size.

    The lines are random, and one goes along the difference of the means, which makes translations exact.

    Source: a projection brings points no further apart; Bonneel et al., Sliced and Radon Wasserstein barycenters of
    measures, 2015.
    """
    p, q, unit = _in_one_unit(p, q)
    d = p.atoms.shape[1]
    lines = stream(seed, "sliced_wasserstein").standard_normal((d, projections))
    mean = q.weights @ q.atoms - p.weights @ p.atoms
    if mean.any():
        lines = np.column_stack([lines, mean / np.abs(mean).max()])
    value = unit * _sliced(p, q, order, lines / np.linalg.norm(lines, axis=0))
    return Distance(value, f"sliced lower bound: the largest of {lines.shape[1]} lines")


def _in_one_unit(p: InputLaw, q: InputLaw) -> tuple[InputLaw, InputLaw, float]:
    """Both laws in a unit, a power of 2, in which their coordinates are spread over about 1, and that unit.

    Squares of 1e-200 or 1e200 would leave float64, and solvers have tolerances of their own.
    """
    low = np.minimum(p.atoms.min(axis=0), q.atoms.min(axis=0))
    high = np.maximum(p.atoms.max(axis=0), q.atoms.max(axis=0))
    # Halves, since the spread of 1e308 is more than float64 has.
    spread = float((high / 2 - low / 2).max())
    if spread == 0:
        return p, q, 1.0
    unit = 2.0 ** min(max(math.frexp(spread)[1] + 1, -1000), 1000)
    return p.moved(p.atoms / unit), q.moved(q.atoms / unit), unit


def entropic_coupling(
    p: InputLaw, q: InputLaw, order: int, *, blur: float = 0.1, max_iterations: int = 500
) -> Distance:
    """An upper end of W_p(P, Q): the cost of an entropic plan, rounded so that its margins are P and Q exactly.

    Whatever the plan, its rounding is a coupling. The cost matrix is never held: memory grows like N, time like N^2.

    Args:
        blur: regularisation is blur^p; small against the distance is sharp and slow.
        max_iterations: steps of Sinkhorn, of N^2 exponentials each.

    Source: Altschuler, Weed and Rigollet, Near-linear time approximation algorithms for optimal transport via Sinkhorn
    iteration, NeurIPS 2017, algorithm 2.
    """
    x, a, y, b = *_support(p), *_support(q)
    f, g = _potentials(x, a, y, b, order, blur**order, max_iterations)
    blocks = [slice(start, start + BLOCK) for start in range(0, len(x), BLOCK)]

    def plan(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        cost = cdist(x[rows], y) ** order
        return cost, np.exp(f[rows, None] + g - cost / blur**order)

    sums = np.concatenate([plan(rows)[1].sum(axis=1) for rows in blocks])
    shrink = np.minimum(1.0, a / sums)  # Sinkhorn ends on columns, so that only rows may be too heavy
    columns = sum(shrink[rows] @ plan(rows)[1] for rows in blocks)
    narrow = np.minimum(1.0, b / columns)
    total, missing = 0.0, []
    for rows in blocks:
        cost, mass = plan(rows)
        mass *= shrink[rows, None] * narrow
        total += float((mass * cost).sum())
        missing.append(a[rows] - mass.sum(axis=1))
    rest = np.maximum(np.concatenate(missing), 0.0)
    open_mass = np.maximum(b - narrow * columns, 0.0)
    if open_mass.sum() > 0:
        share = open_mass / open_mass.sum()
        total += sum(float(rest[rows] @ cdist(x[rows], y) ** order @ share) for rows in blocks)
    return Distance(total ** (1 / order), f"coupling upper bound: entropic plan of blur {blur:g}, rounded")


def entropic_wasserstein(
    p: InputLaw, q: InputLaw, order: int, *, blur: float = 0.1, max_iterations: int = 500
) -> Distance:
    """The debiased entropic value: near W_p(P, Q) once `blur` is small, but neither an upper nor a lower end of it.

    S = OT(P, Q) - OT(P, P) / 2 - OT(Q, Q) / 2 with OT the optimum of E|x - x'|^p + blur^p KL(coupling || P x Q).

    Source: Feydy et al., Interpolating between optimal transport and MMD using Sinkhorn divergences, AISTATS 2019.
    """
    laws = [_support(p), _support(q)]

    def regularised(i: int, j: int) -> float:
        (x, a), (y, b) = laws[i], laws[j]
        f, g = _potentials(x, a, y, b, order, blur**order, max_iterations)
        return blur**order * float(a @ (f - np.log(a)) + b @ (g - np.log(b)))

    value = regularised(0, 1) - 0.5 * (regularised(0, 0) + regularised(1, 1))
    return Distance(max(value, 0.0) ** (1 / order), f"entropic, debiased, blur {blur:g}: an estimate, no bound")


def _support(law: InputLaw) -> tuple[np.ndarray, np.ndarray]:
    """Atoms (n, d) and weights (n,) of positive mass."""
    inside = law.weights > 0
    return law.atoms[inside], law.weights[inside]


def _potentials(
    x: np.ndarray, a: np.ndarray, y: np.ndarray, b: np.ndarray, order: int, epsilon: float, max_iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """f (n,) and g (m,) such that exp(f_i + g_j - |x_i - y_j|^p / epsilon) has columns of sum b, and rows nearly a."""
    import ot

    metric = "sqeuclidean" if order == 2 else "euclidean"
    options = {"numIterMax": max_iterations, "stopThr": 1e-9, "isLazy": True, "batchSize": BLOCK, "warn": False}
    return ot.bregman.empirical_sinkhorn(x, y, epsilon, a, b, metric=metric, **options)


def _sliced_end(p: InputLaw, q: InputLaw, order: int) -> float:
    return sliced_wasserstein(p, q, order).value


def _sliced(p: InputLaw, q: InputLaw, order: int, lines: np.ndarray) -> float:
    """The largest W_p over projections on the columns of `lines` (d, k)."""
    import ot

    power = ot.wasserstein_1d(p.atoms @ lines, q.atoms @ lines, p.weights, q.weights, p=order)
    return max(0.0, float(np.max(power))) ** (1 / order)


def root_mean_square_step(p: InputLaw, q: InputLaw) -> float:
    """W_2 of the coupling that moves every atom of p to that of q in its place: an upper end of W_2."""
    return math.sqrt(float(p.weights @ np.square(q.atoms - p.atoms).sum(axis=1)))


def largest_step(p: InputLaw, q: InputLaw, norm: str = "l2") -> float:
    """W_inf of the same coupling, an upper end of W_inf: the longest step of an atom that has mass.

    Args:
        norm: of a step, "l2" or "linf".
    """
    steps = (q.atoms - p.atoms)[p.weights > 0]
    return float(np.linalg.norm(steps, ord={"l2": 2, "linf": np.inf}[norm], axis=1).max())


def _moved(p: InputLaw, q: InputLaw, orders: Sequence[int]) -> list[Ends]:
    """W_p between laws of the same weights in the same order."""
    inside = p.weights > 0
    x, y, weights = p.atoms[inside], q.atoms[inside], p.weights[inside] / p.weights.sum()
    steps = np.linalg.norm(y - x, axis=1)
    along_steps = [float(weights @ steps**order) ** (1 / order) for order in orders]
    if (np.ptp(y - x, axis=0) <= 1e-12 * steps.max()).all():
        return [Ends(value, "exact: translation") for value in along_steps]
    nearest = _nearest(x, y, steps)
    if (steps <= nearest * (1 + 1e-12)).all():
        return [Ends(value, "exact: every atom stays nearest to its origin") for value in along_steps]
    if _too_large(weights, weights, x.shape[1]):
        lower = [(_sliced_end(p, q, order), float(weights @ nearest**order) ** (1 / order)) for order in orders]
        return [
            Ends(value, LARGE, max(ends), ("slices", "nearest atoms")[ends[1] > ends[0]])
            for value, ends in zip(along_steps, lower, strict=True)
        ]
    distances = cdist(x, y)
    if np.ptp(weights) == 0:
        return [Ends(_assigned(distances**order) ** (1 / order), "exact: assignment") for order in orders]
    return [_certified(_transport(weights, weights, distances**order), 1.0, order) for order in orders]


def _assigned(cost: np.ndarray) -> float:
    return float(cost[linear_sum_assignment(cost)].mean())


def _nearest(x: np.ndarray, y: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """How far y_j (n, d) is at least from the nearest of x (n, d); exact where no other is nearer than x_j, at steps_j.

    In many dimensions the distances to others come from products in float32. Where their error leaves it open
    which atom is nearer, differences in float64 decide.
    """
    if x.shape[1] <= TREE_DIMENSIONS:
        return cKDTree(x).query(y)[0]
    centre = x.mean(axis=0)
    (owner,) = places(x)
    apart, own = np.unique(owner, return_index=True, return_inverse=True)[1:]
    others, moved = (x[apart] - centre), y - centre
    low, norms = others.astype(np.float32).T, np.square(others).sum(axis=1)
    half = (0.5 * norms).astype(np.float32)
    # |x_i - y|^2 / 2 = |x_i|^2 / 2 - x_i y + |y|^2 / 2: any order of summation in float32 errs by less than this.
    longest = float(np.sqrt(norms.max()))
    lengths = np.linalg.norm(moved, axis=1)
    error = (x.shape[1] + 8) * 2.0**-24 * longest * (lengths + longest)
    nearest = steps.copy()
    for start in range(0, len(y), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(y)))
        halves = half - moved[rows].astype(np.float32) @ low
        halves[np.arange(len(rows)), own[rows]] = np.inf
        least = halves.min(axis=1).astype(float)
        squares = 2 * (least - error[rows]) + lengths[rows] ** 2
        nearest[rows] = np.minimum(nearest[rows], np.sqrt(np.maximum(squares, 0.0)))
        for k in np.flatnonzero((squares < steps[rows] ** 2) & (squares + 4 * error[rows] > steps[rows] ** 2)):
            j = rows[k]
            near = x[apart[np.flatnonzero(halves[k] <= least[k] + 2 * error[j])]]
            nearest[j] = min(steps[j], float(np.linalg.norm(near - y[j], axis=1).min()))
    return nearest


def _reweighted(atoms: np.ndarray, p: np.ndarray, q: np.ndarray, order: int) -> Ends:
    """W_p between two laws on the same distinct atoms."""
    p, q = p / p.sum(), q / q.sum()
    surplus, deficit = np.maximum(p - q, 0), np.maximum(q - p, 0)
    if not surplus.any() or not deficit.any():  # one law but for rounding
        return Ends(0.0, "exact: equal laws")
    # Mass common to both laws may stay where it is when the cost is a metric: |x - x'| always,
    # |x - x'|^2 on corners of a box, where it is a weighted Hamming distance.
    may_stay = order == 1 or all(len(np.unique(column)) <= 2 for column in atoms.T)
    if not may_stay and not _too_large(p, q, atoms.shape[1]):
        return _carried(atoms, p, q, order)
    first = InputLaw(atoms, p, np.zeros(len(atoms), np.int64))
    if _too_large(surplus, deficit, atoms.shape[1]):
        value = _independent(atoms, surplus, deficit, order) ** (1 / order)
        return Ends(value, STAYS, _sliced_end(first, first.reweighted(q), order), "slices")
    found = _carried(atoms, surplus, deficit, order)
    if may_stay:
        return found
    return Ends(found.value, REST_IS_CARRIED, _sliced_end(first, first.reweighted(q), order), "slices")


def _too_large(p: np.ndarray, q: np.ndarray, d: int) -> bool:
    """Whether the matrix of costs between masses p and q (N,) is, or takes too long to make in d dimensions."""
    entries = int((p > 0).sum()) * int((q > 0).sum())
    return entries > MAX_TRANSPORT_ENTRIES or entries * d > MAX_TRANSPORT_PRODUCTS


def _carried(atoms: np.ndarray, p: np.ndarray, q: np.ndarray, order: int) -> Ends:
    """The distance between masses p and q (N,) of equal sum."""
    sources, sinks = np.flatnonzero(p), np.flatnonzero(q)
    cost = cdist(atoms[sources], atoms[sinks]) ** order
    return _certified(_transport(p[sources], q[sinks], cost), float(p.sum()), order)


def _independent(atoms: np.ndarray, surplus: np.ndarray, deficit: np.ndarray, order: int) -> float:
    """E|x - x'|^p times the mass, with x of the surplus and x' of the deficit (N,), independent of one another."""
    sources, sinks = np.flatnonzero(surplus), np.flatnonzero(deficit)
    a, b = surplus[sources], deficit[sinks] / deficit.sum()
    centred = atoms - atoms.mean(axis=0)
    x, y = centred[sources], centred[sinks]
    near, far = np.square(x).sum(axis=1), np.square(y).sum(axis=1)
    if order == 2:
        return float(a @ near + a.sum() * (b @ far) - 2 * (a @ x) @ (b @ y))
    total = 0.0
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        squares = near[rows, None] + far - 2 * x[rows] @ y.T
        total += float(a[rows] @ np.sqrt(np.maximum(squares, 0.0)) @ b)
    return total


class Transport(NamedTuple):
    """Two ends of the least transport cost: that of a plan, and what dual potentials prove."""

    upper: float
    lower: float


def _certified(found: Transport, mass: float, order: int) -> Ends:
    """The distance that moves `mass` at this mean cost; exact where both ends agree."""
    value, least = ((mass * max(end, 0.0)) ** (1 / order) for end in found)
    if value - least <= EXACT * value:
        return Ends(value, "exact: transport")
    return Ends(value, "coupling upper bound: transport", least, "its dual")


def _transport(a: np.ndarray, b: np.ndarray, cost: np.ndarray) -> Transport:
    """Minimal transport cost between masses a (n,) and b (m,), each divided by its sum, for cost (n, m) >= 0.

    The network simplex stops at reduced costs of about 1e-9 of the largest cost. So the problem is solved again in
    what its potentials leave of the costs, cut off where no better plan goes and in units of that: the potentials of
    all rounds add up, and the plan of each is a plan.

    Source: weak duality, a @ u + b @ v is a lower end if u_i + v_j <= cost_ij.
    """
    a, b = a / a.sum(), b / b.sum()  # rounding may leave the two sides unequal; the simplex wants equality
    if len(a) == 1 or len(b) == 1:
        value = float(a @ cost @ b)
        return Transport(value, value)
    import ot

    left, cut = cost, _power_of_two(float(cost.max()))
    u, v = np.zeros(len(a)), np.zeros(len(b))
    upper, lower = math.inf, 0.0
    for _ in range(ROUNDS):
        plan, log = ot.emd(a, b, np.minimum(left / cut, 1.0), numItermax=10_000_000, log=True)
        if log["warning"] and upper < math.inf:
            break
        if log["warning"]:
            raise ArithmeticError(f"optimal transport did not converge: {log['warning']}")
        upper = min(upper, float(np.vdot(plan, cost)))
        # Potentials that are feasible, whatever the solver's tolerance.
        u = u + cut * log["u"]
        v = (cost - u[:, None]).min(axis=0)
        u = (cost - v).min(axis=1)
        lower = max(lower, float(a @ u + b @ v))
        gap = upper - lower
        if gap <= 0.1 * EXACT * upper:
            break
        left = np.maximum(cost - u[:, None] - v, 0.0)
        # An entry of a better plan costs no more than the gap over its mass; small masses cost little anyway.
        cut = _power_of_two(min(0.1 * cut, 1e3 * gap))
    return Transport(upper, min(lower, upper))


def _power_of_two(x: float) -> float:
    """The least one above x: costs in its units keep their bits, and with them the ties that end the simplex."""
    return 2.0 ** max(math.frexp(x)[1], -1000)
