"""The hypotheses that every theorem shares, refused by name."""

import numpy as np

ROUNDING = 1e-9
LARGEST_NOISE = 1e50


def positive_noise(beta: float) -> None:
    """The noise must have a density, and powers of its size must be numbers."""
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")
    if not 1 / LARGEST_NOISE <= beta <= LARGEST_NOISE:
        raise ValueError(f"beta must be between {1 / LARGEST_NOISE:g} and {LARGEST_NOISE:g}, got {beta}")


def at_least_one(**counts: int) -> None:
    """Dimensions and numbers of samples."""
    for name, value in counts.items():
        if not value >= 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def non_negative(**sizes: float) -> None:
    """Distances and divergences; infinity passes, NaN does not."""
    for name, value in sizes.items():
        if not value >= 0:
            raise ValueError(f"{name} must be non-negative, got {value}")


def total_variation_size(epsilon: float) -> float:
    """A total variation, which lies between 0 and 1; what the rounding of a sum adds to 1 is taken off."""
    if not 0 <= epsilon <= 1 + ROUNDING:
        raise ValueError(f"epsilon must be in [0, 1], got {epsilon}")
    return min(epsilon, 1.0)


def probability_of_error(delta: float) -> None:
    """A statement that holds with probability 1 - delta."""
    if not 0 < delta < 1:
        raise ValueError(f"delta must be in (0, 1), got {delta}")


def law(**laws: np.ndarray) -> None:
    """Weights (N,) of an input law."""
    for name, weights in laws.items():
        if np.ndim(weights) != 1:
            raise ValueError(f"{name} must have shape (N,), got {np.shape(weights)}")
        # Said so that NaN is refused.
        if not (np.min(weights, initial=0) >= 0 and abs(np.sum(weights) - 1) <= ROUNDING):
            raise ValueError(f"{name} must be non-negative with sum 1, got sum {float(np.sum(weights))!r}")
