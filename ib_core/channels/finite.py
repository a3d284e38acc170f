"""Channels with finitely many outputs: exact information, and a layer made finite by its draws.

A channel is an array (m, N): column i is the law of the output given atom i, of sum 1.
"""

import numpy as np

from ib_core.checks import finite_array, one_law

ROWS = 32


def information(channel: np.ndarray, weights: np.ndarray) -> float:
    """I(X;T) in nats for the input law `weights` (N,)."""
    inside = weights > 0
    return float(weights[inside] @ pointwise(channel, weights)[inside])


def pointwise(channel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """i(x) = D(P_{T|x} || P_T) in nats of every atom (N,), also those without weight; infinite where P_T misses T."""
    check(channel, weights)
    output = channel @ weights
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = np.log(output) @ channel if (output > 0).all() else _cross(output, channel)
    return negentropies(channel) - cross


def negentropies(channel: np.ndarray) -> np.ndarray:
    """(N,) of sum_t p(t|x) ln p(t|x), a few rows at a time, which stay in cache."""
    total = np.zeros(channel.shape[1])
    for first in range(0, len(channel), ROWS):
        rows = channel[first : first + ROWS]
        total += np.einsum("tx,tx->x", rows, np.log(np.maximum(rows, 1e-300)))
    return total


def from_kernel(kernel: np.ndarray, proposal: np.ndarray) -> np.ndarray:
    """The channel of a layer on draws of its own output: column i weighs draw k by p_i(t_k) / q(t_k), then sums to 1.

    Its information is a consistent estimate of I(X;T) for every law at once, and every theorem on finite channels
    holds for it exactly. Memory is that of the kernel, which it overwrites: 4096 draws and atoms take 134 MB.

    Args:
        kernel: (m, N) of p_i(t_k), each row up to a constant, at draws t_k of q = sum_i u_i p_i; stratified draws,
            every atom its own share, have the smaller error.
        proposal: (N,) of u.

    Returns:
        (m, N), columns of sum 1.

    Raises:
        ValueError: an atom has no density at any draw: draw from it as well.

    Source: importance sampling with the balance heuristic, Veach and Guibas, SIGGRAPH 1995.
    """
    kernel /= (kernel @ proposal)[:, None]
    total = kernel.sum(axis=0)
    if not (total > 0).all() or not np.isfinite(total).all():
        raise ValueError("every atom needs density at some draw, and every draw must come from the proposal")
    kernel /= total
    return kernel


def check(channel: np.ndarray, weights: np.ndarray) -> None:
    """A channel (m, N) of columns of sum 1, and a law (N,)."""
    finite_array(channel, "channel", "(m, N)")
    one_law(weights, "weights", "(N)")
    if weights.shape != channel.shape[1:]:
        raise ValueError(f"channel (m, N) needs weights (N,), got {channel.shape} and {weights.shape}")
    if channel.min() < 0 or np.abs(channel.sum(axis=0) - 1).max() > 1e-9:
        raise ValueError("the columns of a channel must be non-negative with sum 1")


def _cross(output: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """E_{T|x} ln P_T, minus infinity where T may be what P_T never is."""
    missed = output == 0
    log_output = np.log(np.where(missed, 1.0, output))
    return np.where((channel[missed] > 0).any(axis=0), -np.inf, log_output @ channel)
