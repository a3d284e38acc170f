"""Shifts of images do what they say, by severity or at a W_2, or say what they can reach."""

import math
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from ib_core.laws import family as family_module
from ib_core.laws.divergences import divergences
from ib_core.laws.family import FAMILIES as SHIFTS
from ib_core.laws.family import Shift, Unreachable, check_shift, shifted
from ib_core.laws.input_law import InputLaw
from ib_core.laws.wasserstein import root_mean_square_step, wasserstein

FAMILIES = [name for name in SHIFTS.names if SHIFTS.find(name).metric == "severity"]
# A severity of each that moves something, and its other way.
SEVERITIES = {
    "rotation": (20.0, {"sign": -1}),
    "translation": (1.5, {"angle": 200.0}),
    "scale": (0.3, {"sign": -1}),
    "shear": (0.4, {"sign": -1}),
    "blur": (0.8, {}),
    "contrast": (0.3, {"sign": 1}),
    "brightness": (0.2, {"sign": -1}),
    "occlusion": (0.4, {"fill": 1.0, "seed": 3}),
    "impulse_noise": (0.2, {"seed": 3}),
    "gaussian_noise": (0.1, {"seed": 3}),
}
WAYS = [(name, way) for name in FAMILIES for way in ({}, SEVERITIES[name][1])]


def law_of(images, low=0.0, high=1.0):
    """The uniform law of these images (n, ...), with a range from `low` to `high`."""
    images = np.asarray(images, float)
    rows = low + (high - low) * images.reshape(len(images), -1)
    n = len(rows)
    return InputLaw(rows, np.full(n, 1 / n), np.arange(n) % 3, images.shape[1:])


def blobs(n=12, shape=(9, 9), seed=0):
    """Smooth images that vanish at their edges, the whole range among them."""
    rng = np.random.default_rng(seed)
    images = ndimage.gaussian_filter(rng.random((n, *shape)), (0,) * (len(shape) - 1) + (1, 1))
    window = np.outer(*(np.sin(np.pi * (np.arange(side) + 0.5) / side) for side in shape[-2:]))
    images = (images - images.min()) * window
    return images / images.max()


LAW = law_of(blobs())


def shown(family, law, size, **parameters):
    """The images after a shift."""
    return shifted(family, law, size, **parameters).law.atoms.reshape(len(law.atoms), *law.shape)


def test_every_family_of_images_has_its_case():
    assert sorted(SEVERITIES) == sorted(FAMILIES)


@pytest.mark.parametrize("low", [0.0, -0.42])
def test_a_right_angle_and_whole_pixels_are_permutations(low):
    images = low + blobs(shape=(3, 8, 8))
    law = law_of(images - low).moved(images.reshape(12, -1))
    np.testing.assert_allclose(shown("rotation", law, 90.0), np.rot90(images, 1, (2, 3)), atol=1e-12)
    np.testing.assert_allclose(shown("rotation", law, 90.0, sign=-1), np.rot90(images, -1, (2, 3)), atol=1e-12)
    np.testing.assert_allclose(shown("rotation", law, 180.0), images[:, :, ::-1, ::-1], atol=1e-12)
    inner = np.full_like(images, low)
    inner[:, :, 2:-2, 2:-2] = images[:, :, 2:-2, 2:-2]
    inner[0, 0, 4, 4] = images.max()  # the range stays
    law = law.moved(inner.reshape(12, -1))
    for angle, step in ((0, (0, 2)), (90, (-2, 0)), (180, (0, -2)), (270, (2, 0))):
        found = shown("translation", law, 2.0, angle=angle)
        np.testing.assert_allclose(found, np.roll(inner, step, (2, 3)), atol=1e-12)
    gone = shown("translation", law, math.hypot(8, 8), angle=31.0)
    np.testing.assert_allclose(gone, low)


@pytest.mark.parametrize("sign", [1, -1])
def test_maps_between_pixels_are_those_of_scipy(sign):
    # The map from new places (row down, column right) to old ones; up is towards small rows.
    turn = np.deg2rad(sign * 33.0)
    backward = {
        "rotation": (33.0, [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]),
        "scale": (0.3, np.eye(2) / (1 + sign * 0.3)),
        "shear": (0.7, [[1.0, 0.0], [sign * 0.7, 1.0]]),
    }
    images = blobs(shape=(7, 10))
    centre = np.array([3.0, 4.5])
    for family, (size, matrix) in backward.items():
        offset = centre - np.array(matrix) @ centre
        options = {"order": 1, "mode": "grid-constant", "cval": 0.0}
        slow = [ndimage.affine_transform(image, matrix, offset, **options) for image in images]
        np.testing.assert_allclose(shown(family, law_of(images), size, sign=sign), slow, atol=1e-12)
    step = 1.3 * np.array([-np.sin(0.5), np.cos(0.5)])
    slow = [ndimage.shift(image, step, order=1, mode="grid-constant") for image in images]
    found = shown("translation", law_of(images), 1.3, angle=math.degrees(0.5))
    np.testing.assert_allclose(found, slow, atol=1e-12)


def test_an_image_that_grows_is_wider_and_one_that_leans_leans_to_the_right():
    image = np.zeros((1, 11, 11))
    image[0, 1:10, 5] = 1.0  # an upright line
    columns, rows = np.arange(11), np.arange(11)

    def centre(row):
        return row @ columns / row.sum()

    leaning = shown("shear", law_of(image), 0.5)[0]
    assert centre(leaning[2]) == pytest.approx(5 + 0.5 * 3) and centre(leaning[8]) == pytest.approx(5 - 0.5 * 3)
    small = np.zeros((1, 11, 11))
    small[0, 4:7, 4:7] = 1.0
    grown, shrunk = (shown("scale", law_of(small), 0.5, sign=sign)[0].sum() for sign in (1, -1))
    assert grown > 9 * 1.5 and shrunk < 9 / 1.5
    assert rows @ shown("scale", law_of(small), 0.5)[0].sum(axis=1) / grown == pytest.approx(5)


def test_the_blur_of_a_point_is_a_gaussian():
    image = np.zeros((1, 21, 21))
    image[0, 10, 10] = 1.0
    for width in (0.3, 1.0, 2.0):
        found = shown("blur", law_of(image), width)[0]
        axis = np.exp(-0.5 * ((np.arange(21) - 10) / width) ** 2)
        mass = sum(math.exp(-0.5 * (k / width) ** 2) for k in range(-60, 61))
        np.testing.assert_allclose(found, np.outer(axis, axis) / mass**2, atol=1e-15)
        assert found.sum() == pytest.approx(1, abs=1e-5)
    small = np.zeros((1, 5, 5))
    small[0, 2, 2] = 1.0
    found = shown("blur", law_of(small), 7.0)[0]  # nearly all of it leaves into the background
    assert found[2, 2] == pytest.approx(1 / (2 * math.pi * 49), rel=1e-9)


def test_brightness_adds_and_contrast_scales_within_the_range():
    law = law_of(0.3 + 0.4 * blobs(), -2.0, 2.0)
    images = law.atoms.reshape(-1, 9, 9)
    extreme = law.moved(np.vstack([law.atoms[:-2], np.full((1, 81), -2.0), np.full((1, 81), 2.0)]))
    found = shown("brightness", extreme, 0.05)
    np.testing.assert_allclose(found[:-2], images[:-2] + 0.05 * 4, atol=1e-12)
    np.testing.assert_allclose(found[-2:, 0, 0], [-2 + 0.2, 2.0])
    assert np.ptp(shown("brightness", extreme, 1.0)) == 0
    means = images.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(shown("contrast", law, 0.25), means + 0.75 * (images - means), atol=1e-12)
    np.testing.assert_allclose(shown("contrast", law, 1.0), means + 0 * images, atol=1e-12)
    raised = np.clip(means + 2 * (images - means), images.min(), images.max())
    np.testing.assert_allclose(shown("contrast", law, 1.0, sign=1), raised, atol=1e-12)


def test_a_patch_covers_its_share_and_larger_patches_hold_the_smaller():
    law = law_of(np.tile([[0.5]], (40, 10, 10)))
    law = law.moved(np.vstack([law.atoms[:-1], np.append(np.zeros(50), np.ones(50))[None]]))
    covered = []
    for share in (0.2, 0.33, 0.7, 1.0):
        found = shown("occlusion", law, share, fill=1.0, seed=1)[:-1]
        covered.append((found - 0.5) / 0.5)
        np.testing.assert_allclose(covered[-1].sum(axis=(1, 2)), (10 * share) ** 2)
        black = shown("occlusion", law, share, seed=1)[:-1]
        np.testing.assert_allclose(black, 0.5 * (1 - covered[-1]), atol=1e-12)
    for small, large in pairwise(covered):
        assert (small <= large + 1e-12).all()
    centres = np.array([ndimage.center_of_mass(patch) for patch in covered[0]])
    assert (np.ptp(centres, axis=0) > 6).all()  # each atom has its own place


def test_impulses_strike_their_share_of_pixels_to_either_end():
    law = law_of(0.5 * np.ones((200, 3, 10, 10)))
    law = law.moved(np.vstack([law.atoms[:-1], np.append(np.zeros(150), np.ones(150))[None]]))
    few, many = (shown("impulse_noise", law, share)[:-1] for share in (0.13, 0.4))
    for found, share in ((few, 0.13), (many, 0.4)):
        assert (found[:, :1] == found).all()  # in all channels alike
        struck = found[:, 0] != 0.5
        assert (struck.sum(axis=(1, 2)) == round(100 * share)).all()
        high = (found[:, 0] == 1).sum() / struck.sum()
        assert abs(high - 0.5) < 4 * 0.5 / math.sqrt(struck.sum())
        assert np.abs(struck.mean(axis=0) - share).max() < 5 * math.sqrt(share * (1 - share) / 199)
    assert (many[few != 0.5] == few[few != 0.5]).all()
    part = shown("impulse_noise", law, 0.005)[:-1, 0] - 0.5  # half a pixel
    np.testing.assert_allclose(np.abs(part).sum(axis=(1, 2)), 0.25)


def test_gaussian_noise_has_its_spread_in_units_of_the_range_and_stays_in_it():
    law = law_of(0.5 * np.ones((200, 10, 10)), -1.0, 3.0)
    law = law.moved(np.vstack([law.atoms[:-1], np.append(-np.ones(50), 3 * np.ones(50))[None]]))
    steps = (shown("gaussian_noise", law, 0.05)[:-1] - 1.0) / 4
    assert steps.std() == pytest.approx(0.05, rel=4 / math.sqrt(2 * steps.size))
    assert abs(steps.mean()) < 4 * 0.05 / math.sqrt(steps.size)
    np.testing.assert_allclose((shown("gaussian_noise", law, 0.1)[:-1] - 1.0) / 4, 2 * steps, atol=1e-12)
    wild = shown("gaussian_noise", law, 5.0)
    assert wild.min() == -1 and wild.max() == 3


@pytest.mark.parametrize(("family", "way"), WAYS)
@pytest.mark.parametrize("shape", [(9, 9), (1, 9, 9), (3, 9, 9)])
def test_a_severity_keeps_labels_weights_shape_and_range_and_its_draws_belong_to_the_atom(family, way, shape):
    size = SEVERITIES[family][0]
    law = law_of(blobs(shape=shape), -0.3, 2.0).reweighted(np.random.default_rng(0).dirichlet(np.ones(12)))
    shift = shifted(family, law, size, **way)
    found = shift.law
    assert shift.parameter == size and found.shape == shape
    assert (found.labels == law.labels).all() and (found.weights == law.weights).all()
    assert law.atoms.min() <= found.atoms.min() and found.atoms.max() <= law.atoms.max()
    assert root_mean_square_step(law, found) > 0.05
    again = shifted(family, law, size, **way).law
    np.testing.assert_array_equal(again.atoms, found.atoms)
    # More atoms of the same range change nothing for these.
    longer = InputLaw(np.vstack([law.atoms, law.atoms[::-1]]), np.full(24, 1 / 24), np.zeros(24, int), shape)
    np.testing.assert_array_equal(shifted(family, longer, size, **way).law.atoms[:12], found.atoms)
    assert shifted(family, law, 0.0, **way).law is law


@pytest.mark.parametrize("family", ["occlusion", "impulse_noise", "gaussian_noise"])
def test_another_seed_draws_anew(family):
    assert (shown(family, LAW, 0.2, seed=1) != shown(family, LAW, 0.2, seed=2)).any()


@pytest.mark.parametrize(("family", "way"), WAYS)
def test_distances_grow_with_the_severity_from_nothing(family, way):
    size = SEVERITIES[family][0]
    severities = size * np.array([1e-6, 0.01, 0.1, 0.3, 0.6, 0.8, 1.0])
    found = [root_mean_square_step(LAW, shifted(family, LAW, severity, **way).law) for severity in severities]
    assert found == sorted(found) and found[0] < 0.01 * found[-1]


@pytest.mark.parametrize(("family", "way"), WAYS)
def test_a_severity_is_solved_for_its_w2(family, way):
    law = LAW.reweighted(np.random.default_rng(0).dirichlet(np.ones(12)))
    for size in (1e-4, 0.05, 0.4):
        shift = shifted(family, law, size, metric="w2", **way)
        assert wasserstein(law, shift.law, 2).value == pytest.approx(size, rel=1e-6)
        again = shifted(family, law, shift.parameter, **way).law
        np.testing.assert_array_equal(shift.law.atoms, again.atoms)
        check_shift(family, law, size, metric="w2", **way)
    for apply in (shifted, check_shift):
        for size in (100.0, math.inf, 1e-9):
            with pytest.raises(Unreachable, match=rf"{family} reaches W_2 0 and \[1e-08, .*, asked for"):
                apply(family, law, size, metric="w2", **way)


def test_where_another_coupling_is_shorter_than_the_steps_the_severity_is_solved_by_transport():
    # Bars of three columns, one further right each: a step by one column sends each to the next one's place.
    images = np.zeros((6, 12, 12))
    for k in range(6):
        images[k, :, k + 1 : k + 4] = 1.0
    law = law_of(images)
    size = 4.0
    shift = shifted("translation", law, size, metric="w2")
    found = wasserstein(law, shift.law, 2)
    assert found.value == pytest.approx(size, rel=1e-6) and "assignment" in found.how
    assert root_mean_square_step(law, shift.law) > 1.05 * size


def test_distances_that_are_measured_beside_a_severity_say_how():
    found = divergences(LAW, shifted("brightness", LAW, 1e-3).law)
    assert found.w2.how.startswith("exact") and found.tv.value == pytest.approx(1) and found.kl.value == math.inf


@pytest.mark.parametrize(
    ("family", "size", "parameters", "message"),
    [
        ("rotation", 181.0, {}, r"rotation reaches severity \[0, 180.0\], asked for 181.0"),
        ("translation", 13.0, {}, r"severity \[0, 12.7"),
        ("scale", 0.95, {"sign": -1}, r"severity \[0, 0.9\]"),
        ("contrast", 1.1, {}, r"severity \[0, 1.0\]"),
        ("occlusion", 1.1, {}, r"severity \[0, 1.0\]"),
        ("shear", math.inf, {}, r"severity \[0, "),
        ("occlusion", 0.5, {"fill": 2.0}, r"fill must be in \[0, 1\], got 2.0"),
        ("rotation", 5.0, {"sign": 2}, "sign must be 1 or -1, got 2"),
        ("contrast", 0.5, {"sign": 0}, "sign must be 1 or -1, got 0"),
        ("scale", 0.5, {"sign": 0}, "sign must be 1 or -1, got 0"),
        ("rotation", 5.0, {"metric": "kl"}, "metric must be severity or w2 for rotation, got 'kl'"),
        ("contamination", 0.5, {"metric": "w2"}, "metric must be tv for contamination, got 'w2'"),
    ],
)
def test_what_means_nothing_is_refused_when_it_is_planned(family, size, parameters, message):
    for apply in (shifted, check_shift):
        with pytest.raises(ValueError, match=message):
            apply(family, LAW, size, **parameters)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [None, (81,), (9, 9, 1), (2, 9, 9), (1, 1, 9, 9)])
def test_a_law_without_images_is_refused(family, shape):
    d = 162 if shape == (2, 9, 9) else 81
    law = InputLaw(np.arange(3.0 * d).reshape(3, d), np.full(3, 1 / 3), np.zeros(3, int), shape)
    for apply in (shifted, check_shift):
        for metric in ("severity", "w2"):
            with pytest.raises(ValueError, match=r"atoms must be images of shape \(h, w\), \(1, h, w\) or \(3, h, w\)"):
                apply(family, law, 0.1, metric=metric)


def test_a_severity_of_ones_own_is_solved_for_up_to_its_largest(monkeypatch):
    @family_module.family("severity", moves_atoms=True, largest=lambda law, power=1: 2.0**power)
    def louder(law, size, power=1):
        return Shift(law.moved(law.atoms * (1 + size)), size)

    @family_module.family("severity", moves_atoms=True)
    def endless(law, size):
        return Shift(law.moved(law.atoms * (1 + size)), size)

    @family_module.family("severity", moves_atoms=True, largest=1.0)
    def relabels(law, size):
        return Shift(InputLaw(law.atoms + size, law.weights, 1 - law.labels), size)

    own = {"louder": louder, "endless": endless, "relabels": relabels}
    monkeypatch.setitem(sys.modules, "own_severities", SimpleNamespace(**own))
    name = "own_severities:{}".format
    law = InputLaw([[1.0, 2.0], [2.0, -1.0]], [0.5, 0.5], [0, 1])
    shift = shifted(name("louder"), law, 0.1, metric="w2", power=2)
    assert shift.parameter == pytest.approx(0.1 / math.sqrt(5), rel=1e-9)
    with pytest.raises(Unreachable, match=r"severity \[0, 4.0\]"):
        shifted(name("louder"), law, 5.0, power=2)
    assert shifted(name("endless"), law, 1e9).parameter == 1e9
    for apply in (shifted, check_shift):
        with pytest.raises(ValueError, match=r"metric must be severity for .*endless, got 'w2'"):
            apply(name("endless"), law, 1.0, metric="w2")
        with pytest.raises(ValueError, match="must keep the labels, or be entered with keeps_labels=False"):
            apply(name("relabels"), law, 1.0)
    with pytest.raises(ValueError, match="must move atoms"):
        family_module.family("severity")
