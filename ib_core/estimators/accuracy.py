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
    # Between atoms nothing is sampled; within an atom a pass is a coin. Where all passes agree it may still fall
    # otherwise: two passes more, one of either kind, stand for those that were not seen (Agresti and Coull 1998).
    share = (n_passes * correct + 1) / (n_passes + 2)
    variance = float(weights**2 @ (share * (1 - share)) / n_passes)
    return Estimate(float(weights @ correct), math.sqrt(variance))
