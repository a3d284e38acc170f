"""How far the plug-in estimate is from the truth in expectation: the printed constants, and sharper explicit ones.

The plug-in entropy is h(P_n * phi) with n signals drawn from P, at noise N(0, beta^2 I_d); all in nats.
"""

import math
from collections.abc import Sequence

import numpy as np

from ib_core.bounds.capacity import capacity
from ib_core.bounds.checks import at_least_one, non_negative, positive_noise
from ib_core.bounds.reweighting import binary_entropy

LARGEST_EXPONENT = 700.0


def exp(exponent: float) -> float:
    """e^x, infinite where float64 ends: a bound as large says nothing, and must not stop the others."""
    return math.exp(exponent) if exponent < LARGEST_EXPONENT else math.inf


def entropy_bias(
    n: int, d: int, beta: float, half_width: float | Sequence[float] = 1.0, n_atoms: int | None = None
) -> float:
    """0 <= h(P * phi) - E h(P_n * phi) <= ln(1 + (A^d - 1) / n) for any P on [-r, r]^d and any n.

    A = 1 + sqrt(2/pi) r / beta; for half widths r_j the product of their A; for N atoms at most N.

    Args:
        half_width: r, or r_1..r_d; infinite without a bound, where N atoms can still give one.
        n_atoms: size of the support of P, when finite.

    Source: bias = E D(P_n * phi || P * phi) <= ln(1 + E chi^2), and E chi^2 = (1/n)(int E[phi(t-S)^2] / E[phi(t-S)] dt
    - 1), where the ratio is at most sup_s phi(t - s), and at most sum_j phi(t - s_j) for atoms.
    """
    at_least_one(n=n, d=d)
    log_a = log_covering(d, beta, half_width)
    if n_atoms is not None:
        at_least_one(n_atoms=n_atoms)
        log_a = min(log_a, math.log(n_atoms))
    # ln(1 + (e^a - 1)/n) without overflow.
    return float(np.logaddexp(0, log_a + math.log(-math.expm1(-log_a) / n))) if log_a > 0 else 0.0


def entropy_spread(n: int) -> float:
    """Standard deviation of h(P_n * phi): at most (sqrt(n) / 2) H_b(1/n), for any P and any noise.

    Source: one sample moves the entropy by at most H_b(1/n) (mixture decomposition); Efron and Stein (McDiarmid).
    """
    at_least_one(n=n)
    # For n = 1 the whole law is one sample, whose entropy is that of the noise.
    return 0.5 * math.sqrt(n) * float(binary_entropy(1 / n))


def entropy_risk(n: int, d: int, beta: float, half_width: float | Sequence[float] = 1.0) -> float:
    """E|h(P_n * phi) - h(P * phi)| <= bias + spread, explicit for every n: 3.4e-4 at beta = 1, n = 1e9, d = 10.

    Source: `entropy_bias` and `entropy_spread`.
    """
    return entropy_bias(n, d, beta, half_width) + entropy_spread(n)


def risk_bounded_printed(n: int, d: int, beta: float, epsilon: float = 0.0) -> float:
    """The same risk over laws on [-1, 1]^d as published, for n large enough (how large is not printed).

    Table I of the source has .869 at beta = 1, n = 1e9, d = 10; it is reproduced to 1 % as epsilon -> 0.

    Source: Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589, Theorem 2, eq. (52).
    """
    positive_noise(beta)
    at_least_one(d=d)
    non_negative(epsilon=epsilon)
    if n < 2:
        raise ValueError(f"n must be at least 2, since ln n stands in the bound, got {n}")
    b2 = beta**2
    log_side = math.log(2 + 2 * beta * math.sqrt((2 + epsilon) * math.log(n)))
    log_volume = math.log(n) + d * log_side - d / 2 * math.log(math.pi * b2)
    log_factor = d / 2 * log_side - d / 4 * math.log(4 * math.pi * b2) - 0.5 * math.log(n)
    c = d / 2 * math.log(2 * math.pi * b2) + d / b2
    tail = c**2 + 2 * c * d * (1 + b2) / b2 + 8 * d * (d + 2 * b2**2 + d * b2**2) / b2**2
    return 0.5 * log_volume * exp(log_factor) + tail * 2 / n


def risk_subgaussian_printed(n: int, d: int, beta: float, psi2: float) -> float:
    """The risk over laws whose coordinates have psi_2 norm at most K = sup_p p^(-1/2) (E|S_j|^p)^(1/p), as published.

    For activations without a bound (ReLU). Printed with 3dK^2 in the tail, where the substitution gives 6dK^2: a term
    of order 1/n that only small n can tell.

    Args:
        psi2: K, in the units of the signal.

    Source: arXiv:1810.11589, Theorem 3, eq. (59).
    """
    positive_noise(beta)
    at_least_one(d=d)
    non_negative(psi2=psi2)
    if n < 2:
        raise ValueError(f"n must be at least 2, since ln n stands in the bound, got {n}")
    b2, k2 = beta**2, psi2**2
    side = 2 * (psi2 + beta) ** 2 / ((math.e - 1) * math.pi * b2) * math.log(n)
    log_volume = 0.5 * math.log(n) + d / 4 * math.log(4 * side)
    log_factor = d / 4 * math.log(side) - 0.5 * math.log(n)
    c = d / 2 * math.log(2 * math.pi * b2)
    tail = (c + 2 * d * k2 / b2) * (c + (2 * b2 * d + 3 * d * k2) / b2)
    tail += 8 * (16 * d**2 * k2**2 + b2**2 * d * (2 + d)) / b2**2
    return log_volume * exp(log_factor) + tail * math.e * d / n


def information_risk(n: int, n_passes: int, d: int, beta: float, half_width: float = 1.0) -> float:
    """E|I_SP - I(X;T_l)| for n inputs drawn from P_X with n_x noisy passes each, in a layer of width d in [-r, r]^d.

    b(n) + v(n) + b(n_x) + v(n_x) / sqrt(n) + C_d / (2 sqrt(n)) with b the bias and v the spread of an entropy.

    `sampled_risk` does without the last two terms and takes the larger bias for the sum.

    Source: `entropy_bias`, `entropy_spread`; the last term is the spread of the mean over the inputs of h(T | X = x) -
    h(Z), which lies in [0, C_d].
    """
    pooled = entropy_risk(n, d, beta, half_width)
    conditional = entropy_bias(n_passes, d, beta, half_width) + entropy_spread(n_passes) / math.sqrt(n)
    return pooled + conditional + capacity(d, beta, half_width) / (2 * math.sqrt(n))


def information_risk_printed(entropy_risk: float, n: int, d: int, beta: float) -> float:
    """sup over P_X of E|I_SP - I| <= 2 Delta(n) + d ln(1 + 1/beta^2) / (4 sqrt(n)), n inputs with n passes each.

    Args:
        entropy_risk: Delta(n), the risk of the plug-in entropy at n samples, e.g. `risk_bounded_printed`.

    Source: arXiv:1810.11589, Proposition 1.
    """
    positive_noise(beta)
    at_least_one(n=n, d=d)
    non_negative(entropy_risk=entropy_risk)
    return 2 * entropy_risk + d * math.log1p(1 / beta**2) / (4 * math.sqrt(n))


def information_risk_slides(c: float, n: int, d: int, beta: float) -> float:
    """The slides' literal (8 c d + d ln(1 + 1/beta^2)) / (4 sqrt(n)): a misprint of 8 c^d, and no bound.

    Proposition 1 with Delta = c^d / sqrt(n) has 2 Delta = 8 c^d / (4 sqrt(n)); a bound linear in d would contradict
    the exponential lower bound of `sample_complexity`. Published beside the correct term for comparison only.

    Args:
        c: the constant of the entropy risk c^d / sqrt(n).
    """
    positive_noise(beta)
    at_least_one(n=n, d=d)
    return (8 * c * d + d * math.log1p(1 / beta**2)) / (4 * math.sqrt(n))


def estimation_risk(
    weights: np.ndarray, n_passes: int, d: int, beta: float, layer: int, half_width: float | None
) -> float:
    """E|I_SP - I(X;T_l)| of the plug-in without Monte Carlo error, for enumerated inputs with pooled centres.

    b_pool + v_pool + b(n_x) + v(n_x) |w|_2 with b the bias and v the spread of a smoothed entropy; zero at l = 1, where
    S_1 is known exactly. The first and the last term can go: see `enumerated_risk`.

    Args:
        weights: (N,) of the input law.
        n_passes: n_x, noisy passes per atom.
        half_width: bound of the activation; None when it has none, then there is no bound of this kind.

    Source: bias = E D(P_n * phi || P * phi) <= ln(1 + chi^2), chi^2 <= A^d max_i w_i / n_x with
    A = 1 + sqrt(2/pi) r / beta; spread by McDiarmid, since one sample moves the entropy by at most H_b of its weight.
    """
    at_least_one(n_passes=n_passes, layer=layer)
    if layer == 1:
        return 0.0
    if half_width is None:
        return math.inf  # the class of unbounded activations needs a subgaussian norm instead
    log_a = log_covering(d, beta, half_width)
    pooled_bias = float(np.logaddexp(0, log_a + math.log(weights.max() / n_passes)))
    pooled_spread = 0.5 * math.sqrt(n_passes * float((binary_entropy(weights / n_passes) ** 2).sum()))
    conditional_spread = entropy_spread(n_passes) * float(np.linalg.norm(weights))
    return pooled_bias + pooled_spread + entropy_bias(n_passes, d, beta, half_width) + conditional_spread


def log_covering(d: int, beta: float, half_width: float | Sequence[float]) -> float:
    """ln A^d = sum_j ln(1 + sqrt(2/pi) r_j / beta): ln of the integral of sup_s phi(t - s) over s in the box."""
    positive_noise(beta)
    widths = np.broadcast_to(np.asarray(half_width, dtype=np.float64), (d,))
    if not (widths >= 0).all():
        raise ValueError(f"half_width must be non-negative, got {half_width}")
    return float(np.log1p(math.sqrt(2 / math.pi) * widths / beta).sum())
