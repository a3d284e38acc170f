"""The mean of the largest losses: conditional value at risk."""

import numpy as np

from ib_core.laws.top_mass import top_mass
from ib_core.networks.objective import Objective


def worst_part(losses: np.ndarray, classes: np.ndarray, radius: float) -> np.ndarray:
    """The law (n,) of the largest mean loss among all Q with dQ/dP <= 1/alpha, P the batch: its alpha-part of largest
    losses, where alpha = 1 is all of it.

    Primal: max of E_Q l over 0 <= Q <= P / alpha. Dual: min over eta of eta + E_P (l - eta)_+ / alpha.

    Source: Rockafellar and Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2 (2000) 21.
    """
    law = top_mass(losses, np.full(len(losses), 1 / len(losses)), radius)
    return law / law.sum()


cvar_dro = Objective(worst_part, "level", largest=1.0)
