"""How much of the label the last layer still knows under every law of a ball, from the losses on clean data, nats.

I_Q(T;Y) = H_Q(Y) - H_Q(Y|T) >= H_Q(Y) - E_Q loss for every read-out of T, the loss its cross-entropy averaged over the
noise. Of the ball's laws the smallest entropy and the largest mean loss are taken apart. For I(X;T) there is no such
bound: what the read-out ignores moves it at will.
"""

import numpy as np

from ib_core.bounds.checks import non_negative, total_variation_size
from ib_core.bounds.pointwise import LargestMean, largest_mean_kl, largest_mean_tv
from ib_core.estimate import WIDTH
from ib_core.laws.input_law import entropy


def least_entropy_tv(epsilon: float, law: np.ndarray) -> float:
    """min H(Q) over the laws Q of the same values with TV(P, Q) <= eps, nats; `law` (C,) is P.

    Source: Ho and Yeung, The interplay between entropy and variational distance, IEEE Trans. Inform. Theory 56 (2010)
    5906: mass eps of the least likely values goes to the likeliest, which majorises every law of the ball.
    """
    epsilon = total_variation_size(epsilon)
    ascending = np.sort(law)
    left = np.diff(np.maximum(np.cumsum(ascending) - epsilon, 0.0), prepend=0.0)
    left[-1] += 1 - left.sum()
    return entropy(left)


def least_entropy_kl(kappa: float, law: np.ndarray) -> float:
    """min H(Q) over the laws Q with D(Q || P) <= kappa, nats, rounded downwards; `law` (C,) is P.

    Source: H(Q) = E_Q[-ln P] - D(Q || P); the tilt Q ~ P^s with D(Q || P) = kappa has the least mean of -ln P and
    the largest divergence at once, and beyond it the likeliest value alone has entropy 0.
    """
    non_negative(kappa=kappa)
    inside = law[law > 0]
    return max(0.0, -largest_mean_kl(np.log(inside), inside, kappa).value - kappa)


def label_tv(epsilon: float, losses: np.ndarray, stderr: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """I_Q(T;Y) is at least this for every law Q of (X, Y) on the atoms of P with TV(P, Q) <= eps, nats.

    Args:
        epsilon: total variation.
        losses: (N,) of each atom's mean of -ln q(y | T) over the noise, q any read-out of the layer T.
        stderr: (N,) of their standard errors; the mean under the worst law is widened by three of its own.
        labels: (N,) of the atoms, 0..C-1.
        weights: (N,) of P.

    Source: Barber and Agakov, The IM algorithm, NeurIPS 2003, for every Q; extremes over the ball of `largest_mean_tv`
    and `least_entropy_tv`, as the law of Y is at most as far from that under P as Q from P.
    """
    epsilon = total_variation_size(epsilon)
    worst = largest_mean_tv(losses, weights, epsilon)
    return least_entropy_tv(epsilon, np.bincount(labels, weights)) - _widened(worst, stderr)


def label_kl(kappa: float, losses: np.ndarray, stderr: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """The same for D(Q || P) <= kappa: the largest mean loss is the dual of `kl_dro`, over all atoms.

    Args:
        kappa: divergence, nats.
        losses, stderr, labels, weights: as of `label_tv`.

    Source: as of `label_tv`, with Donsker and Varadhan's formula for the loss and `least_entropy_kl`.
    """
    non_negative(kappa=kappa)
    inside = weights > 0
    worst = largest_mean_kl(losses[inside], weights[inside], kappa)
    return least_entropy_kl(kappa, np.bincount(labels, weights)) - _widened(worst, stderr[inside])


def _widened(worst: LargestMean, stderr: np.ndarray) -> float:
    """An extreme over noisy losses is too large on average (Jensen); around that, its error is that of its law."""
    return worst.value + WIDTH * float(np.sqrt(np.square(worst.law) @ np.square(stderr)))
