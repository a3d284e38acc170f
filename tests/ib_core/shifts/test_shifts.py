"""Shifts reach the size they were asked for, in the metric they were asked for, or say what they can reach."""

import math
import re
from functools import partial

import numpy as np
import pytest

from ib_core import bounds
from ib_core.laws import family as family_module
from ib_core.laws.divergences import divergences, kl_divergence, total_variation
from ib_core.laws.family import FAMILIES as SHIFTS
from ib_core.laws.family import Shift, Unreachable, check_shift, shifted
from ib_core.laws.input_law import InputLaw
from ib_core.laws.wasserstein import _transport, wasserstein
from ib_core.sources import szt

FAMILIES = {name: SHIFTS.find(name) for name in SHIFTS.names}
# Those whose sizes are distances, and that see no network: they hold for any law.
HELD = {name: entered for name, entered in FAMILIES.items() if entered.metric in ("tv", "kl", "w2")}

LAW = szt.law()
LINE = np.linspace(0, 1, 4096) ** 2
# From TV .53 and KL .57 on, an exponential way goes on beyond its law.
NEEDS = {"information_tilt": {"pointwise": LINE}} | {
    name: {"weight": np.exp(4 * LINE) / np.exp(4 * LINE).sum()} for name in ("law_mixture", "law_tilt")
}


@pytest.mark.parametrize("family", [name for name, f in FAMILIES.items() if not f.moves_atoms])
@pytest.mark.parametrize("size", [1e-3, 0.1, 0.45])
def test_reweightings_hit_their_size(family, size):
    law = shifted(family, LAW, size, **NEEDS.get(family, {})).law
    p, q = LAW.weights, law.weights
    found = {"tv": 0.5 * np.abs(p - q).sum(), "kl": (q[q > 0] * np.log(q[q > 0] / p[q > 0])).sum()}
    assert found[FAMILIES[family].metric] == pytest.approx(size, rel=1e-9)
    assert (law.atoms == LAW.atoms).all()


@pytest.mark.parametrize("family", HELD)
@pytest.mark.parametrize("size", [1e-4, 0.03, 0.3, 0.7, 3.0])
def test_every_family_hits_its_size_or_refuses(family, size):
    rng = np.random.default_rng(0)
    n = 40
    law = InputLaw(rng.standard_normal((n, 3)), rng.dirichlet(np.ones(n)), np.arange(n) % 2)
    other = law.weights * np.exp(rng.uniform(0, 1, n))
    arrays = {"information_tilt": {"pointwise": rng.uniform(0, 3, n)}}
    arrays |= {key: {"weight": other / other.sum()} for key in ("law_mixture", "law_tilt")}
    needs = arrays.get(family, {})
    metric = FAMILIES[family].metric
    try:
        found = shifted(family, law, size, **needs).law
    except Unreachable as refused:
        assert "reaches" in str(refused) and metric in ("tv", "kl") and size >= 0.03
        return
    p, q = law.weights, found.weights
    cost = ((law.atoms[:, None] - found.atoms) ** 2).sum(axis=2)
    distance = {
        "tv": lambda: 0.5 * np.abs(p - q).sum(),
        "kl": lambda: (q[q > 0] * np.log(q[q > 0] / p[q > 0])).sum(),
        "w2": lambda: math.sqrt(_transport(p, q, cost).upper),
    }[metric]()
    assert distance == pytest.approx(size, rel=1e-6)


@family_module.family("tv")
def first_atoms(law, size, honesty=1.0):
    sign = np.where(np.arange(len(law.weights)) < len(law.weights) / 2, 1.0, -1.0) * 2
    return Shift(law.reweighted(law.weights * (1 + honesty * size * sign)), size)


def test_a_family_of_ones_own_is_entered_with_one_function_and_held_to_its_size():
    name = f"{__name__}.first_atoms"
    assert divergences(LAW, shifted(name, LAW, 0.2).law).tv.value == pytest.approx(0.2, rel=1e-12)
    for apply in (shifted, check_shift):
        with pytest.raises(ArithmeticError, match=r"asked for tv = 0.2 and returned a law at 0.18"):
            apply(name, LAW, 0.2, honesty=0.9)


@family_module.family("w2")
def slides(law, size):
    return Shift(law.moved(law.atoms + size / math.sqrt(12)), size)


@family_module.family("tv")
def forgets(law, size):
    pass


def test_what_is_no_shift_of_its_kind_is_refused():
    for apply in (shifted, check_shift):
        with pytest.raises(ValueError, match="slides must keep the atoms, or be entered with moves_atoms=True"):
            apply(f"{__name__}.slides", LAW, 0.1)
        with pytest.raises(TypeError, match=r"forgets must return a Shift .* got NoneType"):
            apply(f"{__name__}.forgets", LAW, 0.1)


def test_a_check_refuses_what_the_shift_would_without_any_transport(monkeypatch):
    def none(*_):
        raise AssertionError("a check has no time for transport")

    monkeypatch.setattr(family_module, "wasserstein", none)
    monkeypatch.setattr("ib_core.shifts.gaussian_displacement.wasserstein", none)
    for family in HELD:
        needs = NEEDS.get(family, {})
        check_shift(family, LAW, 0.0)
        check_shift(family, LAW, 0.1, **needs)
        with pytest.raises(Unreachable, match="reaches"):
            check_shift(family, LAW, 1e101, **needs)
    with pytest.raises(ValueError, match="column must"):
        check_shift("direction_displacement", LAW, 0.1, column=12)


NINES = np.where(np.arange(4096) == 9, 1.0, 0.0)


@pytest.mark.parametrize(
    ("family", "parameters", "feature"),
    [
        ("class_tilt", {}, LAW.labels == 1),
        ("class_tilt", {"label": 0}, LAW.labels == 0),
        ("feature_tilt", {}, LAW.atoms[:, 0]),
        ("feature_tilt", {"column": -3}, LAW.atoms[:, 9]),
        ("hamming_tilt", {}, LAW.atoms.sum(axis=1)),
        ("information_tilt", NEEDS["information_tilt"], LINE),
        ("law_tilt", NEEDS["law_tilt"], 4 * LINE),
    ],
)
def test_a_tilt_multiplies_weights_by_the_exponential_of_its_parameter_times_its_feature(family, parameters, feature):
    shift = shifted(family, LAW, 0.1, **parameters)
    log_ratio = np.log(shift.law.weights * 4096)
    assert shift.parameter > 0 and np.ptp(log_ratio - shift.parameter * feature) < 1e-9


@pytest.mark.parametrize(
    ("family", "parameters", "contaminant"),
    [
        ("class_prior", {}, (LAW.labels == 1) / 2118),
        ("class_prior", {"label": 0}, (LAW.labels == 0) / 1978),
        ("contamination", {}, np.eye(4096)[-1]),
        ("contamination", {"atom": 9}, NINES),
        ("law_mixture", NEEDS["law_mixture"], NEEDS["law_mixture"]["weight"]),
    ],
)
def test_a_mixture_is_one_with_its_contaminant_in_the_share_of_its_parameter(family, parameters, contaminant):
    shift = shifted(family, LAW, 0.1, **parameters)
    mixed = (1 - shift.parameter) * LAW.weights + shift.parameter * contaminant
    np.testing.assert_allclose(shift.law.weights, mixed, rtol=1e-12, atol=0)


def test_displacements_go_where_they_say():
    steps = shifted("direction_displacement", LAW, 0.3, column=-2).law.atoms - LAW.atoms
    np.testing.assert_allclose(steps, 0.3 * np.eye(12)[[10] * 4096], atol=1e-12)
    steps = shifted("direction_displacement", LAW, 0.3).law.atoms - LAW.atoms
    np.testing.assert_allclose(steps, np.full((4096, 12), 0.3 / math.sqrt(12)), atol=1e-12)
    # Gaussian steps have no direction: all covariances over 4096 atoms are those of the identity.
    steps = shifted("gaussian_displacement", LAW, 0.2).law.atoms - LAW.atoms
    covariance = steps.T @ steps / 4096 / (0.04 / 12)
    assert np.abs(covariance - np.eye(12)).max() < 4 * math.sqrt(2 / 4096)


@pytest.mark.parametrize("family", ["gaussian_displacement", "subset_removal"])
def test_another_seed_is_another_shift_and_a_size_keeps_its_own(family):
    first, again, other = (shifted(family, LAW, 0.2, seed=seed).law for seed in (3, 3, 4))
    for name in ("atoms", "weights"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.atoms != other.atoms).any() or (first.weights != other.weights).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_size_zero_is_the_reference_itself(family):
    assert shifted(family, LAW, 0.0).law is LAW


@pytest.mark.parametrize(
    ("family", "size"),
    [
        ("contamination", 1.0),
        ("hamming_tilt", 8.4),
        ("class_tilt", 0.67),
        ("feature_tilt", 0.7),
        ("subset_removal", 0.9999),
    ],
)
def test_unreachable_sizes_are_refused_with_the_range(family, size):
    with pytest.raises(Unreachable, match="reaches"):
        shifted(family, LAW, size)


def odd_laws():
    rng = np.random.default_rng(5)
    atoms, labels = rng.standard_normal((12, 3)), np.arange(12) % 2
    skewed = rng.dirichlet(np.full(12, 0.2))
    gaps = np.where(np.arange(12) % 3 == 0, 0.0, skewed)
    yield LAW
    yield InputLaw(atoms, skewed, labels)
    yield InputLaw(atoms, gaps / gaps.sum(), labels)
    yield InputLaw(atoms, np.full(12, 1 / 12) * (1 + 5e-10), labels)  # a law within its tolerance
    rows = np.arange(12) // 2 % 5  # every x stands at two rows or more
    yield InputLaw(1e8 + atoms[rows], skewed, labels[rows])
    heavy = np.append(np.full(11, 1e-6), 1 - 11e-6)
    yield InputLaw(atoms, heavy, labels)


def exact_size(metric, law, reference):
    """Between laws of X, with the digits of long double and normalised in it."""
    sums = [weights.astype(np.longdouble) for weights in (law.weights, reference.weights)]
    if len(law.atoms) < 100:
        same = (law.atoms[:, None] == law.atoms).all(axis=2)
        sums = [same[same.argmax(axis=1) == np.arange(len(same))] @ weights for weights in sums]
    p, q = (weights / weights.sum() for weights in sums)
    if metric == "tv":
        return float(np.abs(p - q).sum() / 2)
    inside = p > 0
    return float((p[inside] * np.log(p[inside] / q[inside])).sum())


@pytest.mark.parametrize("family", [name for name, f in FAMILIES.items() if not f.moves_atoms])
def test_every_size_of_the_range_that_is_announced_is_reached_and_no_other(family):
    for law in odd_laws():
        ramp = np.unique(law.atoms @ np.arange(1.0, law.atoms.shape[1] + 1), return_inverse=True)[1] / 100
        given = law.weights * np.exp(ramp)
        needs = {"information_tilt": {"pointwise": ramp}, "law_mixture": {"weight": given / given.sum()}}
        needs["law_tilt"] = needs["law_mixture"]
        apply = partial(shifted, family, law, **needs.get(family, {}))
        with pytest.raises(Unreachable) as refused:
            apply(1e9)
        low, high = map(float, re.search(r"0 and \[(\S+), (\S+)\]", str(refused.value)).groups())
        assert 0 < low < 1e-8 and low < high
        inside = [low, np.nextafter(low, 1), 2 * low, 1e3 * low, 1e-5 * high, 0.5 * high, 0.999 * high]
        inside += [high * (1 - share) for share in (1e-6, 1e-9, 1e-12, 1e-15)] + [np.nextafter(high, 0), high]
        for size in (size for size in inside if low <= size <= high):
            found = apply(float(size)).law
            tolerance = 1e-6 if size < 1e3 * low or family == "law_mixture" else 1e-9
            assert exact_size(FAMILIES[family].metric, found, law) == pytest.approx(size, rel=2 * tolerance, abs=0)
        for size in (0.5 * low, np.nextafter(low, 0), np.nextafter(high, 1e9), 1.1 * high, math.inf):
            with pytest.raises(Unreachable, match=re.escape(f"[{low!r}, {high!r}]")):
                apply(float(size))
        for size in (-0.1, math.nan):
            with pytest.raises(ValueError, match="non-negative"):
                apply(size)


def test_a_tilt_ends_at_the_law_of_its_largest_feature():
    law = shifted("class_tilt", LAW, -math.log(float(LAW.weights[LAW.labels == 1].sum())))
    ones = np.where(LAW.labels == 1, LAW.weights, 0)
    np.testing.assert_allclose(law.law.weights, ones / ones.sum(), rtol=1e-12)
    assert law.parameter == math.inf
    with pytest.raises(Unreachable, match="KL 0 alone"):
        shifted("information_tilt", LAW, 0.1, pointwise=np.ones(4096))


@pytest.mark.parametrize("family", [name for name, f in HELD.items() if f.moves_atoms])
def test_steps_of_every_size_of_the_range_are_their_own_distance(family):
    atoms = 1e3 + np.arange(24.0).reshape(12, 2)
    law = InputLaw(atoms, np.full(12, 1 / 12), np.zeros(12, int))
    for size in (1.1e-5, 0.1, 1e3, 1e60, 1e100):
        found = shifted(family, law, size).law
        assert wasserstein(law, found, 2).value == pytest.approx(size, rel=1e-6)
    for size in (1e-6, 2e100, math.inf):
        with pytest.raises(Unreachable, match="W_2 0 and"):
            shifted(family, law, size)


@pytest.mark.parametrize(
    ("family", "parameters", "message"),
    [
        ("contamination", {"atom": 4096}, "atom must"),
        ("feature_tilt", {"column": 12}, "column must"),
        ("direction_displacement", {"column": -13}, "column must"),
        ("class_prior", {"label": 7}, "label 7"),
        ("information_tilt", {"pointwise": np.full(4096, math.nan)}, "must be finite"),
        ("law_tilt", {"weight": np.full(4096, math.nan)}, "weights must be finite"),
    ],
)
def test_parameters_that_name_nothing_are_refused(family, parameters, message):
    with pytest.raises(ValueError, match=message):
        shifted(family, LAW, 0.1, **parameters)


def test_rows_with_the_same_x_are_one_atom_of_every_shift():
    law = InputLaw(np.array([[0.0], [0.0], [1.0], [3.0]]), np.array([0.1, 0.3, 0.3, 0.3]), np.array([0, 1, 1, 0]))
    one = InputLaw(np.array([[0.0], [1.0], [3.0]]), np.array([0.4, 0.3, 0.3]), np.array([1, 1, 0]))
    given = {"weight": np.array([0.2, 0.1, 0.3, 0.4])}
    for family, parameters in (
        ("feature_tilt", {}),
        ("law_tilt", given),
        ("law_mixture", given),
        ("contamination", {}),
    ):
        found = shifted(family, law, 0.01, **parameters).law.weights
        parameters = {"weight": np.array([0.3, 0.3, 0.4])} if parameters else {}
        expected = shifted(family, one, 0.01, **parameters).law.weights
        np.testing.assert_allclose([found[:2].sum(), *found[2:]], expected, rtol=1e-9)
    # Of the rows at 0 three quarters are of class 1, and so much of the class is what X says there.
    tilt = shifted("class_tilt", law, 0.01)
    ratio = tilt.law.weights / law.weights
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-12)
    assert np.ptp(np.log(ratio) - tilt.parameter * np.array([0.75, 0.75, 1.0, 0.0])) < 1e-12
    for family in ("class_tilt", "class_prior", "subset_removal"):
        found = divergences(law, shifted(family, law, 0.02).law)
        assert getattr(found, FAMILIES[family].metric).value == pytest.approx(0.02, rel=1e-9)


def test_the_way_to_a_given_law_ends_there():
    given = NEEDS["law_tilt"]["weight"]
    reach = total_variation(LAW.weights, given)
    for family, size in (("law_mixture", reach), ("law_tilt", kl_divergence(given, LAW.weights))):
        shift = shifted(family, LAW, size, weight=given)
        np.testing.assert_allclose(shift.law.weights, given, rtol=1e-6)
    with pytest.raises(Unreachable, match="reaches"):
        shifted("law_mixture", LAW, 1.01 * reach, weight=given)
    with pytest.raises(Unreachable, match="every atom"):
        shifted("law_tilt", LAW, 0.1, weight=np.eye(4096)[0])
    with pytest.raises(ValueError, match="must be non-negative with sum 1"):
        shifted("law_mixture", LAW, 0.1, weight=LINE)


def test_a_small_displacement_has_w2_equal_to_its_root_mean_square():
    law = shifted("gaussian_displacement", LAW, 0.2).law
    steps = np.linalg.norm(law.atoms - LAW.atoms, axis=1)
    assert math.sqrt((steps**2).mean()) == pytest.approx(0.2, rel=1e-12)


def test_a_large_displacement_is_solved_against_exact_transport():
    rng = np.random.default_rng(0)
    law = InputLaw(rng.standard_normal((60, 2)), np.full(60, 1 / 60), np.zeros(60, int))
    moved = shifted("gaussian_displacement", law, 1.5).law
    assert wasserstein(law, moved, 2).value == pytest.approx(1.5, rel=1e-6)
    assert math.sqrt(((moved.atoms - law.atoms) ** 2).sum(axis=1).mean()) > 1.5


def test_moved_laws_have_no_finite_kl():
    found = divergences(LAW, shifted("gaussian_displacement", LAW, 0.1).law)
    assert found.tv.value == pytest.approx(1) and found.kl.value == math.inf


def test_point_contamination_moves_every_pattern_to_one():
    law = shifted("contamination", LAW, 0.3).law
    distance = np.sqrt(12 - LAW.atoms.sum(axis=1))  # to the pattern of ones
    moved = LAW.weights - np.minimum(LAW.weights, law.weights)
    found = divergences(LAW, law)
    assert found.w1.value == pytest.approx(moved @ distance, rel=1e-9)
    assert found.w2.value == pytest.approx(math.sqrt(moved @ distance**2), rel=1e-9)


def test_w2_of_a_product_tilt_on_the_cube_is_that_of_its_coordinates():
    # A tilt by the Hamming weight makes the bits independent with P(1) = s: the optimal coupling raises each bit
    # on its own, and the expected squared distance is 12 (s - 1/2).
    tilt = shifted("hamming_tilt", LAW, 0.3)
    s = 1 / (1 + math.exp(-tilt.parameter))
    assert divergences(LAW, tilt.law).w2.value == pytest.approx(math.sqrt(12 * (s - 0.5)), rel=1e-9)


@pytest.mark.parametrize("column", [None, 3])
@pytest.mark.parametrize("size", [0.1, 2.0])
def test_a_common_step_is_its_own_distance(column, size):
    found = divergences(LAW, shifted("direction_displacement", LAW, size, column=column).law)
    assert found.w1.value == pytest.approx(size, rel=1e-9) and found.w2.value == pytest.approx(size, rel=1e-9)
    assert found.w2.how.startswith("exact")


def test_a_translation_agrees_with_optimal_assignment():
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((50, 2))
    p = InputLaw(atoms, np.full(50, 0.02), np.zeros(50, int))
    q = p.moved(atoms + np.array([1.0, 0.5]))
    shuffled = rng.permutation(50)
    assert wasserstein(p, p.moved(q.atoms[shuffled]), 2).value == pytest.approx(wasserstein(p, q, 2).value, rel=1e-9)


def test_removals_are_nested_and_keep_proportions():
    rng = np.random.default_rng(0)
    law = InputLaw(np.arange(8.0)[:, None], rng.dirichlet(np.ones(8)), np.zeros(8, int))
    small, large = (shifted("subset_removal", law, size).law.weights for size in (0.2, 0.5))
    assert set(np.flatnonzero(small == 0)) <= set(np.flatnonzero(large == 0))
    ratio = large / law.weights
    assert 0.5 * np.abs(large - law.weights).sum() == pytest.approx(0.5, rel=1e-12)
    assert np.ptp(ratio[ratio > 1]) < 1e-12 and (ratio[ratio <= 1] == 0).sum() >= (ratio <= 1).sum() - 1
    # The parameter counts the atoms that are gone, the last one by its part.
    gone = ratio[ratio <= 1]
    assert shifted("subset_removal", law, 0.5).parameter == pytest.approx(len(gone) - gone.sum(), rel=1e-9)


def test_the_tilt_by_information_is_the_best_first_order_shift():
    pointwise = NEEDS["information_tilt"]["pointwise"]
    tilt = shifted("information_tilt", LAW, 0.2, pointwise=pointwise).law.weights
    assert tilt @ pointwise == pytest.approx(bounds.golden_interval(0.2, pointwise, LAW.weights)[1], rel=1e-9)
    with pytest.raises(Unreachable, match="pointwise"):
        shifted("information_tilt", LAW, 0.2)


def test_ten_thousand_images_of_ten_classes_are_reweighted_like_any_law():
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=10_000)
    law = InputLaw(rng.integers(256, size=(10_000, 16)) / 255, np.full(10_000, 1e-4), labels, (1, 4, 4))
    for family, parameters in (
        ("class_prior", {"label": 7}),
        ("contamination", {"atom": 5}),
        ("subset_removal", {}),
        ("class_tilt", {"label": 7}),
        ("feature_tilt", {"column": 5}),
        ("direction_displacement", {}),
    ):
        check_shift(family, law, 0.1, **parameters)
        found = shifted(family, law, 0.1, **parameters).law
        assert found.shape == (1, 4, 4) and (found.labels == labels).all()
        if family == "class_prior":
            within = found.weights[labels == 7] / found.weights[labels == 7].sum()
            assert np.ptp(within) < 1e-15 and found.weights[labels == 7].sum() > (labels == 7).mean() + 0.09
    with pytest.raises(Unreachable, match="label 10"):
        shifted("class_prior", law, 0.1, label=10)
