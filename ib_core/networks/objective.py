"""What a step of training descends on, of the losses of a batch: their mean, or their mean under a worst law."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ib_core.members import Registry

Worst = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
Move = Callable[[Callable[[Tensor], Tensor], Tensor, float], Tensor]


def mean(losses: np.ndarray, classes: np.ndarray, radius: float) -> np.ndarray:
    """The law of the batch itself, 1/n for each of its inputs (n,)."""
    return np.full(len(losses), 1 / len(losses))


@dataclass(frozen=True)
class Objective:
    """A robust objective: the largest mean loss over a set of laws around that of the inputs.

    By default the inputs stay, with their law: empirical risk minimisation.

    What is descended on is that of a batch, from one noisy pass of each input. It is not an unbiased estimate of the
    objective of the law: a worst law adapts to the batch and to its noise. The largest mean over a ball of reweightings
    is concave in the law that the ball is around, being an infimum of means (the dual), so that over batches it is
    below that of the law on average; it is convex in the losses, so that with the noise of a pass it is above that of
    losses averaged over the noise. Both fade as batches grow and the noise falls.

    Attributes:
        worst: (losses (n,), classes (n,), radius) -> the law (n,) of the batch with the largest mean loss. The
            objective is that mean, and by Danskin's theorem its gradient in the losses is the law.
        metric: what the radius measures: "tv", "kl" (nats), "chi2", "w2" (in units of the inputs) or "level" (the share
            of the inputs that counts); "" where there is none.
        largest: radius that there is.
        move: (slope, x (n, ...), radius) -> where the inputs go before the losses are taken; None where they stay.
            `slope` gives the gradient of each input's loss at any place, on noise of its own.

    Source: Danskin, The theory of max-min, SIAM J. Appl. Math. 14 (1966) 641; bias of batches: Levy, Carmon, Duchi and
    Sidford, Large-scale methods for distributionally robust optimization, NeurIPS 2020.
    """

    worst: Worst = mean
    metric: str = ""
    largest: float = math.inf
    move: Move | None = None


OBJECTIVES = Registry("ib_core.networks.objectives", Objective)


def check_radius(name: str, radius: float | None) -> None:
    """Refuse a radius that an objective does not have, or lacks.

    Raises:
        ValueError: says what it must be.
    """
    objective = OBJECTIVES.find(name)
    if not objective.metric:
        if radius is not None:
            raise ValueError(f"radius must be left out for {name}, which has none, got {radius!r}")
        return
    least, most = ("greater than 0", "" if objective.largest == math.inf else f" and at most {objective.largest:g}")
    if radius is None or not 0 < radius <= objective.largest or radius == math.inf:
        found = "null" if radius is None else repr(radius)
        raise ValueError(f"radius must be {least}{most} for {name} ({objective.metric}), got {found}")
