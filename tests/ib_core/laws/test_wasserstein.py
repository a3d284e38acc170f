"""Wasserstein distances against closed forms; the ends for large laws enclose what transport finds."""

import math
import re

import numpy as np
import pytest
from scipy.optimize import linprog

from ib_core.laws import wasserstein
from ib_core.laws.divergences import divergences, n_union
from ib_core.laws.family import shifted
from ib_core.laws.input_law import InputLaw
from ib_core.laws.wasserstein import entropic_coupling, entropic_wasserstein, sliced_wasserstein, wassersteins
from ib_core.sources import szt

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
            assert bound.how.startswith("coupling upper bound") and re.search("by (slices|nearest atoms)$", bound.how)
            assert 0.3 * exact.value < float(re.search(r"at least (\S+) by", bound.how)[1]) <= exact.value * (1 + 1e-3)
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
    exact = math.sqrt(wasserstein._transport(p.weights, q.weights, cost).upper)
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


def least_cost(a, b, cost):
    """An independent linear programme."""
    rows = np.vstack([np.kron(np.eye(len(a)), np.ones(len(b))), np.kron(np.ones(len(a)), np.eye(len(b)))])
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    return linprog(cost.ravel(), A_eq=rows[:-1], b_eq=np.append(a, b)[:-1], method="highs", options=options).fun


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e-8, 1.0, 1e12, 1e200])
def test_transport_is_that_of_a_linear_programme_in_every_unit(unit):
    rng = np.random.default_rng(4)
    for k in range(12):
        n, d = int(rng.integers(2, 8)), int(rng.integers(1, 4))
        x = rng.standard_normal((n, d))
        w, other = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
        if k % 3 == 0:
            x[1] = x[0]  # a doubled atom
        if k % 4 == 0 and n > 2:
            w[2] = 0
            w /= w.sum()
        y = x + rng.choice([0.01, 1.0, 3.0]) * rng.standard_normal((n, d))
        law = InputLaw(unit * x, w, np.arange(n) % 2)
        for order in (1, 2):
            for shifted_law, places, weights in ((law.reweighted(other), x, other), (law.moved(unit * y), y, w)):
                cost = np.linalg.norm(x[:, None] - places, axis=2) ** order
                found = wasserstein.wasserstein(law, shifted_law, order)
                truth = least_cost(w, weights, cost) ** (1 / order)
                assert found.how.startswith("exact")
                assert found.value / unit == pytest.approx(truth, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("spots", [2, 3, 9])
def test_transport_between_lattices_with_equal_rows_and_empty_atoms_is_that_of_a_linear_programme(spots, order):
    # Two values an axis are corners of a box, where mass that both laws have may stay for W_2 too; three are not.
    rng = np.random.default_rng(spots)
    for k in range(25):
        n, d = int(rng.integers(3, 9)), int(rng.integers(2, 4))
        x = rng.integers(spots, size=(n, d)) * 1.0
        y = x + rng.integers(-1, 2, size=(n, d)) * rng.choice([0.4, 1.0])
        w, other = rng.dirichlet(np.ones(n), 2)
        labels = np.arange(n) % 3
        if k % 3 == 1:  # a class without any weight, before or after
            w[labels == 0], other[labels == 1] = 0, 0
        elif k % 3 == 2:
            w, other = np.ones(n), rng.integers(2, size=n) + np.eye(n)[0]
        w, other = w / w.sum(), other / other.sum()
        law = InputLaw(x, w, labels)
        for shifted_law, places, weights in ((law.reweighted(other), x, other), (law.moved(y), y, w)):
            cost = np.linalg.norm(x[:, None] - places, axis=2) ** order
            found = wasserstein.wasserstein(law, shifted_law, order)
            assert found.how.startswith("exact")
            assert found.value**order == pytest.approx(least_cost(w, weights, cost), rel=1e-8, abs=1e-9)


@pytest.mark.parametrize("corners", [3, 4, 7])
@pytest.mark.parametrize("order", [1, 2])
def test_a_polygon_turned_by_more_than_half_a_side_goes_the_other_way_round(corners, order):
    # Every corner's nearest one is another than its own, and to go there is a coupling.
    side = 2 * math.pi / corners
    angles = side * np.arange(corners)
    law = InputLaw(np.stack([np.cos(angles), np.sin(angles)], axis=1), np.full(corners, 1 / corners), angles > 9)
    for turn in (0.45 * side, 0.55 * side):
        moved = law.moved(np.stack([np.cos(angles + turn), np.sin(angles + turn)], axis=1))
        step = 2 * math.sin(min(turn, side - turn) / 2)
        assert wasserstein.wasserstein(law, moved, order).value == pytest.approx(step, rel=1e-12)


def test_a_long_step_that_is_not_quite_common_is_no_translation():
    # (0, 10) and (.1, 9.9) cross: for W_2 it is better to go straight.
    law = InputLaw(np.array([[0.0, 0.0], [0.1, 0.0]]), np.full(2, 0.5), np.zeros(2, int))
    moved = law.moved(np.array([[10.0, 0.0], [9.9, 0.0]]))
    assert wasserstein.wasserstein(law, moved, 2).value == pytest.approx(9.9, rel=1e-12)


@pytest.mark.parametrize("unit", [1e-12, 1e-8, 1e4])
def test_the_certificate_is_no_larger_than_any_coupling_and_no_smaller_than_the_slices(unit):
    rng = np.random.default_rng(5)
    law = random_law(rng, 300, 3)
    law = law.moved(unit * law.atoms)
    for other in (law.reweighted(rng.dirichlet(np.ones(300))), law.moved(law.atoms + unit * rng.normal(size=(300, 3)))):
        found = wasserstein.wasserstein(law, other, 1)
        assert found.how == "exact: transport"
        assert sliced_wasserstein(law, other, 1).value <= found.value
        assert found.value <= entropic_coupling(law, other, 1, blur=0.3 * unit).value * (1 + 1e-9)


def test_clusters_far_apart_keep_their_digits():
    # Mass moves within a small cluster only; W_1 of two-point laws is the mass times the step.
    rng = np.random.default_rng(6)
    far = np.append(rng.standard_normal((30, 2)), [[5.0, 5.0], [5.0 + 2.0**-20, 5.0]], axis=0)
    weights = np.append(np.full(30, 0.02), [0.2, 0.2])
    law, other = InputLaw(far, weights, np.zeros(32, int)), np.append(np.full(30, 0.02), [0.05, 0.35])
    found = wasserstein.wasserstein(law, law.reweighted(other), 2)
    assert found.how.startswith("exact") and found.value * 2**20 == pytest.approx(math.sqrt(0.15), rel=1e-6)


def test_a_plan_that_its_potentials_do_not_certify_is_an_upper_bound(monkeypatch):
    import ot

    def poor(a, b, cost, **options):
        return np.outer(a, b), {"u": np.zeros(len(a)), "v": np.zeros(len(b)), "warning": None}

    monkeypatch.setattr(ot, "emd", poor)
    rng = np.random.default_rng(7)
    law = random_law(rng, 9, 2)
    found = wasserstein.wasserstein(law, law.reweighted(rng.dirichlet(np.ones(9))), 1)
    monkeypatch.undo()
    lower = float(found.how.split("at least ")[1].split()[0])
    assert found.how.startswith("coupling upper bound") and lower < found.value


def test_equal_rows_are_one_atom_for_every_distance():
    law = InputLaw(np.array([[0.0, 1], [0, 1], [2, 3]]), np.array([0.25, 0.5, 0.25]), np.array([0, 1, 1]))
    same = law.reweighted(np.array([0.5, 0.25, 0.25]))
    assert [distance.value for distance in divergences(law, same)] == [0, 0, 0, 0]
    single = InputLaw(law.atoms[1:], np.array([0.75, 0.25]), law.labels[1:])
    assert law.entropy == pytest.approx(single.entropy)
    for weights in ([0.1, 0.2, 0.7], [0.0, 0.75, 0.25], [0.75, 0.0, 0.25], [0.0, 0.0, 1.0]):
        found = divergences(law, law.reweighted(np.array(weights)))
        merged = divergences(single, single.reweighted(np.array([weights[0] + weights[1], weights[2]])))
        for a, b in zip(found, merged, strict=True):
            assert a.value == pytest.approx(b.value, rel=1e-12)
    # Rows in another order are the same law, and -0 is 0.
    turned = InputLaw(np.array([[2, 3], [-0.0, 1], [0, 1]]), np.array([0.25, 0.5, 0.25]), np.array([1, 0, 1]))
    assert divergences(turned, turned.moved(turned.atoms[[0, 2, 1]])).w2.value == 0
    assert n_union(law, law) == n_union(law, same) == 2


def test_the_union_of_supports_counts_places_with_weight_in_either_law():
    law = InputLaw(np.array([[0.0], [0], [1], [2], [3]]), np.array([0.5, 0.0, 0.5, 0.0, 0.0]), np.zeros(5, int))
    assert n_union(law, law) == 2
    assert n_union(law, law.reweighted(np.array([0.0, 0.0, 0.5, 0.5, 0.0]))) == 3
    # Moved by one, it lies at 1 and 2 in the place of 0 and 1.
    assert n_union(law, law.moved(law.atoms + 1)) == 3 and n_union(law, law.moved(law.atoms + 9)) == 4


def test_on_a_line_the_distance_is_that_of_the_quantiles_in_every_unit():
    for unit in (1e-12, 1.0, 1e12):
        law = InputLaw(unit * np.array([[0.0], [1], [1], [4]]), np.array([0.5, 0.2, 0.1, 0.2]), np.zeros(4, int))
        other = law.reweighted(np.array([0.2, 0.0, 0.5, 0.3]))
        # 0.2 goes from 0 to 1, then 0.1 from 0 to 1 and 0.1 from 1 to 4.
        assert wasserstein.wasserstein(law, other, 1).value / unit == pytest.approx(0.3 + 0.1 * 3, rel=1e-12)
        assert wasserstein.wasserstein(law, other, 2).value / unit == pytest.approx(math.sqrt(0.3 + 0.9), rel=1e-12)
    with pytest.raises(ValueError, match="order must be 1 or 2"):
        wasserstein.wasserstein(law, other, 3)


@pytest.mark.parametrize("order", [1, 2])
def test_a_large_reweighting_keeps_the_mass_that_both_laws_have_and_carries_the_rest(order, monkeypatch):
    rng = np.random.default_rng(10)
    law = random_law(rng, 40, 3)
    weights = law.weights.copy()
    weights[:2] = weights[:2].sum() * np.array([0.1, 0.9])
    exact = wasserstein.wasserstein(law, law.reweighted(weights), order)
    monkeypatch.setattr(wasserstein, "MAX_TRANSPORT_ENTRIES", 100)
    found = wasserstein.wasserstein(law, law.reweighted(weights), order)
    carried = abs(weights[0] - law.weights[0]) * np.linalg.norm(law.atoms[0] - law.atoms[1]) ** order
    assert found.value == pytest.approx(carried ** (1 / order)) and found.value >= exact.value * (1 - 1e-9)
    assert found.how.startswith("exact" if order == 1 else "coupling upper bound: common mass stays, the rest by tra")


@pytest.mark.parametrize("d", [3, 40])
def test_the_rest_of_a_reweighting_too_large_to_carry_is_independent(d, monkeypatch):
    rng = np.random.default_rng(11)
    law = random_law(rng, 300, d)
    other = rng.dirichlet(np.ones(300))
    surplus, deficit = np.maximum(law.weights - other, 0), np.maximum(other - law.weights, 0)
    cost = np.linalg.norm(law.atoms[:, None] - law.atoms, axis=2)
    monkeypatch.setattr(wasserstein, "MAX_TRANSPORT_ENTRIES", 100)
    for order in (1, 2):
        expected = (surplus @ cost**order @ deficit / deficit.sum()) ** (1 / order)
        assert wasserstein.wasserstein(law, law.reweighted(other), order).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("step", [0.05, 0.6, 2.0])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_in_many_dimensions_atoms_stay_nearest_to_their_origin_as_differences_say(step, offset, monkeypatch):
    # 600 atoms are three blocks; some stand at one place, some within the error of float32 of another.
    rng = np.random.default_rng(8)
    n, d = 600, 50
    x = offset + rng.random((n, d)) * (rng.random(d) < 0.5)
    x[7], x[8] = x[3], x[9] + 1e-7 * (rng.random(d) < 0.5)
    y = x + step * rng.random((n, 1)) * rng.standard_normal((n, d)) / math.sqrt(d)
    y[8] = x[9]
    steps = np.linalg.norm(y - x, axis=1)
    truth = np.array([np.linalg.norm(x - place, axis=1).min() for place in y])
    found = wasserstein._nearest(x, y, steps)
    slack = 1e-3 * (1 + steps)
    assert (found <= truth * (1 + 1e-12)).all() and (found >= truth - slack).all()
    ours, theirs = steps <= found * (1 + 1e-12), steps <= truth * (1 + 1e-12)
    assert not ours[8] and (ours == theirs).all()
    law = InputLaw(x, np.full(n, 1 / n), np.zeros(n, int))
    exact = wassersteins(law, law.moved(y))
    assert exact[1].how == "exact: assignment"
    monkeypatch.setattr(wasserstein, "MAX_TRANSPORT_PRODUCTS", n * n * d - 1)
    for bound, truth in zip(wassersteins(law, law.moved(y)), exact, strict=True):
        least = float(re.search(r"at least (\S+) by", bound.how)[1])
        assert 0.3 * truth.value < least <= truth.value * (1 + 1e-5) and truth.value <= bound.value * (1 + 1e-12)


def test_both_orders_together_are_each_alone():
    rng = np.random.default_rng(9)
    law = random_law(rng, 30, 40)
    for other in (law.moved(law.atoms + rng.standard_normal((30, 40))), law.reweighted(rng.dirichlet(np.ones(30)))):
        assert wassersteins(law, other) == [wasserstein.wasserstein(law, other, order) for order in (1, 2)]


@pytest.mark.parametrize("norm", [("l2", 2), ("linf", np.inf)])
def test_the_longest_step_is_that_of_an_atom_with_mass(norm):
    law = InputLaw(np.zeros((3, 2)), [0.5, 0.5, 0.0], [0, 0, 0])
    moved = law.moved(np.array([[3.0, 4.0], [1.0, 0.0], [9.0, 9.0]]))
    assert wasserstein.largest_step(law, moved, norm[0]) == np.linalg.norm([3.0, 4.0], ord=norm[1])
    assert wasserstein.root_mean_square_step(law, moved) == pytest.approx(math.sqrt(13))
