"""Arrays alone: what they are is read off their shape."""

import numpy as np
import pytest
import torch

import ibshift
from ib_core.channels.closed_forms import finite_input_information
from ib_core.estimators.sample_propagation import layer_information

VALUES = np.array([-1.0, -0.4, 0.3, 1.0])


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, np.ndarray.tolist])
def test_rows_are_functions_of_the_input_and_have_the_information_of_quadrature(kind):
    found = ibshift.information(kind(VALUES[:, None]), beta=0.4, target_stderr=1e-3)
    truth = finite_input_information(VALUES, 0.4)
    assert found.bracket[0] <= truth <= found.bracket[1] <= found.bracket[0] + 0.05


def test_passes_are_enclosed_with_further_ones_and_bounded_without():
    rng, noise = np.random.default_rng(0), 0.3
    # Each pass has noise of its own before that of the layer: together they are one noise of variance .3^2 + .4^2.
    passes, own = np.split(VALUES[:, None, None] + noise * rng.standard_normal((4, 840, 1)), [40], axis=1)
    truth = finite_input_information(VALUES, 0.5)
    found = ibshift.information(passes, 0.4, own=own, seed=3)
    assert found.bracket[0] <= truth <= found.bracket[1] <= found.bracket[0] + 0.2
    alone = ibshift.information(passes, 0.4)
    assert alone.lower is None and alone.bracket[0] == 0 and truth <= alone.bracket[1]
    assert ibshift.information(passes, 0.4, fresh=own[:, :40]).bracket[0] <= truth


def test_the_arguments_are_those_of_the_estimator():
    weights, labels = np.array([[0.1, 0.2, 0.3, 0.4], [0.25] * 4]).T, [0, 0, 1, 1]
    options = {"weights": weights, "labels": labels, "seed": 5, "target_stderr": 0.1, "max_draws": 500}
    found = ibshift.information(VALUES[:, None], 0.4, **options)
    truth = layer_information(VALUES[:, None, None], 0.4, deterministic=True, **options)
    assert np.array_equal(found.bracket, truth.bracket) and np.array_equal(found.label_bracket, truth.label_bracket)
    assert found.change_bracket(0, 1) == truth.change_bracket(0, 1) and found.draws == truth.draws


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"signals must have shape \(N, d\) or \(N, n_x, d\), got"):
        ibshift.information(np.zeros(shape), 0.1)
