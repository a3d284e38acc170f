"""The largest mean loss over a ball in chi-squared divergence: weights that grow linearly with the loss."""

import numpy as np

from ib_core.networks.objective import Objective


def linear(losses: np.ndarray, classes: np.ndarray, radius: float) -> np.ndarray:
    """The law (n,) of the largest mean loss among all Q with E_P (dQ/dP - 1)^2 <= rho, P the batch.

    Primal: max of E_Q l over that ball, Q >= 0. Dual: min over eta of eta + sqrt((1 + rho) E_P (l - eta)_+^2), whose
    eta is that of the law, Q ~ P (l - eta)_+. Over the k largest losses, of mean m and variance v, the constraint holds
    with equality at (m - eta)^2 = v / ((1 + rho) k / n - 1); the k is the first whose eta is not below the next loss.

    Source: Duchi and Namkoong, Learning models with uniform performance via distributionally robust optimization,
    Annals of Statistics 49 (2021) 1378, with the dual for k = 2.
    """
    n = len(losses)
    order = np.argsort(-losses, kind="stable")
    less = losses[order] - losses.max()  # in units of losses, from 0 down
    k = np.arange(1, n + 1)
    mean = np.cumsum(less) / k
    variance = np.maximum(np.cumsum(less**2) / k - mean**2, 0.0)
    room = (1 + radius) * k / n - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.where(room > 0, mean - np.sqrt(variance / room), -np.inf)
    fits = (room > 0) & (eta >= np.append(less[1:], -np.inf))
    weights = np.maximum(less - eta[np.argmax(fits)], 0.0) if fits.any() else np.zeros(n)
    if not weights.sum() > 0:  # the largest losses alone
        weights = (less == 0).astype(float)
    law = np.empty(n)
    law[order] = weights / weights.sum()
    return law


chi2_dro = Objective(linear, "chi2")
