"""The largest mean loss over a ball in W_2 of the inputs, labels kept: adversarial inputs that pay for transport."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ib_core.networks.objective import Objective

STEPS = 5


def transported(slope: Callable[[Tensor], Tensor], x: Tensor, radius: float) -> Tensor:
    """Inputs (n, ...) that moved to where their mean loss is larger, by a root mean square of `radius` at most.

    Primal: max of the mean of l(x_i + d_i) over steps with mean |d_i|^2 <= rho^2, the sup over W_2(Q, P) <= rho but for
    the splitting of inputs. Dual: min over gamma of gamma rho^2 + E_P sup_z (l(z) - gamma |z - x|^2), where at the best
    z the slope is 2 gamma (z - x), with one price gamma for all inputs: steep ones go far, others hardly.

    `STEPS` of Frank and Wolfe's method, on the ball of all steps together: from steps d towards rho g / |g|, with g the
    slopes at x + d and |g| their root mean square, which sets the price 2 gamma = |g| / rho. For losses that are
    concave in the input the gap falls like 1 / STEPS; for others the steps approach a stationary point, so that what is
    found is below the largest. The adversary does not know the noise of the pass that is descended on: every step has
    noise of its own.

    Source: Sinha, Namkoong and Duchi, Certifying some distributional robustness with principled adversarial training,
    ICLR 2018; Lacoste-Julien, Convergence rate of Frank-Wolfe for non-convex objectives, 2016.
    """
    steps = torch.zeros_like(x)
    for k in range(STEPS):
        g = slope(x + steps)
        size = math.sqrt(float(g.double().square().sum()) / len(x))
        if size == 0:
            break
        steps = steps + 2 / (k + 2) * (radius / size * g.to(steps) - steps)
    return x + steps


wasserstein_dro = Objective(metric="w2", move=transported)
