"""What is a number, an array and a law, and what is refused in one line."""

import math

import numpy as np
import pytest
import torch

from ib_core.channels import attribution
from ib_core.channels import finite as finite_channel
from ib_core.checks import finite_array, integer_array, law_columns, one_law, positive
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.laws import coupling
from ib_core.laws.input_law import InputLaw
from ib_core.worst_case.search import largest_information, smallest_information

VALUES = [[0.5, -1.25], [3.0, 0.0]]
FORMS = {
    "list": VALUES,
    "tuple of arrays": tuple(np.array(row) for row in VALUES),
    "list of tensors": [torch.tensor(row, dtype=torch.bfloat16) for row in VALUES],
    "float16": np.array(VALUES, np.float16),
    "long double": np.array(VALUES, np.longdouble),
    "big endian": np.array(VALUES, ">f4"),
    "fortran": np.asfortranarray(VALUES),
    "masked, nothing hidden": np.ma.array(VALUES, mask=False),
    "bfloat16": torch.tensor(VALUES, dtype=torch.bfloat16),
    "half": torch.tensor(VALUES, dtype=torch.float16),
    "requires grad": torch.tensor(VALUES, requires_grad=True),
    "parameter": torch.nn.Parameter(torch.tensor(VALUES)),
    "transposed tensor": torch.tensor(VALUES, dtype=torch.float64).T.contiguous().T,
    "negated view": torch.complex(torch.zeros(2, 2), -torch.tensor(VALUES)).conj().imag,
    "sparse": torch.tensor(VALUES).to_sparse(),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_float64_holds_exactly_is_taken_in_every_form(form):
    found = finite_array(FORMS[form], "values", "(n, d)")
    assert found.dtype == np.float64 and type(found) is np.ndarray
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64, np.int64, bool])
def test_integers_are_taken(dtype):
    np.testing.assert_array_equal(finite_array(np.array([0, 1, 1], dtype), "values", "(n)"), [0.0, 1.0, 1.0])
    assert finite_array(np.array([2**53], np.uint64), "values", "(n)")[0] == 2**53


REFUSED = {
    "complex": np.array([1 + 1j]),
    "complex tensor": torch.tensor([1j]),
    "objects": np.array([1.0, None], object),
    "text": ["1", "2"],
    "dates": np.array(["2020-01-01"], "datetime64[D]"),
    "ragged": [[1.0], [1.0, 2.0]],
    "nothing": None,
    "more digits than float64": np.array([2**53 + 1]),
    "unsigned past 2^63": np.array([2**64 - 1], np.uint64),
    "python integers without end": [10**30],
    "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
    "NaN": [1.0, math.nan],
    "infinite": torch.tensor([math.inf], dtype=torch.bfloat16),
    "empty": [],
    "empty tensor": torch.empty(0, 3),
    "a number": 1.0,
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_array_of_numbers_is_refused_in_one_line(form):
    with pytest.raises(ValueError, match=r"^values must") as error:
        finite_array(REFUSED[form], "values", "(n)")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("number", [0, -1.0, math.nan, math.inf, None, "0.1", [1.0, 2.0], 1j, 10**400])
def test_what_is_no_positive_number_is_refused_in_one_line(number):
    with pytest.raises(ValueError, match=r"^beta must be positive and finite, got"):
        positive(number, "beta")
    assert positive(np.float32(0.5), "beta") == positive(torch.tensor(0.5), "beta") == 0.5


NO_LAWS = [[0.5, math.nan], [math.nan, math.nan], [1.5, -0.5], [0.5, 0.4], [math.inf, 0.0], [1.0]]


@pytest.mark.parametrize("weights", NO_LAWS)
def test_what_is_no_law_is_refused_everywhere(weights):
    weights, uniform = np.array(weights), np.full(2, 0.5)
    passes = np.array([[[0.0]], [[1.0]]])
    calls = [
        lambda: InputLaw(np.zeros((2, 1)), weights, np.zeros(2, int)),
        lambda: InputLaw(np.zeros((2, 1)), uniform, np.zeros(2, int)).reweighted(weights),
        lambda: finite_channel.information(np.eye(2), weights),
        lambda: largest_information(np.eye(2), weights, 0.1, "tv"),
        lambda: smallest_information(np.eye(2), weights, 0.1, "kl"),
        lambda: attribution.parts(uniform, weights),
        lambda: attribution.first_order(np.zeros(2), weights, uniform),
        lambda: coupling.steps(passes, passes, weights),
        lambda: layer_information(passes, 0.1, weights=weights),
        lambda: smoothed_entropy(passes[:, 0], 0.1, weights=weights),
    ]
    for call in calls:
        with pytest.raises(ValueError) as error:
            call()
        assert "\n" not in str(error.value)


def test_a_law_sums_to_1_but_for_a_billionth():
    for off in (5e-10, -5e-10):
        assert one_law([0.5, 0.5 + off], "w", "(n)").sum() == law_columns([0.5, 0.5 + off], 2).sum() == 1 + off
    for off in (2e-9, -2e-9):
        for check in (lambda w: one_law(w, "w", "(n)"), lambda w: law_columns(w, 2)):
            with pytest.raises(ValueError, match="sum"):
                check([0.5, 0.5 + off])


def test_a_channel_with_a_column_that_is_no_law_is_refused():
    for column in ([math.nan, 1.0], [0.5, 0.4], [1.5, -0.5]):
        channel = np.column_stack([column, [0.5, 0.5]])
        with pytest.raises(ValueError, match="channel"):
            finite_channel.information(channel, np.full(2, 0.5))


def test_laws_are_taken_in_every_form():
    for weights in ([0.25, 0.75], torch.tensor([0.25, 0.75], dtype=torch.bfloat16), np.array([0.25, 0.75], np.float16)):
        assert (law_columns(weights, 2)[:, 0] == [0.25, 0.75]).all() and one_law(weights, "w", "(n)").sum() == 1
        law = InputLaw([[0], [1]], weights, [0.0, 1.0])
        assert law.weights.dtype == law.atoms.dtype == np.float64 and law.labels.dtype == np.int64
        value = smoothed_entropy([[0.0], [1.0]], 0.5, weights=weights).value
        assert value == smoothed_entropy(np.array([[0.0], [1.0]]), 0.5, weights=np.array([0.25, 0.75])).value
    for labels in ([0, -1], [0.5, 1], [math.nan, 0], ["a", "b"], [0]):
        with pytest.raises(ValueError, match="labels"):
            InputLaw(np.zeros((2, 1)), np.full(2, 0.5), labels)
    with pytest.raises(ValueError, match="atoms must be finite"):
        InputLaw(np.array([[0.0], [math.nan]]), np.full(2, 0.5), np.zeros(2, int))
    assert integer_array(np.array([3, 4], np.uint8), "labels", "(n)").dtype == np.int64
