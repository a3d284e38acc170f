"""The part of a law where a function is largest."""

import numpy as np


def top_mass(values: np.ndarray, weights: np.ndarray, mass: float) -> np.ndarray:
    """The part (N,) of the weights that is the `mass` of largest values."""
    order = np.argsort(-values)
    before = np.concatenate([[0.0], np.cumsum(weights[order])[:-1]])
    taken = np.empty(len(weights))
    taken[order] = np.clip(mass - before, 0, weights[order])
    return taken
