"""The capacity of the amplitude-limited channel: attained, certified, and as published."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from ib_core.awgn import amplitude_capacity
from ib_core.bounds import capacity
from ib_core.closed_forms import binary_input_information, finite_input_information


# THEORY section 5, from the Reed-Muller check of arXiv:1810.11589: two points are optimal for 1/beta <= 1.665.
@pytest.mark.parametrize(
    ("beta", "published"), [(0.75, 0.472486), (1, 0.336831), (1.5, 0.182895), (2, 0.111421), (3, 0.052672)]
)
def test_two_points_are_optimal_in_strong_noise(beta, published):
    found = amplitude_capacity(beta)
    assert sorted(found.points) == pytest.approx([-1, 1])
    assert found.value == pytest.approx(published, abs=1e-6)
    assert found.upper - found.value < 1e-6


@pytest.mark.parametrize(("amplitude", "points"), [(1.664, 2), (1.67, 3), (2.78, 3), (3.0, 4)])
def test_points_appear_where_the_amplitude_allows_them(amplitude, points):
    assert len(amplitude_capacity(1 / amplitude, 1e-9).points) == points


@pytest.mark.parametrize("beta", [0.7, 0.5, 0.25, 0.1])
def test_the_capacity_is_certified_to_a_millionth(beta):
    found = amplitude_capacity(beta)
    assert 0 <= found.upper - found.value < 1e-6
    assert finite_input_information(found.points, beta, found.weights) == pytest.approx(found.value, abs=1e-9)
    assert max(0, binary_input_information(beta)) < found.value <= capacity(1, beta)


def test_the_certificate_agrees_with_adaptive_quadrature():
    found = amplitude_capacity(0.4)

    def density(y, x):
        return math.exp(-0.5 * ((y - x) / 0.4) ** 2) / (0.4 * math.sqrt(2 * math.pi))

    def pointwise(x):
        def integrand(y):
            p = sum(w * density(y, s) for s, w in zip(found.points, found.weights, strict=True))
            return density(y, x) * math.log(density(y, x) / p)

        return quad(integrand, x - 4, x + 4, epsabs=1e-12, limit=200)[0]

    assert max(pointwise(x) for x in np.linspace(-1, 1, 21)) == pytest.approx(found.upper, abs=1e-7)


def test_weak_noise_keeps_an_interval_below_the_cap():
    found = amplitude_capacity(0.01)
    assert found.value < capacity(1, 0.01) and found.value < found.upper < found.value + 0.01


@pytest.mark.parametrize("beta", [0.0, 0.001, math.nan])
def test_noise_too_weak_for_the_grid_is_refused(beta):
    with pytest.raises(ValueError, match="beta"):
        amplitude_capacity(beta)
