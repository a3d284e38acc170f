"""The capacity of the amplitude-limited channel: attained, certified, and as published."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import ndtr

from ib_core.bounds import capacity
from ib_core.channels.amplitude import amplitude_capacity
from ib_core.channels.closed_forms import binary_input_information, finite_input_information


# THEORY section 5, from the Reed-Muller check of arXiv:1810.11589: two points are optimal for 1/beta <= 1.665.
@pytest.mark.parametrize(
    ("beta", "published"), [(0.75, 0.472486), (1, 0.336831), (1.5, 0.182895), (2, 0.111421), (3, 0.052672)]
)
def test_two_points_are_optimal_in_strong_noise(beta, published):
    found = amplitude_capacity(beta)
    assert sorted(found.points) == pytest.approx([-1, 1])
    assert found.value == pytest.approx(published, abs=1e-6)
    assert found.upper - found.value < 1e-6


# Published: the least Eb/N0 in dB at which codes of a rate can work on the channel with two inputs, to the three digits
# that the coding literature prints. All have A = sqrt(2 rate Eb/N0) < 1.665.
@pytest.mark.parametrize(
    ("rate", "decibel"),
    [(1 / 4, -0.794), (1 / 3, -0.495), (1 / 2, 0.187), (2 / 3, 1.059), (3 / 4, 1.626), (4 / 5, 2.040)],
)
def test_rates_have_their_published_signal_to_noise_ratio(rate, decibel):
    amplitude = math.sqrt(2 * rate * 10 ** (decibel / 10))
    assert amplitude_capacity(1 / amplitude).value / math.log(2) == pytest.approx(rate, abs=1e-4)


def output_density(amplitude, weights, step=1 / 32):
    """A grid of outputs and p(y) for inputs at -A, 0, A with these weights."""
    y = np.arange(-amplitude - 9, amplitude + 9, step)
    points = np.array([-amplitude, 0.0, amplitude])
    return y, np.exp(-0.5 * (y[:, None] - points) ** 2) @ weights / math.sqrt(2 * math.pi)


def pointwise_at(x, y, p, hermite=0):
    """i(x) up to a constant, or its second derivative, by a trapezoid rule."""
    phi = np.exp(-0.5 * (y - x) ** 2) / math.sqrt(2 * math.pi)
    factor = (y - x) ** 2 - 1 if hermite else 1.0
    return -float((phi * factor * np.log(p)).sum()) * (y[1] - y[0])


def ternary(amplitude):
    """The weights at -A, 0, A for which i(0) = i(A)."""

    def excess(w):
        y, p = output_density(amplitude, np.array([w, 1 - 2 * w, w]))
        return pointwise_at(0.0, y, p) - pointwise_at(amplitude, y, p)

    w = brentq(excess, 0.05, 0.4999, xtol=1e-14)
    return np.array([w, 1 - 2 * w, w])


# Published: two points up to A = 1.665 (Smith 1971) or 1.671 (Sharma and Shamai, IEEE Trans. IT 56, 2010), three up to
# 2.786 (there). Derived here, by conditions of Kuhn and Tucker on grids that resolve 1e-12: 1.6659 and 2.9075. For
# three points we contradict the printed value, and show at 2.85 that three are still optimal.
def test_two_points_end_where_the_centre_comes_level():
    def excess(amplitude):
        y, p = output_density(amplitude, np.array([0.5, 0.0, 0.5]))
        return pointwise_at(0.0, y, p) - pointwise_at(amplitude, y, p)

    end = brentq(excess, 1.2, 2.2, xtol=1e-10)
    assert end == pytest.approx(1.665, abs=0.001) and end == pytest.approx(1.671, abs=0.006)
    assert len(amplitude_capacity(1 / (end - 0.002), 1e-9).points) == 2
    assert len(amplitude_capacity(1 / (end + 0.004), 1e-9).points) == 3


def test_three_points_end_where_the_centre_splits():
    def bend(amplitude):
        return pointwise_at(0.0, *output_density(amplitude, ternary(amplitude)), hermite=2)

    end = brentq(bend, 2.5, 3.2, xtol=1e-8)
    assert end == pytest.approx(2.9075, abs=1e-3)
    y, p = output_density(2.85, ternary(2.85))
    i = [pointwise_at(x, y, p) for x in np.linspace(0, 2.85, 400)]
    assert max(i) - i[0] < 1e-12  # no input beats the three points: they are optimal beyond 2.786
    assert len(amplitude_capacity(1 / (end - 0.03), 1e-9).points) == 3
    assert len(amplitude_capacity(1 / (end + 0.09), 1e-9).points) == 4


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0, 20.0])
def test_the_capacity_agrees_with_published_bounds(amplitude):
    """Thangaraj, Kramer and Boecherer, arXiv:1511.08742: an upper bound within .1 bits of capacity at every SNR; Dytso,
    Yagli, Poor and Shamai, arXiv:1901.03264: at least sqrt(1 + 2 A^2 / (pi e)) points."""
    found = amplitude_capacity(1 / amplitude)
    ratio = 2 * amplitude / math.sqrt(2 * math.pi * math.e)
    inside = 0.5 - ndtr(-2 * amplitude)
    refined = inside * math.log(ratio) - inside * math.log(inside) - (1 - inside) * math.log(1 - inside)
    peak = refined if amplitude <= 2.0662 else math.log1p(ratio)  # 6.303 dB; above it McKellips' bound
    bound = min(peak, 0.5 * math.log1p(amplitude**2))
    assert found.upper <= bound + 1e-6 and bound - found.value < 0.1 * math.log(2)
    assert len(found.points) >= math.sqrt(1 + 2 * amplitude**2 / (math.pi * math.e))


def test_at_low_snr_the_capacity_is_half_the_power():
    # Shannon's bound ln(1 + A^2) / 2 from above; A^2 / 2 - A^4 / 4 + A^6 / 6 is the sign's information to that order.
    for amplitude in (0.02, 0.05, 0.1):
        assert amplitude_capacity(1 / amplitude).value == pytest.approx(
            amplitude**2 / 2 - amplitude**4 / 4, abs=amplitude**6 / 4
        )


@pytest.mark.parametrize("beta", [0.7, 0.5, 0.25, 0.1])
def test_the_capacity_is_certified_to_a_millionth(beta):
    found = amplitude_capacity(beta)
    assert 0 <= found.upper - found.value < 1e-6
    assert finite_input_information(found.points, beta, found.weights) == pytest.approx(found.value, abs=1e-9)
    assert max(0, binary_input_information(beta) - 1e-12) < found.value <= capacity(1, beta)


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
