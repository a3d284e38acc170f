"""Worst laws lie in their ball and no other one does better: by linear programmes, scalar duals and general solvers."""

import math

import numpy as np
import pytest
from scipy.optimize import linprog, minimize, minimize_scalar
from scipy.special import logsumexp, rel_entr

from ib_core import bounds
from ib_core.worst_case.balls import DivergenceBall, TotalVariationBall
from ib_core.worst_case.search import largest_information, smallest_information
from ib_core.worst_case.tv_ascent import _split

METRICS = ["tv", "kl"]


def instances(n, count):
    """Channels (m, n), laws with and without atoms of weight 0, and radii from small to the whole simplex."""
    rng = np.random.default_rng(n)
    for k in range(count):
        channel = rng.gamma(rng.choice([0.1, 0.5, 3.0]), size=(rng.integers(2, 6), n)) + 1e-6
        p = rng.dirichlet(np.full(n, rng.choice([0.5, 5.0]))) + 1e-3
        if k % 3 == 2:
            p[rng.integers(n)] = 0.0
        yield channel / channel.sum(0), p / p.sum(), float(rng.choice([1e-6, 0.01, 0.2, 0.6]))


def information(channel, q):
    """I(Q), by its definition."""
    return float(rel_entr(channel * q, np.outer(channel @ q, q)).sum())


def pointwise(channel, q):
    """D(P_{T|x} || Q_T) of every atom."""
    return rel_entr(channel, (channel @ q)[:, None]).sum(0)


def distance(metric, q, p):
    return float(0.5 * np.abs(q - p).sum() if metric == "tv" else rel_entr(q, p).sum())


def largest_mean(metric, f, p, size):
    """max of E_Q f over the ball: a linear programme in (Q, |Q - P|), or Donsker and Varadhan's dual."""
    n = len(p)
    if metric == "kl":
        f, p = f[p > 0], p[p > 0]
        dual = lambda s: (size + logsumexp(math.exp(s) * (f - f.max()), b=p)) / math.exp(s) + f.max()  # noqa: E731
        start = min(np.linspace(-12, 18, 400), key=dual)
        return float(minimize_scalar(dual, bounds=(start - 0.1, start + 0.1), options={"xatol": 1e-12}).fun)
    above = np.block([[np.eye(n), -np.eye(n)], [-np.eye(n), -np.eye(n)], [np.zeros(n), np.ones(n)]])
    limits = np.concatenate([p, -p, [2 * size]])
    sums = np.concatenate([np.ones(n), np.zeros(n)])[None]
    return -linprog(np.append(-f, np.zeros(n)), above, limits, sums, [1.0], method="highs").fun


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [3, 4, 5])
def test_worst_laws_are_laws_of_the_ball(n, metric):
    for channel, p, size in instances(n, 15):
        for found in (f(channel, p, size, metric) for f in (largest_information, smallest_information)):
            q = found.weights
            assert q.min() >= 0 and q.sum() == pytest.approx(1, abs=1e-12)
            assert distance(metric, q, p) <= size * (1 + 1e-9) + 1e-12
            assert found.value == pytest.approx(information(channel, q), abs=1e-10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n", [3, 4, 5])
def test_no_law_of_the_ball_has_more_than_the_largest_information(n, metric):
    # Topsoe: I(Q) <= E_Q D(P_{T|x} || R) for whatever R, so that the largest mean at R = Q*_T bounds every I(Q).
    for channel, p, size in instances(n, 15):
        found = largest_information(channel, p, size, metric)
        most = largest_mean(metric, pointwise(channel, found.weights), p, size)
        assert found.value <= found.upper <= found.value + 6e-7
        assert found.value - 1e-7 <= most <= found.value + 2e-5  # of first order in what Q* is off, I(Q*) of second


@pytest.mark.parametrize(("metric", "ball_of"), [("tv", TotalVariationBall), ("kl", DivergenceBall)])
def test_projections_on_a_ball_meet_the_conditions_of_optimality(metric, ball_of):
    rng = np.random.default_rng(0)
    held = 0
    for k in range(40):
        n = int(rng.integers(2, 6))
        p, f = rng.dirichlet(np.ones(n)) * 0.99 + 0.01 / n, rng.normal(size=n)
        size = float(rng.choice([1e-3, 0.1, 0.4]))
        if metric == "tv" and k % 2:
            p = np.append(p, 0.0)
            f = np.append(f, rng.normal())
        ball = ball_of(p, size)
        best, most = ball.best(f), largest_mean(metric, f, p, size)
        assert best @ f == pytest.approx(most, abs=1e-8) and ball.largest_mean(f) == pytest.approx(most, abs=1e-8)
        # At the law of least D(Q || V) no other law of the ball has a larger mean of -ln(Q / V).
        log_v = 3 * rng.normal(size=len(p))
        nearest = ball.nearest(log_v)
        for law in (best, nearest, ball.start()):
            assert law.min() >= 0 and law.sum() == pytest.approx(1, abs=1e-12) and ball.contains(law)
            assert distance(metric, law, p) <= size * (1 + 1e-9)
        slope = log_v - np.log(nearest)
        assert nearest @ slope == pytest.approx(largest_mean(metric, slope, p, size), abs=1e-7)
        held += distance(metric, nearest, p) > 0.999 * size
        assert not ball.contains(p + 1.01 * (best - p)) or distance(metric, best, p) < 0.99 * size
    assert held > 30  # by the ball, not only by the simplex


def test_mass_that_stays_inside_a_ball_leaves_and_arrives_again():
    p, law = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.45, 0.3, 0.2, 0.05])
    for size in (0.05, 0.2, 0.9):
        leaving, arriving = _split(p, law, size)
        assert (leaving >= 0).all() and (leaving <= p).all() and (arriving >= 0).all()
        assert leaving.sum() == pytest.approx(size) == arriving.sum()
        assert p - leaving + arriving == pytest.approx(law, abs=1e-15)


@pytest.mark.parametrize("n", [3, 5])
def test_the_proven_lower_end_is_the_better_one_of_the_certificate_and_the_seed_form(n):
    used = set()
    for metric in METRICS:
        for channel, p, size in [*instances(n, 12), (np.eye(n), np.full(n, 1 / n), 0.95)]:
            i = pointwise(channel, p)
            inside, now = int((p > 0).sum()), information(channel, p)
            if metric == "kl":
                certificate = -largest_mean("kl", -i, p, size) - size
                seed = bounds.kl_seed(size, inside)
            else:  # what is kept: the mass 1 - eps of the smallest i(x)
                order = np.argsort(i[p > 0])
                kept = np.diff(np.minimum(np.append(0, np.cumsum(p[p > 0][order])), 1 - size))
                certificate = kept @ i[p > 0][order] + (1 - size) * math.log(1 - size)
                seed = math.log(inside) if size > 1 - 1 / inside else bounds.tv_seed(size, inside)
            found = smallest_information(channel, p, size, metric)
            lower = max(certificate, now - seed, 0.0)
            assert found.lower == pytest.approx(min(lower, found.value), abs=1e-7)
            used.add(lower > 0)
    assert used == {False, True}


def descent(channel, p, size, start):
    """A local minimum of I in the ball, by sequential quadratic programmes; None where they end outside."""
    inside = np.flatnonzero(p > 0)
    columns, centre = channel[:, inside], p[inside]

    def room(q):
        return size - float(rel_entr(q, centre).sum())

    def slope(q):
        return -(np.log(np.maximum(q, 1e-30) / centre) + 1)

    constraints = [{"type": "eq", "fun": lambda q: q.sum() - 1, "jac": np.ones_like}]
    constraints.append({"type": "ineq", "fun": room, "jac": slope})
    found = minimize(
        lambda q: information(columns, np.maximum(q, 0)),
        start[inside],
        jac=lambda q: pointwise(columns, np.maximum(q, 1e-15)) - 1,
        bounds=[(0, 1)] * len(inside),
        constraints=constraints,
        options={"maxiter": 200, "ftol": 1e-13},
    )
    q = np.maximum(found.x, 0) / np.maximum(found.x, 0).sum()
    return information(columns, q) if room(q) >= -1e-8 else None


@pytest.mark.parametrize("n", [3, 4, 5])
def test_no_descent_from_anywhere_in_a_kl_ball_ends_below_the_smallest_information(n):
    rng = np.random.default_rng(n)
    compared = 0
    for channel, p, size in instances(n, 9):
        found = smallest_information(channel, p, size, "kl")
        for _ in range(6):
            goal = rng.dirichlet(np.full(n, 0.3)) * (p > 0)
            start = p + rng.random() * min(1.0, size) * (goal / goal.sum() - p)
            least = descent(channel, p, size, start)
            if least is not None:
                assert found.lower - 1e-6 <= found.value <= least + 1e-6
                compared += 1
    assert compared > 40
