"""The mean loss of the worst class."""

import numpy as np

from ib_core.networks.objective import Objective


def worst_class(losses: np.ndarray, classes: np.ndarray, radius: float) -> np.ndarray:
    """The law (n,) of the batch's class with the largest mean loss; of equal ones, the first.

    Primal: max of sum_g q_g E_P[l | class g] over laws q of the classes of the batch. Dual: the least t that is at
    least every class's mean. A maximum of means of few inputs: over batches it is above that of the law on average, the
    more so the fewer inputs of a class they hold. Nothing is kept from batch to batch.

    Source: Sagawa, Koh, Hashimoto and Liang, Distributionally robust neural networks for group shifts, ICLR 2020, whose
    algorithm keeps exponential weights of the groups in place of the maximum.
    """
    present, owner, count = np.unique(classes, return_inverse=True, return_counts=True)
    mean = np.bincount(owner, losses) / count
    worst = int(mean.argmax())
    return np.where(classes == present[worst], 1 / count[worst], 0.0)


group_dro = Objective(worst_class)
