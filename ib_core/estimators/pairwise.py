"""Bounds on I(X;T) from distances between pairs of inputs (Kolchinsky and Tracey)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ib_core.channels.closed_forms import noise_entropy
from ib_core.checks import finite_array, law_column, positive
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import ungrouped
from ib_core.mixture.order import spatial_order


@dataclass(frozen=True)
class PairwiseBounds:
    """Bounds (low, high) without sampling error, for the channel that the passes are.

    Attributes:
        information: of I(X; T_l) of the empirical channel, which is what `layer_information` calls plug-in; of
            I(X; T_l) itself where S_l is a function of X and there is one pass, its signal.
        entropy: of h(T_l) of the pooled mixture.
        conditional_entropy: of h(T_l | X).
        measures: what these numbers are, in words.
    """

    information: tuple[float, float]
    entropy: tuple[float, float]
    conditional_entropy: tuple[float, float]
    measures: str


def pairwise_bounds(
    passes: Any, beta: float, *, weights: Any = None, device: str | None = None, backend: str | None = None
) -> PairwiseBounds:
    """Kolchinsky-Tracey bounds from the pairwise distances of all signals.

    With m_i the N n_x signals and w_i their weights, I(S; S + Z) lies between -sum_i w_i ln sum_j w_j exp(-|m_i -
    m_j|^2 / (8 beta^2)) (Bhattacharyya distance) and the same with 2 beta^2 (KL divergence). Both are a mixture's mean
    log-density at its own centres, the first with twice the noise: so the kernel computes them, tile by tile.

    Args:
        passes: (N, n_x, d) signals of N atoms.
        beta: standard deviation of the noise.
        weights: (N,) law of the atoms; uniform by default.
        device, backend: as for `mixture.log_density`.

    Source: Kolchinsky and Tracey, Entropy 19(7):361, 2017.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    law = law_column(weights, n)
    order = spatial_order(passes.mean(1), np.zeros(n))
    passes, law = passes[order], law[order]
    atom = np.repeat(np.arange(n), n_passes)
    share = np.repeat(law[:, 0], n_passes) / n_passes
    output, given_input = [], []
    for width in (2 * positive(beta, "beta"), beta):
        atoms = Atoms(passes, width, backend, device)
        points = atoms.centres.reshape(-1, d)
        own = atoms.own(points, atom, np.zeros_like(atom))
        log_output = log_totals(atoms, points, ungrouped(law), own)[0, :, 0]
        log_passes = math.log(n_passes)
        output.append(share @ (log_passes - np.where(share > 0, log_output, 0.0)))
        given_input.append(share @ (log_passes - np.log(own.kernel) + own.offset))
    noise = noise_entropy(d, beta)
    return PairwiseBounds(
        information=(output[0] - given_input[1], output[1] - given_input[0]),
        entropy=(output[0] + noise, output[1] + noise),
        conditional_entropy=(given_input[0] + noise, given_input[1] + noise),
        measures="certain bounds on the information of the channel of the passes, often .5 nats and more apart",
    )
