"""Laws of a signal whose smoothed entropy is known: independent coordinates of one scalar law."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr
from scipy.stats import truncnorm

from ib_core.bounds.bias import bias_lower_bound_grid
from ib_core.channels.closed_forms import finite_input_information, gaussian_information, noise_entropy
from ib_core.checks import finite_array, one_law


@dataclass(frozen=True)
class FiniteLaw:
    """S in R^d with independent coordinates, each on `points` (k,) within [-1, 1] with `weights` (k,).

    Attributes:
        psi2: none; the law lies in the cube, which is the smaller class.
    """

    d: int
    points: np.ndarray
    weights: np.ndarray
    psi2 = None

    def __post_init__(self) -> None:
        points, weights = finite_array(self.points, "points", "(k)"), one_law(self.weights, "weights", "(k)")
        if points.shape != weights.shape or np.abs(points).max() > 1:
            raise ValueError(f"points must be (k,) within [-1, 1], one for each weight, got {points} and {weights}")

    def draw(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n samples, (n, d)."""
        return generator.choice(self.points, size=(n, self.d), p=self.weights)

    def information(self, beta: float) -> float:
        """I(S; S + Z) in nats, by quadrature within 1e-9 d."""
        return self.d * finite_input_information(self.points, beta, self.weights)

    @property
    def n_atoms(self) -> int:
        """Size of the support."""
        return len(self.points) ** self.d


@dataclass(frozen=True)
class GaussianLaw:
    """S ~ N(0, I_d): no bounded support, but subgaussian.

    Attributes:
        psi2: sup_p p^(-1/2) (E|S_j|^p)^(1/p), attained at p = 1.
    """

    d: int
    n_atoms = None
    psi2 = math.sqrt(2 / math.pi)

    def draw(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n samples, (n, d)."""
        return generator.standard_normal((n, self.d))

    def information(self, beta: float) -> float:
        """I(S; S + Z) in nats."""
        return gaussian_information(self.d, 1.0, beta)


@dataclass(frozen=True)
class CornerMixture:
    """A Gaussian of width `spread` around every corner of the cube [-1, 1]^d, truncated to the cube, all alike.

    Its coordinates are independent: a fair sign times a half Gaussian below 1.

    Attributes:
        psi2: none; the law lies in the cube, which is the smaller class.
    """

    d: int
    spread: float
    n_atoms = None
    psi2 = None

    def draw(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n samples, (n, d)."""
        sign = generator.choice([-1.0, 1.0], size=(n, self.d))
        most = 2 / self.spread  # from one corner to the other side of the cube
        below = truncnorm.ppf(generator.random((n, self.d)), 0, most)
        return sign * (1 - self.spread * below)

    def information(self, beta: float) -> float:
        """I(S; S + Z) in nats, by a trapezoid rule over each coordinate's density, which is known; within 1e-7 d.

        At a corner 1 the density of S + Z is that of N(1, s^2 + beta^2), times the probability that the posterior
        N(m, v) of S lies in [-1, 1], over that of the prior.
        """
        total, noise = self.spread**2 + beta**2, beta
        step = min(self.spread, noise) / 16
        grid = np.arange(-1 - 10 * noise - step, 1 + 10 * noise + step, step)
        logs = []
        for corner in (-1.0, 1.0):
            mean = (grid * self.spread**2 + corner * noise**2) / total
            width = self.spread * noise / math.sqrt(total)
            high, low = (1 - mean) / width, (-1 - mean) / width
            flip = low > 0  # both ends in the upper tail: what is left of it is seen from the other side
            a, b = np.where(flip, -high, low), np.where(flip, -low, high)
            inside = log_ndtr(b) + np.log1p(-np.exp(np.minimum(log_ndtr(a) - log_ndtr(b), -1e-300)))
            prior = math.log(ndtr(0) - ndtr(-2 / self.spread))
            logs.append(inside - prior - (grid - corner) ** 2 / (2 * total) - math.log(2 * math.pi * total) / 2)
        log_density = np.logaddexp(*logs) - math.log(2)
        entropy = -float(np.sum(np.exp(log_density) * log_density)) * step
        return self.d * (entropy - noise_entropy(1, noise))


KnownLaw = FiniteLaw | GaussianLaw | CornerMixture
CORNER_SPREAD = 0.1
GRID_EPSILON = 0.01
MOST_POINTS = 10_000  # of a grid's axis


def smoothed_truth(law: KnownLaw, beta: float) -> float:
    """h(S + Z) in nats."""
    return law.information(beta) + noise_entropy(law.d, beta)


def hypercube(d: int, beta: float) -> FiniteLaw:
    """Uniform on {+-1}^d: by its symmetry the plug-in has no error of order 1/sqrt(n), and its risk falls faster."""
    return FiniteLaw(d, np.array([-1.0, 1.0]), np.array([0.5, 0.5]))


def skewed_hypercube(d: int, beta: float) -> FiniteLaw:
    """Independent signs, +1 with probability 1/4: a law in the cube whose plug-in error is of order 1/sqrt(n)."""
    return FiniteLaw(d, np.array([-1.0, 1.0]), np.array([0.75, 0.25]))


def grid(d: int, beta: float) -> FiniteLaw:
    """Uniform on the k*^d grid decoded from its noise with error `GRID_EPSILON`: the law of the bias lower bound.

    Raises:
        ValueError: beta is so large that not even two points on an axis decode, or so small that millions do.

    Source: Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589, Theorem 4.
    """
    k = bias_lower_bound_grid(d, beta, GRID_EPSILON)
    if k > MOST_POINTS:
        raise ValueError(f"beta must be large enough for a grid of {MOST_POINTS} points an axis, got {beta}: {k:.3g}")
    return FiniteLaw(d, np.linspace(-1.0, 1.0, k), np.full(k, 1 / k))


def gaussian(d: int, beta: float) -> GaussianLaw:
    """N(0, I_d)."""
    return GaussianLaw(d)


def corner_mixture(d: int, beta: float) -> CornerMixture:
    """Gaussians of width `CORNER_SPREAD` around the corners of the cube, truncated to it.

    Source: after Goldfeld, Greenewald and Polyanskiy, arXiv:1810.11589, section VI; the width is our choice.
    """
    return CornerMixture(d, CORNER_SPREAD)


KNOWN_LAWS: dict[str, Callable[[int, float], KnownLaw]] = {
    "hypercube": hypercube,
    "skewed_hypercube": skewed_hypercube,
    "grid": grid,
    "gaussian": gaussian,
    "corner_mixture": corner_mixture,
}
