"""The hypotheses that every theorem shares, refused by name."""


def positive_noise(beta: float) -> None:
    """The noise must have a density."""
    if not beta > 0:
        raise ValueError(f"beta must be positive, got {beta}")


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


def total_variation_size(epsilon: float) -> None:
    """A total variation lies between 0 and 1."""
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon must be in [0, 1], got {epsilon}")
