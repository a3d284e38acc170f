"""Training under a shift: an epoch sees inputs that depend on (seed, epoch) alone, in the shares that are asked for."""

import numpy as np
import pytest

from ib_core.laws.family import shifted
from ib_core.laws.input_law import InputLaw
from ib_core.networks.deformation import VERSIONS, Deformation, even_draws

RNG = np.random.default_rng(0)
LAW = InputLaw(RNG.normal(size=(600, 4)), np.full(600, 1 / 600), np.arange(600) % 3)
IMAGES = InputLaw(RNG.random((50, 16)), np.full(50, 1 / 50), np.arange(50) % 2, (4, 4))


def deformed(law=LAW, family="gaussian_displacement", size=0.05, share=0.5, seed=0, **parameters):
    return Deformation(law, family, size, share, seed, parameters)


def test_a_share_of_the_inputs_is_seen_where_the_family_moves_them():
    atoms, classes = deformed(share=0.3).points(5)
    moved = (atoms != LAW.atoms).any(1)
    assert abs(moved.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 600) and (classes == LAW.labels).all()
    steps = (atoms - LAW.atoms)[moved]
    assert np.sqrt((steps**2).sum(1).mean()) == pytest.approx(0.05, rel=0.1)
    all_of_them, _ = deformed(IMAGES, "rotation", 30.0, share=1.0).points(1)
    np.testing.assert_array_equal(all_of_them, shifted("rotation", IMAGES, 30.0).law.atoms)


def test_epochs_depend_on_seed_and_number_alone():
    first, again = deformed(), deformed()
    for epoch in (3, 1, 3):  # in any order, as after a kill
        np.testing.assert_array_equal(first.points(epoch)[0], again.points(epoch)[0])
    assert (first.points(1)[0] != first.points(2)[0]).any() and (
        first.points(1)[0] != deformed(seed=1).points(1)[0]
    ).any()


def test_a_family_draws_anew_unless_its_seed_is_given():
    drawn, fixed = deformed(share=1.0), deformed(share=1.0, seed=0)
    assert (drawn.points(1)[0] != drawn.points(2)[0]).any()
    np.testing.assert_array_equal(drawn.points(1)[0], drawn.points(1 + VERSIONS)[0])
    fixed = Deformation(LAW, "gaussian_displacement", 0.05, 1.0, 0, {"seed": 7})
    np.testing.assert_array_equal(fixed.points(1)[0], shifted("gaussian_displacement", LAW, 0.05, seed=7).law.atoms)
    np.testing.assert_array_equal(fixed.points(1)[0], fixed.points(2)[0])


def test_inputs_are_drawn_from_the_mixture_where_the_family_reweights():
    share = 0.6
    wanted = (1 - share) * LAW.weights + share * shifted("class_prior", LAW, 0.2, label=1).law.weights
    drawn = deformed(family="class_prior", size=0.2, share=share, label=1)
    counts, rows = np.zeros(600), {tuple(x): k for k, x in enumerate(LAW.atoms)}
    for epoch in range(1, 201):
        atoms, classes = drawn.points(epoch)
        assert (classes == LAW.labels[[rows[tuple(x)] for x in atoms]]).all()
        np.add.at(counts, [rows[tuple(x)] for x in atoms], 1)
    np.testing.assert_allclose(counts / 200, 600 * wanted, atol=5 * 0.5 / np.sqrt(200))
    assert counts[LAW.labels == 1].sum() / 200 / 600 == pytest.approx(wanted[LAW.labels == 1].sum(), abs=2e-3)


def test_even_draws_of_a_uniform_law_are_a_permutation_and_others_round():
    np.testing.assert_array_equal(even_draws(np.full(7, 1 / 7), 0.999999), np.arange(7))
    weights = RNG.dirichlet(np.full(50, 0.3))
    for offset in (0.0, 0.4, 0.999):
        count = np.bincount(even_draws(weights, offset), minlength=50)
        assert count.sum() == 50 and (np.abs(count - 50 * weights) < 1).all()


def test_a_family_that_sees_the_network_is_refused():
    with pytest.raises(ValueError, match="must not see the network, got adversarial"):
        deformed(family="adversarial")
