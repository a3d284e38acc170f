"""The family `subset_removal`."""

import numpy as np

from ib_core.laws.family import SMALLEST_TV, Shift, family, refuse_outside
from ib_core.laws.input_law import InputLaw, places
from ib_core.streams import stream


@family("tv")
def subset_removal(law: InputLaw, size: float, seed: int = 0) -> Shift:
    """Atoms vanish in a random order until TV = size, the last one in part; the rest keeps its proportions.

    The order is the same at every size, so that larger removals contain the smaller. The parameter is the number of
    atoms gone.
    """
    (owner,) = places(law.atoms)
    mass = np.bincount(owner, law.weights)  # of every place
    # In the order of the first row at each place.
    first = owner[np.sort(np.unique(owner, return_index=True)[1])]
    order = stream(seed, "subset_removal").permutation(first[mass[first] > 0])
    before = np.concatenate([[0.0], np.cumsum(mass[order])])
    refuse_outside("a removal that leaves one atom", size, SMALLEST_TV, float(before[-2]), "TV")
    # Only vanishing atoms lose mass, so TV is the mass that they lose; all of it goes to the others in proportion.
    lost = np.zeros(len(mass))
    lost[order[:-1]] = np.clip(size - before[:-2], 0, mass[order[:-1]])
    kept = float(mass[lost == 0].sum())
    share = np.where(lost > 0, 1 - lost / np.where(mass > 0, mass, 1), 1 + lost.sum() / kept)
    return Shift(law.reweighted(law.weights * share[owner]), float((lost[lost > 0] / mass[lost > 0]).sum()))
