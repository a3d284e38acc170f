"""What is certain of I(T;Y) in a ball holds of all its laws, and with equality where the read-out is exact."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import rel_entr, xlogy

from ib_core.bounds.label import label_kl, label_tv, least_entropy_kl, least_entropy_tv
from ib_core.estimate import WIDTH

RNG = np.random.default_rng(0)
LAWS = [np.array([0.5, 0.5]), np.array([0.7, 0.2, 0.1]), np.array([0.4, 0.4, 0.2]), RNG.dirichlet(np.ones(4))]


def entropy(law):
    return float(-xlogy(law, law).sum())


def distance(metric, q, p):
    return 0.5 * np.abs(q - p).sum(-1) if metric == "tv" else rel_entr(q, p).sum(-1)


def in_ball(metric, radius, law, n=200_000):
    """Random laws of the ball, many near its border."""
    drawn = RNG.dirichlet(np.full(len(law), 0.5), n)
    share = RNG.random((n, 1)) ** 0.3
    mixed = share * drawn + (1 - share) * law
    return mixed[distance(metric, mixed, law) <= radius]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("metric", "radius"), [("tv", 0.05), ("tv", 0.3), ("kl", 0.02), ("kl", 0.3), ("kl", 3.0)])
def test_the_least_entropy_of_a_ball_is_below_all_and_reached(metric, radius, law):
    least = {"tv": least_entropy_tv, "kl": least_entropy_kl}[metric](radius, law)
    found = in_ball(metric, radius, law)
    assert len(found) > 100 and min(map(entropy, found)) >= least - 1e-9
    best = math.inf
    room = {"type": "ineq", "fun": lambda q: radius - distance(metric, q, law)}
    one = {"type": "eq", "fun": lambda q: q.sum() - 1}
    starts = sorted(found, key=entropy)[:5]
    for start in starts:
        ended = minimize(entropy, start, bounds=[(1e-12, 1)] * len(law), constraints=[one, room]).x
        if distance(metric, ended, law) <= radius * (1 + 1e-6):
            best = min(best, entropy(ended / ended.sum()))
    assert min(best, entropy(starts[0])) == pytest.approx(least, abs=2e-3)
    assert {"tv": least_entropy_tv, "kl": least_entropy_kl}[metric](0.0, law) == pytest.approx(entropy(law))


def channel(n=12, classes=3):
    """p(t | x) that mostly tells the label, the labels, the posterior p(y | t), and the law of the atoms."""
    labels, law = np.arange(n) % classes, RNG.dirichlet(np.full(n, 2.0))
    given = 0.1 * RNG.dirichlet(np.full(classes, 0.4), n) + 0.9 * np.eye(classes)[labels]
    joint = np.stack([(law * (labels == c)) @ given for c in range(classes)], axis=1)
    return given, labels, joint / joint.sum(1, keepdims=True), law


def label_information(law, given, labels):
    joint = np.stack([law[labels == c] @ given[labels == c] for c in range(labels.max() + 1)])
    return entropy(joint.sum(0)) + entropy(joint.sum(1)) - entropy(joint.ravel())


@pytest.mark.parametrize("trial", range(5))
@pytest.mark.parametrize(("metric", "radius"), [("tv", 0.1), ("kl", 0.05)])
def test_every_law_of_the_ball_keeps_what_is_certain_of_the_label(metric, radius, trial):
    given, labels, posterior, law = channel()
    read = 0.99 * posterior + 0.01 / 3  # some other one
    losses = -(given * np.log(read[:, labels].T)).sum(1)
    bound = {"tv": label_tv, "kl": label_kl}[metric](radius, losses, np.zeros(len(law)), labels, law)
    found = in_ball(metric, radius, law, 20_000)
    assert len(found) > 20
    least = min(label_information(q, given, labels) for q in found[:2000])
    assert 0 < bound <= least


def test_without_a_shift_and_with_the_posterior_it_is_the_information_itself():
    given, labels, posterior, law = channel()
    losses = -(given * np.log(posterior[:, labels].T)).sum(1)
    arguments = losses, np.zeros(len(law)), labels, law
    expected = label_information(law, given, labels)
    assert label_tv(0.0, *arguments) == pytest.approx(expected) == label_kl(0.0, *arguments)
    stderr = np.full(len(law), 0.01)
    lower = label_kl(0.0, losses, stderr, labels, law)
    assert expected - lower == pytest.approx(WIDTH * 0.01 * math.sqrt((law**2).sum()))


def test_atoms_without_weight_count_in_total_variation_alone():
    losses, labels, law = np.array([0.1, 0.2, 5.0]), np.array([0, 1, 1]), np.array([0.5, 0.5, 0.0])
    assert label_tv(0.1, losses, np.zeros(3), labels, law) < label_tv(0.1, losses[:2], np.zeros(2), labels[:2], law[:2])
    assert label_kl(0.1, losses, np.zeros(3), labels, law) == label_kl(
        0.1, losses[:2], np.zeros(2), labels[:2], law[:2]
    )
