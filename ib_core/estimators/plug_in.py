"""Both ends of I(X; T) as the paper writes them, for uniform inputs: no controls, no stopping rule, no choice of form.

`layer_information` is held against these by the calibration. Here the stored passes are given, so that standard errors
count draws (and fresh passes) alone.
"""

import math
from typing import Any

import numpy as np

from ib_core.checks import finite_array, positive
from ib_core.estimate import Estimate
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.mixture import log_density
from ib_core.streams import stream


def plug_in_information(
    passes: Any, beta: float, *, target_stderr: float = 1e-3, max_draws: int | None = None, seed: int = 0
) -> Estimate:
    """I_SP = h(p) - (1/N) sum_i h(p_i) in nats, p_i the mixture around the passes of input i and p their mean.

    This is the information of the channel that the stored passes make up, at least I(X; T) in expectation over them.
    The theorems on sample propagation are about this number.

    Args:
        passes: (N, n_x, d) signals of N equally likely inputs.
        beta: standard deviation of the noise.
        target_stderr: standard error at which drawing stops, in nats.
        max_draws: most draws for each of the N + 1 entropies; see `smoothed_entropy` for the default.
        seed: key of the draws.

    Returns:
        The value, whose standard error counts draws and not the passes: 0 (1.2e-5 for d = 3) where grids give it.

    Raises:
        ValueError: the shape does not fit, a signal is NaN or infinite, `beta` is not positive.

    Source: Goldfeld et al., arXiv:1810.11589, section V.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n = len(passes)
    target = positive(target_stderr, "target_stderr") / math.sqrt(2)
    seeds = stream(seed, "plug_in").integers(2**31, size=n + 1)

    def entropy(k: int, centres: np.ndarray, target: float) -> Estimate:
        return smoothed_entropy(centres, beta, target_stderr=target, max_draws=max_draws, seed=int(seeds[k]))

    output = entropy(n, passes.reshape(-1, passes.shape[2]), target)
    given = [entropy(k, centres, target * math.sqrt(n)) for k, centres in enumerate(passes)]
    values, errors = (np.array(part) for part in zip(*given, strict=True))
    return Estimate(output.value - float(values.mean()), math.hypot(output.stderr, float(np.linalg.norm(errors)) / n))


def held_out_information(passes: Any, fresh: Any, beta: float, *, seed: int = 0) -> Estimate:
    """The mean of ln p_i(t) / p(t) in nats over points t = s + Z, one around each fresh pass s of input i.

    At most I(X; T) in expectation: p_i(t) / (N p(t)) is a conditional law of the input given t. For many passes it lies
    as far below as the plug-in lies above, `neuron_chain_bias` / n_x for a chain, where signals are bounded.

    Args:
        passes: (N, n_x, d) signals of N equally likely inputs.
        fresh: (N, m, d) signals of further passes, independent of `passes`; at least two of each input.
        beta: standard deviation of the noise.
        seed: key of the draws.

    Returns:
        The value, whose standard error counts the fresh passes and the draws around them, not the stored passes.

    Raises:
        ValueError: a shape does not fit, a signal is NaN or infinite, `beta` is not positive.

    Source: Barber and Agakov, NIPS 2003.
    """
    passes, fresh = finite_array(passes, "passes", "(N, n_x, d)"), finite_array(fresh, "fresh", "(N, m, d)")
    n, _, d = passes.shape
    m = fresh.shape[1]
    if (len(fresh), fresh.shape[2]) != (n, d) or m < 2:
        raise ValueError(f"fresh must have shape ({n}, m, {d}) like passes and m at least 2, got {fresh.shape}")
    points = fresh + positive(beta, "beta") * stream(seed, "held_out_points").standard_normal(fresh.shape)
    own = np.stack([log_density(points[i], passes[i], beta) for i in range(n)])
    ratios = own - log_density(points.reshape(-1, d), passes.reshape(-1, d), beta).reshape(n, m)
    return Estimate(float(ratios.mean()), math.sqrt(float(ratios.var(1, ddof=1).sum()) / m) / n)
