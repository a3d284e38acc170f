"""Two numbers with their errors, and members that are found by name."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from ib_core.estimate import Estimate, independent_difference, interval, mean_of_few
from ib_core.networks.activation import ACTIVATIONS


def test_an_interval_is_three_standard_errors_wide_on_either_side():
    assert interval(Estimate(1.0, 0.25)) == (0.25, 1.75) and interval(Estimate(1.0, 0.25), 1.0) == (0.75, 1.25)


def test_variances_of_independent_estimates_add():
    assert independent_difference(Estimate(1.0, 3.0), Estimate(0.5, 4.0)) == (0.5, 5.0)
    found = independent_difference(*(Estimate(np.array([value, 0.0]), np.array([0.3, 1.0])) for value in (2.0, 1.0)))
    assert found.value.tolist() == [1.0, 0.0] and found.stderr == pytest.approx(np.sqrt([0.18, 2.0]))


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_mean_of_few_has_the_interval_of_a_t_test(confidence):
    values = np.array([0.2, 1.7, 0.9, 1.1])
    middle, half = mean_of_few(values, confidence)
    assert (middle - half, middle + half) == pytest.approx(ttest_1samp(values, 0).confidence_interval(confidence))
    assert mean_of_few(values[:1]) == (0.2, np.inf)


def test_a_member_is_a_file_of_its_room_or_an_attribute_of_a_module():
    assert {"relu", "tanh"} < set(ACTIVATIONS.names)
    assert ACTIVATIONS.place("relu") == ("ib_core.networks.activations.relu", "relu")
    for own in ("ib_core.networks.activations.tanh.tanh", "ib_core.networks.activations.tanh:tanh"):
        assert ACTIVATIONS.find(own) is ACTIVATIONS.find("tanh")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("gelu", KeyError, "one of leaky_relu, .*, tanh, or module:name of your own, got 'gelu'"),
        ("no_module_of_mine.gelu", KeyError, "on PYTHONPATH that can be imported, got 'no_module_of_mine.gelu'"),
        ("math.gelu", KeyError, "math has no 'gelu'"),
        ("math:sinn", KeyError, "math has no 'sinn' .did you mean sin"),
        ("math.pi", TypeError, "the name of one Activation, got 'math.pi', a float"),
    ],
)
def test_what_is_no_member_is_refused(name, kind, message):
    with pytest.raises(kind, match=message):
        ACTIVATIONS.find(name)
