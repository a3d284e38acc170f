"""How many samples any estimator of h(P * phi) over P on [-1, 1]^d needs: exponentially many in d."""

import math

import numpy as np
from scipy.optimize import brentq

from ib_core.bounds.bias import bias_lower_bound, grid_error
from ib_core.bounds.checks import at_least_one, positive_noise
from ib_core.bounds.risk import LARGEST_EXPONENT, entropy_risk, exp
from ib_core.channels.amplitude import amplitude_capacity

LOG_ERROR = 4e-4  # of the logarithm of a number of samples


def sample_complexity_exponent(beta: float, slack: float = 0.0) -> float:
    """gamma(beta) = C_AWGN(beta) - slack **in bits**, C_AWGN the capacity of x -> x + N(0, beta^2) on |x| <= 1.

    The capacity enters at its certified lower end, so gamma is on the safe side.

    Args:
        slack: any positive number in the theorem; 0 gives the supremum of the exponents.

    Source: Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589, Theorem 1.
    """
    return amplitude_capacity(beta).value / math.log(2) - slack


def sample_complexity_rate(d: int, eta: float, beta: float, slack: float = 0.0) -> float:
    """2^{gamma d} / (eta d): any estimator with risk eta needs at least a constant times this many samples.

    The constant is not published; the theorem speaks of d >= d0(beta) and eta < eta0(beta), not published either. Use
    it to compare widths, never as a count.

    Source: arXiv:1810.11589, Theorem 1.
    """
    at_least_one(d=d)
    if not eta > 0:
        raise ValueError(f"eta must be positive, got {eta}")
    return exp(sample_complexity_exponent(beta, slack) * d * math.log(2)) / (eta * d)


def sample_complexity(d: int, eta: float, beta: float) -> float:
    """A count: up to this many samples the *plug-in* has a bias, hence a risk, of at least eta for some P; 1 if none.

    max over eps of k*^{d(1-eps)} exp(-H_b(eps) - eta), at the best of the grids of k* points per axis.

    Source: `bias_lower_bound`, arXiv:1810.11589, Theorem 4, solved for n.
    """
    positive_noise(beta)
    at_least_one(d=d)
    if not eta > 0:
        raise ValueError(f"eta must be positive, got {eta}")
    largest = 0.0  # ln 1
    # The smallest eps at which k points per axis fit; more than 1 + 8 / beta of them never decode well.
    for k in np.unique(np.floor(np.geomspace(2, 2 + 8 / beta, 200))):
        epsilon = grid_error(k, d, beta) * (1 + 1e-9)
        epsilon = max(epsilon, 1e-12)
        if epsilon < 0.5:
            largest = max(largest, bias_lower_bound(1, d, beta, float(epsilon)) - eta)
    return exp(largest)


def samples_enough(d: int, eta: float, beta: float) -> float:
    """A count: from this many samples on, the plug-in has a risk of at most eta for every law on [-1, 1]^d.

    Source: `entropy_risk`, solved for n within a factor 1.001; it falls from n = 4 on.
    """
    positive_noise(beta)
    at_least_one(d=d)
    if not eta > 0:
        raise ValueError(f"eta must be positive, got {eta}")

    def excess(log_n: float) -> float:
        return entropy_risk(math.ceil(math.exp(log_n)), d, beta) - eta

    high = math.log(4)
    if excess(high) <= 0:
        return 4.0
    while excess(high + 1) > 0:
        high += 1
        if high > LARGEST_EXPONENT:
            return math.inf
    # brentq may stop on either side of the root.
    return math.exp(brentq(excess, high, high + 1, xtol=LOG_ERROR) + LOG_ERROR)
