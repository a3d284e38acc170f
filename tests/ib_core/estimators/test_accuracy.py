"""The accuracy of a noisy read-out, with an error that counts what was not seen."""

import numpy as np
import pytest

from ib_core.estimators.accuracy import accuracy


@pytest.mark.parametrize("weights", [[0.25] * 4, [0.9, 0.05, 0.03, 0.02]])
@pytest.mark.parametrize("right", [0.98, 0.6])
def test_three_errors_hold_the_truth_also_where_all_passes_agree(weights, right):
    rng, weights = np.random.default_rng(0), np.array(weights)
    missed = 0
    for _ in range(400):
        found = accuracy(rng.binomial(16, right, size=4) / 16, weights, 16)
        missed += abs(found.value - right) > 3 * found.stderr
    assert missed <= 8  # of 400; with c (1 - c) instead more than a hundred are missed at .98


def test_passes_that_all_agree_have_an_error():
    found = accuracy(np.ones(3), np.full(3, 1 / 3), 16)
    assert found.value == 1 and found.stderr > 0
