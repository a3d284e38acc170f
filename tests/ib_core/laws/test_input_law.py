"""What an input law is, and what it refuses to be."""

import numpy as np
import pytest

from ib_core.laws.input_law import InputLaw, places

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


@pytest.mark.parametrize("values", [(0.0, 1.0), (1.0, 1.5), (-0.0, 0.0, 2.0**-40), tuple(np.arange(9) / 255)])
def test_equal_rows_have_one_place_numbered_as_they_come(values, monkeypatch):
    rng = np.random.default_rng(0)
    for d in (1, 3, 900):
        rows = rng.choice(values, (40, d))
        rows = rows[rng.integers(40, size=200)]
        numbers = {}
        expected = [numbers.setdefault(tuple(row + 0.0), len(numbers)) for row in rows]
        first, second = places(rows[:150], rows[150:])
        assert [*first, *second] == expected
    # Different rows with the same key are sorted out.
    monkeypatch.setattr("ib_core.laws.input_law._keys", lambda rows: np.zeros(len(rows), np.uint64))
    first, second = places(rows[:150], rows[150:])
    assert [*first, *second] == expected
