"""The largest mean loss over a ball in Kullback-Leibler divergence: exponential tilts."""

import numpy as np

from ib_core.laws.tilt import tilt
from ib_core.networks.objective import Objective


def tilted(losses: np.ndarray, classes: np.ndarray, radius: float) -> np.ndarray:
    """The law (n,) of the largest mean loss among all Q with D(Q || P) <= kappa nats, P the batch.

    Primal: max of E_Q l over D(Q || P) <= kappa. Dual: min over lam > 0 of (kappa + ln E_P e^{lam l}) / lam, whose lam
    is that of the law, Q ~ P e^{lam l}. Beyond kappa = -ln P(l = max l) it is the law of the largest losses alone.

    Source: Hu and Hong, Kullback-Leibler divergence constrained distributionally robust optimization, 2013; the tilted
    loss of Li, Beirami, Sanjabi and Smith, Tilted empirical risk minimization, ICLR 2021, has the lam fixed instead.
    """
    return tilt(losses, np.full(len(losses), 1 / len(losses)), radius).law


kl_dro = Objective(tilted, "kl")
