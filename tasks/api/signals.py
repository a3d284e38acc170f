"""The information of signals that are at hand as arrays."""

from typing import Any, Literal

import numpy as np

from ib_core.checks import finite_array
from ib_core.estimators.layer_information import LayerInformation
from ib_core.estimators.sample_propagation import layer_information


def information(
    signals: Any,
    beta: float,
    *,
    weights: Any = None,
    labels: Any = None,
    fresh: Any = None,
    own: Any = None,
    seed: int = 0,
    confidence: Literal["estimated", "proven"] = "estimated",
    target_stderr: float | np.ndarray = 1e-2,
    max_draws: int | None = None,
    pointwise_draws: int = 2,
    device: str | None = None,
) -> LayerInformation:
    """I(X; T), and I(T; Y) with labels, in nats for T = S + Z with Z ~ N(0, beta^2 I), from signals S of N inputs.

    Args:
        signals: (N, d), where S is a function of X, or (N, n_x, d), of n_x noisy passes of each input: arrays, tensors
            or lists.
        beta: standard deviation of the noise that is added to S.
        weights: (N,) law of the inputs, or (N, K) for K laws at once, columns summing to 1; uniform by default.
        labels: (N,) integers, Y as a function of X.
        fresh: (N, m, d), further passes that are independent of `signals`.
        own: (N, n_own, d), many further passes, instead of `fresh`: they make brackets much narrower. Without either
            nothing is known of noisy passes from below, and the lower end is 0.
        seed: key of the draws.
        confidence: "proven" takes what bounded differences prove instead of the spread of passes.
        target_stderr: sampling stops when no standard error is larger.
        max_draws: most points for each end; by default 64 for each input and at least 2^18.
        pointwise_draws: draws of each input for `pointwise`, at least.
        device: where torch computes for wide layers; None is the CPU.

    Returns:
        A `LayerInformation`: `bracket` holds I(X; T), `lower` and `upper` are its ends with standard errors, `change(k,
        j)` and `change_bracket(k, j)` compare two laws, `label_bracket` holds I(T; Y), `pointwise` is i(x) and
        `saturation` is I / H(X).

    Raises:
        ValueError: shapes do not fit, a signal is NaN or infinite, weights are no law, `beta` is not positive.

    Example:
        >>> signals = [[-1.0], [-1.0], [1.0], [1.0]]  # four inputs in two pairs
        >>> low, high = information(signals, beta=0.1).bracket
        >>> print(f"{low:.2f} to {high:.2f} nats, ln 2 is {np.log(2):.4f}")
        0.69 to 0.69 nats, ln 2 is 0.6931
    """
    passes = finite_array(signals, "signals", None)
    if passes.ndim not in (2, 3):
        raise ValueError(f"signals must have shape (N, d) or (N, n_x, d), got {passes.shape}")
    return layer_information(
        passes[:, None] if passes.ndim == 2 else passes,
        beta,
        own=own,
        fresh=fresh,
        deterministic=passes.ndim == 2,
        weights=weights,
        labels=labels,
        confidence=confidence,
        target_stderr=target_stderr,
        max_draws=max_draws,
        pointwise_draws=pointwise_draws,
        seed=seed,
        device=device,
    )
