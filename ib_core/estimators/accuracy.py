"""How often a noisy read-out is right."""

import math

import numpy as np

from ib_core.estimate import Estimate


def accuracy(correct: np.ndarray, weights: np.ndarray, n_passes: int) -> Estimate:
    """P(argmax of the logits is Y) under a law of the atoms.

    Args:
        correct: (N,) share of the passes of each atom whose read-out is right.
        weights: (N,) of the atoms.
        n_passes: of each atom.
    """
    # Between atoms nothing is sampled; within an atom a pass is a coin of variance at most c (1 - c).
    variance = float(weights**2 @ (correct * (1 - correct)) / n_passes)
    return Estimate(float(weights @ correct), math.sqrt(variance))
