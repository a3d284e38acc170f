"""The small formulas that both ends of an information rest on, each against numbers by hand or the definition."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import logsumexp, xlogy
from scipy.stats import multivariate_normal, norm
from scipy.stats import t as student
from test_coverage import families, gaussian, neuron_chain
from test_coverage import hypercube as corners

from ib_core.bounds import passes_deviation_joint
from ib_core.channels.closed_forms import hypercube_information
from ib_core.estimate import WIDTH
from ib_core.estimators import coarse_draws
from ib_core.estimators.coarse_control import fitted_control
from ib_core.estimators.gaussian_decoder import Moments, gaussian_decoders
from ib_core.estimators.layer import Logs
from ib_core.estimators.layer_ends import LAMBDA, _smoothed, choice_width
from ib_core.estimators.pairwise import pairwise_bounds
from ib_core.estimators.pilot import Pilot, pilot_draws, piloted
from ib_core.estimators.published import _others_error
from ib_core.estimators.sample_propagation import _layer, layer_information
from ib_core.estimators.sliced import mean_sliced_information, random_directions
from ib_core.estimators.unpooled import slides_information


def passes_of(n, n_passes, d, seed, spread=0.3):
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(0).normal(size=(n, 1, d))
    return np.tanh(means + spread * rng.normal(size=(n, n_passes, d)))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_best_of_some_ends_fails_no_more_often_than_one(n):
    # Each of n ends may fail with an n-th of the probability.
    assert n * norm.sf(WIDTH * choice_width(n)) == pytest.approx(norm.sf(WIDTH), rel=1e-9)


def test_a_smoothed_decoder_is_a_mixture_with_the_prior():
    ratio = np.array([-1e3, -1.0, 0.0, 3.0])
    np.testing.assert_allclose(_smoothed(ratio), np.log((1 - LAMBDA) * np.exp(ratio) + LAMBDA), rtol=1e-12)


def test_passes_of_others_count_by_the_heaviest_other_one():
    laws, passes = np.array([[0.5, 0.0], [0.3, 0.4], [0.2, 0.6]]), np.array([4, 2, 5])
    overlap = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    # w_j / n_j is (.125, .15, .04) under the first law and (0, .2, .12) under the second.
    expected = [[0.15 * 0.1 / 0.5, 0], [0.125 * 0.3 / 0.3, 0.12 * 0.4 / 0.4], [0.15 * 0.5 / 0.2, 0.2 * 0.6 / 0.6]]
    np.testing.assert_allclose(_others_error(laws, passes, overlap), np.sqrt(expected), rtol=1e-12)


@pytest.mark.parametrize("further", ["fresh", "own"])
def test_brackets_are_three_errors_wide_and_within_what_there_is(further):
    n = 6
    laws = np.stack([np.full(n, 1 / n), np.append(0.95, np.full(n - 1, 0.01))], axis=1)
    others = passes_of(n, 8, 2, 1)
    labels = np.arange(n) % 2
    found = layer_information(
        passes_of(n, 4, 2, 2), 0.05, weights=laws, labels=labels, **{further: others}, max_draws=64, seed=3
    )
    entropies = -(laws * np.log(laws)).sum(0)
    of_labels = [-(q * math.log(q) + (1 - q) * math.log(1 - q)) for q in laws[::2].sum(0)]
    low, high = found.lower.value - 3 * found.lower.stderr, found.upper.value + 3 * found.upper.stderr
    np.testing.assert_allclose(found.bracket, [np.clip(low, 0, entropies), np.clip(high, 0, entropies)], rtol=1e-12)
    assert (high > entropies).any() and (np.array(found.label_bracket) <= np.array(of_labels) + 1e-12).all()
    np.testing.assert_allclose(found.saturation, found.upper.value / entropies, rtol=1e-12)
    for k, j in ((0, 1), (1, 0)):
        # The lower end under one law less the upper one under the other, and the reverse.
        ends = found.change(k, j)
        assert ends[0].value == pytest.approx(found.lower.value[k] - found.upper.value[j])
        assert ends[1].value == pytest.approx(found.upper.value[k] - found.lower.value[j])
        assert ends[0].stderr == pytest.approx(math.hypot(found.lower.stderr[k], found.upper.stderr[j]))
        at = found.change_bracket(k, j)
        assert at[0] == pytest.approx(max(ends[0].value - 3 * ends[0].stderr, -entropies[j]))
        assert at[1] == pytest.approx(min(ends[1].value + 3 * ends[1].stderr, entropies[k]))
    reached = np.max([end.stderr for end in (found.upper, found.lower, found.label_upper, found.label_lower)], axis=0)
    assert (found.reached == (reached <= 1e-2)).all() and not found.reached.all()


def test_pointwise_information_stands_at_the_callers_atoms():
    # One atom far from all others, wherever it stands: it knows itself, and the others are nearly alike.
    for k in (0, 7, 19):
        passes = np.zeros((20, 1, 2)) + 1e-3 * np.arange(20)[:, None, None]
        passes[k] = 50.0
        found = layer_information(passes, 1.0, deterministic=True, labels=np.arange(20) % 3)
        truth = np.where(np.arange(20) == k, math.log(20), math.log(20 / 19))
        np.testing.assert_allclose(found.pointwise, truth, atol=0.01)


def halves(passes):
    """Of each atom's passes (n, m, d), cut at the median along their longest axis."""
    axes = np.stack([np.linalg.svd(each - each.mean(0))[2][0] for each in passes])
    order = np.einsum("nmd,nd->nm", passes - passes.mean(1, keepdims=True), axes).argsort(1)
    ordered = np.take_along_axis(passes, order[:, :, None], axis=1)
    return np.split(ordered, 2, axis=1)


@pytest.mark.parametrize(("d", "components"), [(2, 1), (2, 2), (2, 4), (2, 16), (20, 1)])
def test_a_gaussian_decoder_is_that_of_the_moments_of_its_passes(d, components, monkeypatch):
    monkeypatch.setattr("ib_core.estimators.quadratic_logs.MATRICES", 3)  # several steps even here
    # Each covariance is drawn towards the mean one, which counts as d + 2 passes; wide layers keep variances only.
    rng, n, weights = np.random.default_rng(d), 5, np.array([0.3, 0.3, 0.2, 0.1, 0.1])
    size = 640 if components > 4 else 60
    axis_scales = np.linspace(0.3, 2, d) * rng.uniform(0.5, 2, (n, 1))
    passes = rng.normal(size=(n, 1, d)) + rng.normal(size=(n, size, d)) * axis_scales[:, None]
    moments = Moments(n, d, size)
    for atoms in (np.arange(3), np.arange(3, 5)):
        moments.add(atoms, passes[atoms])
    decoder = next(each for each in gaussian_decoders(moments) if each.components == components)
    axes = np.eye(d) if d == 2 else decoder.axes
    parts = [passes @ axes]
    while len(parts) < components:
        parts = [half for part in parts for half in halves(part)]
    turned = np.concatenate(parts)
    spreads = np.stack([np.cov(each.T, bias=True) for each in turned])
    spreads = spreads if d == 2 else spreads * np.eye(d)
    share = size / components / (size / components + d + 2)
    spreads = share * spreads + (1 - share) * spreads.mean(0) + np.eye(d)
    atom = rng.integers(n, size=80)
    points = passes[atom, 0] + rng.normal(size=(80, d))
    laws = [multivariate_normal(each.mean(0), spread) for each, spread in zip(turned, spreads, strict=True)]
    logs = np.stack([law.logpdf(points @ axes) for law in laws], axis=1)
    logs = logsumexp(logs.reshape(80, components, n), axis=1)
    ratio = np.exp(logs[np.arange(80), atom] - logsumexp(logs, axis=1, b=weights))
    found = decoder.log_ratios(points, atom, weights[:, None])[:, 0]
    np.testing.assert_allclose(found, np.log((1 - 3e-4) * ratio + 3e-4), atol=2e-3)


def test_of_fresh_forms_the_one_counts_that_is_surely_the_largest():
    # One pass in 120 lies where the other atom is, deep in a tail: the decoder that knows of no such passes could, as
    # far as its spread tells, be the best and the worst; one that ignores a fiftieth of what it sees loses little.
    place = np.array([0.0, 20.0])[:, None, None]
    fresh = np.tile(place, (1, 60, 1))
    fresh[0, 17] = 20.0
    found = layer_information(np.tile(place, (1, 3, 1)), 1.0, fresh=fresh)
    assert found.lower_form == "smoothed" and 0.3 < found.bracket[0] < math.log(2)


@pytest.mark.parametrize("made", [True, False])
def test_a_heavy_atom_is_not_held_against_the_very_passes_that_its_points_lie_around(made, monkeypatch):
    # In ten dimensions passes are so far apart that those of one family tell all atoms, which overlap, from each other.
    monkeypatch.setattr("ib_core.estimators.layer.HEAVY_PASSES", 8 * 40)
    layer = gaussian(8, 10, beta=0.1, spread=0.5)
    truth = layer.truth(np.full(8, 1 / 8), np.zeros(8))[0]
    own = families(layer, 0, 80) if made else layer.passes(np.random.default_rng(1), 80)
    found = layer_information(layer.passes(np.random.default_rng(2), 5), layer.beta, own=own, target_stderr=0.02)
    assert found.lower.value < truth + 4 * found.lower.stderr < math.log(8) - 0.2
    assert found.upper.value > truth - 4 * found.upper.stderr


def test_errors_of_atoms_that_are_all_alike_are_alike_though_few_draws_of_one_may_agree():
    found = layer_information(
        corners(8)[:, None], 1.0, deterministic=True, target_stderr=10.0, max_draws=1, pointwise_draws=2, seed=1
    )
    spread = np.std(found.pointwise - hypercube_information(8, 1.0))
    assert 0.65 * spread < found.pointwise_stderr.min() and found.pointwise_stderr.mean() < 1.5 * spread


def test_of_one_draw_of_every_atom_neighbours_show_the_spread():
    found = layer_information(corners(12)[:, None], 1.0, target_stderr=10.0, max_draws=1)
    assert found.draws == 4096
    scores = np.abs(found.pointwise - hypercube_information(12, 1.0)) / found.pointwise_stderr
    assert (scores > 3).mean() < 0.003


def test_points_of_the_pilot_stand_for_all_atoms():
    # Of 3000 atoms it sees the heaviest, which stand for themselves, and some of the others, which stand for the rest.
    n = 3000
    heavy = np.where(np.arange(n) % 150 == 7, 0.5 / 20, 0.5 / (n - 20))
    laws = np.stack([np.full(n, 1 / n), heavy], axis=1)
    settings = dict(labelled=False, targets=np.full(2, 0.01), max_draws=1, pointwise_draws=2, seed=0, proven=False)
    layer = _layer(np.random.default_rng(0).normal(size=(n, 1, 1)), 1.0, laws, np.zeros(n, int), None, **settings)
    chosen = pilot_draws(layer, np.ones(n, int))
    points = layer.atoms.centres[chosen.atom, chosen.signal] + chosen.noise
    drawn = SimpleNamespace(points=points, atom=chosen.atom, log_own=np.zeros(len(points)))
    assert piloted(layer, drawn, []).share.sum(0) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(("correlation", "used"), [(0.6, False), (0.69, False), (0.71, True), (0.9, True)])
def test_a_control_is_used_from_a_correlation_of_seven_tenths_on(correlation, used, monkeypatch):
    rng, n, m = np.random.default_rng(0), 3, 400
    atom, laws = np.repeat(np.arange(n), m), np.full((n, 1), 1 / n)
    raw = rng.normal(size=(m, 2))
    control, noise = (np.tile(each, n)[:, None] for each in np.linalg.qr(raw - raw.mean(0))[0].T)
    value = 1.5 * (control + math.sqrt(1 / correlation**2 - 1) * noise)
    places = 10.0 * np.arange(n)[atom][:, None]  # means of atoms tell nothing of a slope
    monkeypatch.setattr(coarse_draws, "controls", lambda *_: np.tile(control, (5, 1, 1)))
    logs = Logs(np.zeros(len(atom)), places - value, None)
    drawn = SimpleNamespace(points=None, atom=atom, log_own=logs.own)
    pilot = Pilot(drawn, atom, logs, {"split": value + places}, laws[atom] / m)
    coarse = SimpleNamespace(mixture=lambda: None, means=lambda mixture, support: None)
    found = fitted_control(SimpleNamespace(laws=laws), coarse, None, pilot, np.array(["split"], object))
    if used:
        assert found.above[0] == pytest.approx(1.5) and found.below[0] == pytest.approx(1.5)
    else:
        assert found is None


def test_of_few_atoms_each_one_counts_itself_by_its_own_passes_alone():
    # Two atoms that are hardly told apart, so that the own one is half of the sum; with many passes of either kind all
    # of them are one law, and both ends its information.
    layer = neuron_chain(3, beta=0.5)
    truth = layer.truth(np.full(3, 1 / 3), np.zeros(3))[0]
    ends = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        passes, own = layer.passes(rng, 400), layer.passes(rng, 2000)
        found = layer_information(passes, layer.beta, own=own, target_stderr=3e-3, seed=seed)
        ends.append((found.lower.value, found.upper.value))
    error = np.std(ends, axis=0, ddof=1) / math.sqrt(6)
    assert (np.abs(np.mean(ends, axis=0) - truth) < 4 * error + 2e-3).all() and error.max() < 6e-3


def test_errors_count_the_pooled_passes_of_other_atoms():
    # Of each pair one atom stays, and every second pass of the other lies where that one is: whether the only pooled
    # pass does moves what the first atom knows by ln 2, of which a hundredth counts, for fifty pairs.
    place = 20.0 * np.repeat(np.arange(50), 2)

    def layer(rng, n_passes):
        away = (np.arange(100) % 2)[:, None] * (rng.random((100, n_passes)) < 0.5)
        return (place[:, None] + 10.0 * away)[..., None]

    laws, found = np.stack([np.full(100, 0.01), np.repeat([0.02, 0.0], 50)], axis=1), []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        passes, own = layer(rng, 1), layer(rng, 100)
        found.append(layer_information(passes, 1.0, own=own, weights=laws, max_draws=400, seed=seed))
    expected = 0.01 * math.sqrt(50) * math.log(2) / 2  # half the pairs with twice the weight differ by as much
    for ends in ([each.upper for each in found], [each.difference(1, 0) for each in found]):
        values, errors = (np.array([np.atleast_1d(part)[0] for part in parts]) for parts in zip(*ends, strict=True))
        assert values.std() == pytest.approx(expected, rel=0.5) and values.std() < 1.2 * errors.mean()


@pytest.mark.parametrize("form", ["split", "gaussian", "gaussian_2", "gaussian_4", "gaussian_8"])
def test_every_form_of_a_lower_end_is_one(form, monkeypatch):
    # Of three pooled passes the plug-in lies far above; no form may know the points that it is averaged over.
    monkeypatch.setattr(
        "ib_core.estimators.own_ends.choose",
        lambda piloted, decoders: np.array([form] * piloted.share.shape[1], object),
    )
    layer = neuron_chain(100)
    truth, ends = layer.truth(np.full(100, 0.01), np.zeros(100))[0], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        passes, own = layer.passes(rng, 3), layer.passes(rng, 200)
        found = layer_information(passes, layer.beta, own=own, target_stderr=0.01, seed=seed)
        assert found.lower_form == form
        ends.append((found.lower.value, found.plug_in.value))
    (lower, plug_in), errors = np.mean(ends, axis=0), np.std(ends, axis=0, ddof=1) / math.sqrt(12)
    assert lower < truth + 4 * errors[0] < plug_in - 4 * errors[1] and lower > 0.5 * truth


def arcs(n, spread, rng, n_passes):
    """Passes (n, n_passes, 2) along arcs of the unit circle, which are much longer than the noise is wide."""
    angle = np.linspace(0, math.pi, n)[:, None] + spread * rng.standard_normal((n, n_passes))
    return np.stack([np.cos(angle), np.sin(angle)], axis=2)


def arcs_information(n, spread, beta):
    """By quadrature over the plane and over each angle."""
    grid, noise = np.arange(-1 - 6 * beta, 1 + 6 * beta, beta / 2), np.linspace(-6, 6, 1001)
    share, densities = norm.pdf(noise) / norm.pdf(noise).sum(), []
    for middle in np.linspace(0, math.pi, n):
        angle = middle + spread * noise
        across, along = (norm.pdf(grid[:, None], each, beta) for each in (np.cos(angle), np.sin(angle)))
        densities.append((across * share) @ along.T)
    entropies = [-np.sum(xlogy(each, each)) * beta**2 / 4 for each in (np.mean(densities, axis=0), *densities)]
    return entropies[0] - np.mean(entropies[1:])


@pytest.mark.parametrize(("n", "spread", "beta"), [(32, 0.5, 0.02), (8, 0.6, 0.02)])
def test_passes_far_beyond_all_others_of_their_atom_cost_the_lower_end_little(n, spread, beta):
    # The last of two thousand passes lie many noises beyond the others, and pooled ones beyond them.
    truth, found = arcs_information(n, spread, beta), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        passes, own = arcs(n, spread, rng, 40), arcs(n, spread, rng, 2000)
        found.append(layer_information(passes, beta, own=own, target_stderr=0.01, seed=seed))
    assert all(each.bracket[0] < truth < each.bracket[1] for each in found)
    assert np.mean([each.lower.value for each in found]) > truth - 0.15
    assert max(each.lower.stderr for each in found) < 0.05


def test_the_error_of_the_best_end_is_widened_for_the_choice(monkeypatch):
    passes, fresh = passes_of(100, 20, 2, 1), passes_of(100, 4, 2, 2)
    widths = {}
    for width in (1.0, 1.01, None):
        if width:
            monkeypatch.setattr("ib_core.estimators.layer_ends.choice_width", lambda n, width=width: width)
        else:
            monkeypatch.undo()
        found = layer_information(passes, 0.5, fresh=fresh, max_draws=1)
        widths[width] = found.lower_form, found.lower.stderr
    assert widths[1.01] == (widths[1.0][0], pytest.approx(1.01 * widths[1.0][1]))
    assert widths[None] == (widths[1.0][0], pytest.approx(choice_width(3) * widths[1.0][1]))


def test_a_proven_upper_end_allows_for_all_that_bounded_differences_do():
    passes, fresh = passes_of(40, 5, 2, 1), passes_of(40, 6, 2, 2)
    found = layer_information(passes, 0.5, fresh=fresh, confidence="proven")
    deviation = passes_deviation_joint(np.full(40, 1 / 40), 5, norm.sf(3))
    assert 3 * found.upper.stderr > deviation and found.bracket[1] >= min(found.upper.value + deviation, math.log(40))


def test_the_mean_over_slices_has_the_error_of_students_law_and_of_every_slice():
    chosen = random_directions(5, 2, 4, seed=0)
    settings = dict(own=passes_of(30, 20, 5, 1), target_stderr=0.05, max_draws=500)
    found = mean_sliced_information(passes_of(30, 4, 5, 2), 0.3, chosen, **settings)
    widened = student.ppf(norm.cdf(3), 3) / 3
    for name in ("upper", "lower"):
        ends = [getattr(each, name) for each in found.slices]
        values, errors = (np.array(part) for part in zip(*ends, strict=True))
        mean, spread = values.sum() / 4, math.sqrt(np.square(values - values.sum() / 4).sum() / 3)
        assert getattr(found, name).value == pytest.approx(mean) and getattr(found, f"{name}_spread") == pytest.approx(
            spread
        )
        assert getattr(found, name).stderr == pytest.approx(math.hypot(widened * spread / 2, errors.mean()))
    assert len({each.upper.value for each in found.slices}) == 4
    # Draws of slices are independent, so that equal slices differ.
    twice = mean_sliced_information(passes_of(30, 4, 5, 2), 0.3, chosen[[0, 0]], **settings)
    assert twice.slices[0].upper.value != twice.slices[1].upper.value


def test_the_slides_weigh_every_signal_with_its_atom():
    # Two atoms far apart, of which one has nearly all the weight: all passes together have its entropy and a little.
    passes = np.array([[[0.0], [0.0]], [[1e3], [1e3]]])
    for unconditional in ("single", "pooled"):
        found = slides_information(passes, 1.0, weights=[0.9, 0.1], unconditional=unconditional)
        assert found.information.value == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1), abs=1e-6)


def test_pairwise_bounds_of_two_signals_are_their_closed_form():
    # At distance 1 and beta = 1: exp(-1/8) and exp(-1/2) of the other signal.
    low, high = pairwise_bounds(np.array([[[0.0]], [[1.0]]]), 1.0).information
    assert low == pytest.approx(-math.log((1 + math.exp(-1 / 8)) / 2), abs=1e-5)
    assert high == pytest.approx(-math.log((1 + math.exp(-1 / 2)) / 2), abs=1e-5)
