"""What an input law is, and what it refuses to be."""

import numpy as np
import pytest

from ib_core.laws.input_law import InputLaw

ATOMS = np.arange(24.0).reshape(2, 12)


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4), [12], np.array([3, 2, 2])])
def test_the_shape_of_an_atom_stays_with_the_law(shape):
    law = InputLaw(ATOMS, [0.5, 0.5], [0, 1], shape)
    assert law.shape == tuple(shape) and all(type(side) is int for side in law.shape)
    assert law.reweighted([0.25, 0.75]).shape == law.moved(ATOMS + 1).shape == law.shape
    assert InputLaw(ATOMS, [0.5, 0.5], [0, 1]).moved(ATOMS).shape is None


@pytest.mark.parametrize("shape", [(3, 5), (-3, -4), (), (0, 12), (2.5, 4.8), 12])
def test_a_shape_that_is_not_one_of_its_atoms_is_refused(shape):
    with pytest.raises(ValueError, match="shape must"):
        InputLaw(ATOMS, [0.5, 0.5], [0, 1], shape)
