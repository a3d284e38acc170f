"""How far the signals of a layer move when the inputs move and the noises stay: what Wasserstein bounds start from."""

from typing import NamedTuple

import numpy as np

from ib_core.checks import finite_array, one_law


class Steps(NamedTuple):
    """Moments of |dS| = |S_l - S'_l| with x coupled to x' and the same noises on either side.

    Attributes:
        mean: E|dS|.
        root_square: (E|dS|^2)^(1/2).
        mean_root_square: E_x (E[|dS|^2 | x])^(1/2).
    """

    mean: float
    root_square: float
    mean_root_square: float


def steps(signals: np.ndarray, moved: np.ndarray, weights: np.ndarray) -> Steps:
    """The moments from passes that share their noises.

    Averages over the passes stand for expectations. Of the channel made of these passes, pass k coupled with pass k,
    they are exact, so a bound from them holds exactly for the information of that channel, which the plug-in measures.

    Args:
        signals: (N, n_passes, d) of the reference inputs.
        moved: (N, n_passes, d) of the moved ones, atom by atom and pass by pass under the same noises.
        weights: (N,) of the atoms.
    """
    signals = finite_array(signals, "signals", "(N, n_passes, d)")
    moved = finite_array(moved, "moved", "(N, n_passes, d)")
    weights = one_law(weights, "weights", "(N)")
    if signals.shape != moved.shape or weights.shape != signals.shape[:1]:
        raise ValueError(
            f"signals and moved must be (N, passes, d) with weights (N,), got {signals.shape}, {moved.shape} and "
            f"{weights.shape}"
        )
    return moments(np.square(signals - moved).sum(axis=2), weights)


def moments(squares: np.ndarray, weights: np.ndarray) -> Steps:
    """The same from |dS|^2 of each atom and pass, (N, n_passes), which wide layers give block by block."""
    by_atom = squares.mean(axis=1)
    return Steps(
        float(weights @ np.sqrt(squares).mean(axis=1)),
        float(np.sqrt(weights @ by_atom)),
        float(weights @ np.sqrt(by_atom)),
    )
