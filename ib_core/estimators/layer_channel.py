"""A layer as a finite channel: outputs are draws from the layer, one around a pass of every atom."""

from typing import Any

import numpy as np

from ib_core.channels.finite import from_kernel
from ib_core.checks import finite_array, positive
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.order import spatial_order
from ib_core.streams import stream


def layer_channel(passes: Any, beta: float, *, seed: int = 0, device: str | None = None) -> np.ndarray:
    """The channel (N, N) from N atoms to N draws t_k, one from the mixture around the passes of each atom.

    Column i weighs the draws by p_i(t_k) / mean_j p_j(t_k). Every theorem on finite channels holds for it exactly; as a
    picture of the layer it has the sampling error of N draws, so that what is found on it (a law, say) should be
    measured again by `layer_information` on draws of its own. 4096 atoms take 134 MB.

    Args:
        passes: (N, n_x, d) signals.
        beta: standard deviation of the noise.
        seed: key of the draws.
        device: where torch computes for wide layers; None is the CPU.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n = len(passes)
    order = spatial_order(passes.mean(1), np.zeros(n))
    atoms = Atoms(passes[order], positive(beta, "beta"), device=device)
    rng, owner = stream(seed, "channel"), np.arange(n)
    chosen = atoms.centres[owner, rng.integers(atoms.n_passes, size=n)]
    points = chosen + rng.standard_normal(chosen.shape)
    kernel = atoms.matrix(points, atoms.own(points, owner, owner).offset)
    return from_kernel(kernel[:, np.argsort(order)], np.full(n, 1 / n))
