"""Wasserstein distances against closed forms; the ends for large laws enclose what transport finds."""

import math

import numpy as np
import pytest

from ib_core import szt, wasserstein
from ib_core.divergences import divergences
from ib_core.input_law import InputLaw
from ib_core.shifts import shifted
from ib_core.wasserstein import entropic_coupling, entropic_wasserstein, sliced_wasserstein

LAW = szt.law()


def random_law(rng, n, d):
    return InputLaw(rng.standard_normal((n, d)), rng.dirichlet(np.ones(n)), np.zeros(n, int))


def bernoulli_product(p):
    """The law on the SZT patterns whose 12 bits are independent with P(1) = p (12,)."""
    return LAW.reweighted(np.where(LAW.atoms == 1, p, 1 - p).prod(axis=1))


def test_w2_between_products_is_the_sum_over_their_factors():
    # Between Bernoulli(p) and Bernoulli(q) W_2^2 = |p - q|; squares add over independent coordinates. W_1 has no such
    # form for the Euclidean distance; it is at most W_2 and at least the length of the difference of the means.
    p, q = np.full((2, 12), 0.5)
    p[:2], q[:2] = (0.4, 0.55), (0.7, 0.5)  # few moved bits keep the transport small
    first, second = bernoulli_product(p), bernoulli_product(q)
    exact = math.sqrt(np.abs(p - q).sum())
    found = wasserstein.wasserstein(first, second, 2)
    assert found.how.startswith("exact") and found.value == pytest.approx(exact, rel=1e-9)
    w1 = wasserstein.wasserstein(first, second, 1)
    assert np.linalg.norm(p - q) <= w1.value <= exact


@pytest.mark.parametrize("order", [1, 2])
def test_ends_for_large_laws_enclose_transport(order, monkeypatch):
    rng = np.random.default_rng(0)
    for d in (2, 4):
        p = random_law(rng, 60, d)
        for q in (p.moved(p.atoms + rng.standard_normal(p.atoms.shape)), p.reweighted(rng.dirichlet(np.ones(60)))):
            exact = wasserstein.wasserstein(p, q, order)
            assert exact.how.startswith("exact")
            monkeypatch.setattr(wasserstein, "MAX_TRANSPORT_ENTRIES", 100)
            bound = wasserstein.wasserstein(p, q, order)
            monkeypatch.undo()
            assert bound.how.startswith("coupling upper bound") and "by slices" in bound.how
            lower, upper = sliced_wasserstein(p, q, order), entropic_coupling(p, q, order, blur=0.2)
            assert lower.value <= exact.value * (1 + 1e-9) and exact.value <= min(upper.value, bound.value) * (1 + 1e-9)
            assert upper.value < 1.3 * exact.value and lower.value > 0.3 * exact.value
            assert "lower bound" in lower.how and "upper bound" in upper.how
            wide, sharp = (entropic_wasserstein(p, q, order, blur=blur, max_iterations=200) for blur in (1.0, 0.1))
            assert "no bound" in sharp.how
            assert abs(sharp.value - exact.value) < 0.6 * abs(wide.value - exact.value)


def test_a_rounded_plan_is_a_coupling_after_any_number_of_steps():
    rng = np.random.default_rng(1)
    p, q = random_law(rng, 300, 3), random_law(rng, 400, 3)
    cost = ((p.atoms[:, None] - q.atoms) ** 2).sum(axis=2)
    exact = math.sqrt(wasserstein._transport(p.weights, q.weights, cost))
    values = [entropic_coupling(p, q, 2, blur=0.3, max_iterations=steps).value for steps in (1, 3, 300)]
    assert values == sorted(values, reverse=True) and exact <= values[-1] < 1.1 * exact


def test_the_debiased_value_of_a_translation_is_its_length_at_any_blur():
    # The optimal plan of a translated law is the translated plan: the regularised costs differ by the squared step.
    rng = np.random.default_rng(2)
    law = random_law(rng, 60, 3)
    moved = law.moved(law.atoms + np.array([0.3, -0.4, 0.0]))
    for blur, tolerance in ((0.3, 1e-3), (1.0, 1e-6)):  # 500 steps reach the plan only where the blur is wide
        assert entropic_wasserstein(law, moved, 2, blur=blur).value == pytest.approx(0.5, rel=tolerance)
    assert sliced_wasserstein(law, moved, 2).value == pytest.approx(0.5, rel=1e-12)
    assert entropic_wasserstein(law, law, 2).value == pytest.approx(0, abs=1e-6)


def test_on_a_line_any_size_is_exact():
    n = 20_000
    law = InputLaw(np.linspace(0, 1, n)[:, None], np.full(n, 1 / n), np.zeros(n, int))
    stretched = law.moved(3 * law.atoms)
    assert wasserstein.wasserstein(law, stretched, 2).how.startswith("exact")
    assert wasserstein.wasserstein(law, stretched, 1).value == pytest.approx(1.0, rel=1e-9)
    assert wasserstein.wasserstein(law, stretched, 2).value == pytest.approx(math.sqrt(4 / 3), rel=1e-4)


def test_what_is_infinite_is_never_a_number():
    gone = shifted("subset_removal", LAW, 0.1).law
    assert divergences(gone, LAW).kl.value == math.inf and math.isfinite(divergences(LAW, gone).kl.value)
    far = LAW.moved(LAW.atoms + 1e-9)
    assert divergences(LAW, far).kl.value == math.inf and divergences(LAW, far).tv.value == pytest.approx(1)


def test_laws_that_share_neither_places_nor_weights_are_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(ValueError, match="two steps"):
        wasserstein.wasserstein(random_law(rng, 5, 2), random_law(rng, 5, 2), 2)
