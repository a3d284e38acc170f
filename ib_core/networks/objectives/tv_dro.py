"""The largest mean loss over a ball in total variation: mass moves from the smallest losses to the largest."""

import numpy as np

from ib_core.laws.top_mass import top_mass
from ib_core.networks.objective import Objective


def moved_mass(losses: np.ndarray, classes: np.ndarray, radius: float) -> np.ndarray:
    """The law (n,) of the largest mean loss among all Q on the batch with TV(Q, P) <= eps, P the batch.

    Primal: max of E_Q l over sum |Q - P| <= 2 eps, Q >= 0; the eps-mass of the smallest losses goes to the largest one.
    Dual: eps max l + min over eta of (1 - eps) eta + E_P (l - eta)_+, the second term 1 - eps times the mean of the
    (1 - eps)-part of largest losses.

    Source: Jiang and Guan, Risk-averse two-stage stochastic program with distributional ambiguity, Operations Research
    66 (2018) 1390, Theorem 1.
    """
    law = np.full(len(losses), 1 / len(losses))
    law -= top_mass(-losses, law, radius)
    law[np.argmax(losses)] += 1 - law.sum()
    return law


tv_dro = Objective(moved_mass, "tv", largest=1.0)
