"""The largest total variation at a given KL divergence, exactly: Vajda's tight lower bound, turned round."""

import math

from scipy.optimize import brentq

from ib_core.bounds.checks import non_negative

SMALL = 1e-3  # below, the series is exact within 4e-15; above, the parametrisation loses no digit that counts
LARGE = 36.0  # above, 1 - eps* < e^-kappa is less than the spacing of numbers at 1
UPWARDS = 1 + 2e-13  # several times what both are wrong by


def tv_from_kl(kappa: float) -> float:
    """eps*(kappa) = max{ p - q : d(p || q) <= kappa }, the largest TV(P, P') at D(P' || P) = kappa nats.

    d is the binary divergence p ln(p/q) + (1-p) ln((1-p)/(1-q)). At kappa = .5, 1, 2 it is .4856, .6644, .8652, where
    the smaller of Pinsker's sqrt(kappa / 2) and Bretagnolle and Huber's sqrt(1 - e^-kappa) is .5, .7071, .9299.

    Args:
        kappa: nats, at least 0; infinite gives 1.

    Returns:
        eps* within 1e-12, rounded so that it is not below it.

    Raises:
        ValueError: kappa is negative or NaN.

    Source: data processing to the event {dP' > dP} gives d(P'(event) || P(event)) <= kappa with the TV as the
    difference; laws on two atoms attain it. With t > 0, Fedotov, Harremoes and Topsoe, IEEE Trans. Inform. Theory 49
    (2003) 1491, write 2 eps = t (1 - (coth t - 1/t)^2) and kappa = ln(t / sinh t) + t coth t - (t / sinh t)^2; from
    the same, kappa >= V^2/2 + V^4/36 + V^6/270 + 221 V^8/340200 with V = 2 eps.
    """
    non_negative(kappa=kappa)
    if kappa == 0 or kappa >= LARGE:
        return float(kappa > 0)
    if kappa < SMALL:
        # In units of Pinsker's V^2 = 2 kappa, so that nothing underflows.
        square = brentq(lambda y: y * _series(2 * kappa * y) - 1, 0.5, 1.0, xtol=1e-15)
        return math.sqrt(kappa) * math.sqrt(square / 2) * UPWARDS
    t = math.exp(brentq(lambda log_t: _curve(math.exp(log_t))[1] - kappa, math.log(0.01), LARGE, xtol=1e-14))
    return min(_curve(t)[0] * UPWARDS, 1.0)


def _series(square: float) -> float:
    """2 kappa / V^2 as far as the series goes, at V^2."""
    return 1 + square * (1 / 18 + square * (1 / 135 + square * 221 / 170100))


def _curve(t: float) -> tuple[float, float]:
    """eps and kappa at t > 0, without overflow."""
    decay = math.exp(-2 * t)
    beyond_one = 2 * decay / -math.expm1(-2 * t)  # coth t - 1
    epsilon = (1 - t * beyond_one) * (2 - 1 / t + beyond_one) / 2
    log_ratio = math.log(2 * t) - math.log(-math.expm1(-2 * t))  # ln(t / sinh t) + t
    return epsilon, log_ratio + t * beyond_one - 4 * t**2 * decay / math.expm1(-2 * t) ** 2
