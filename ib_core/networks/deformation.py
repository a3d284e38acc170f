"""Training points under a shift: some inputs of an epoch are seen shifted, or drawn from the shifted law."""

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from ib_core.laws.family import FAMILIES
from ib_core.laws.input_law import InputLaw
from ib_core.streams import stream

# Draws of a family that training takes in turn: some take seconds of optimal transport to meet their size.
VERSIONS, KEPT_BYTES = 8, 2**28


class Deformation:
    """The points that each epoch sees, which depend on (seed, epoch) alone.

    A family that moves atoms shows each input shifted with probability `share`; where it draws, and no seed is given to
    it, it draws in `VERSIONS` ways that take turns. For one that changes weights the inputs of an epoch are drawn from
    (1 - share) P + share P', as evenly as whole numbers allow: each comes as often as its expected number of times,
    rounded up or down.

    Args:
        law: P, the points for training, alike in weight.
        family: of the shift, one that does not see the network.
        size: in its own metric, of the shift of P.
        share: of the shifted inputs, or of the shifted law.
        seed: key of the streams.
        parameters: of the family.
    """

    def __init__(
        self, law: InputLaw, family: str, size: float, share: float, seed: int, parameters: Mapping[str, Any]
    ) -> None:
        found = FAMILIES.find(family)
        if found.sees_network:
            raise ValueError(f"family must not see the network, got {family}")
        self._law, self._share, self._seed, self._moves = law, share, seed, found.moves_atoms
        self._draws = "seed" in inspect.signature(found.apply).parameters and "seed" not in parameters

        def version(k: int) -> InputLaw:
            own = {"seed": int(stream(seed, "deformation", k).integers(2**31))} if self._draws else {}
            return found.apply(law, size, **parameters, **own).law

        # One at least, however large, as most families have one version alone.
        self._version = lru_cache(max(1, min(VERSIONS, KEPT_BYTES // law.atoms.nbytes)))(version)

    def points(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (n, d) and classes (n,) of an epoch."""
        law, rng = self._law, stream(self._seed, "deformed", epoch)
        shifted = self._version(epoch % VERSIONS if self._draws and self._moves else 0)
        if self._moves:
            seen = rng.random(len(law.atoms)) < self._share
            atoms = np.where(seen[:, None], shifted.atoms, law.atoms)
            return atoms, np.where(seen, shifted.labels, law.labels)
        weights = (1 - self._share) * law.weights + self._share * shifted.weights
        order = rng.permutation(len(weights))  # the points may stand in one that repeats
        rows = order[even_draws(weights[order], float(rng.random()))]
        return law.atoms[rows], law.labels[rows]


def even_draws(weights: np.ndarray, offset: float) -> np.ndarray:
    """Rows (n,) of n draws from a law (n,), each n w_i times, rounded up or down, and that often in the mean.

    Args:
        offset: uniform in [0, 1).

    Source: systematic sampling; Madow and Madow, Annals of Mathematical Statistics 15 (1944) 1.
    """
    n = len(weights)
    ends = np.cumsum(weights)
    return np.minimum(np.searchsorted(ends / ends[-1] * n, np.arange(n) + offset, side="right"), n - 1)
