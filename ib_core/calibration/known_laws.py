"""Laws of a signal whose smoothed entropy is known: independent coordinates of one scalar law."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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


KnownLaw = FiniteLaw | GaussianLaw
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


KNOWN_LAWS: dict[str, Callable[[int, float], KnownLaw]] = {
    "hypercube": hypercube,
    "skewed_hypercube": skewed_hypercube,
    "grid": grid,
    "gaussian": gaussian,
}
