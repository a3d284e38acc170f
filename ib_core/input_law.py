"""The law P_X of the input: finitely many atoms with weights and labels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class InputLaw:
    """A finite law of (X, Y): atom x_i has probability w_i and label y_i.

    A data set is enumerated, never resampled: a bootstrap of 4096 rows has entropy 7.745 instead of ln 4096 = 8.318
    nats and would look like a shift where there is none.

    Attributes:
        atoms: (N, d) float64.
        weights: (N,) float64, non-negative, sum 1.
        labels: (N,) int64, classes 0..C-1.
    """

    atoms: np.ndarray
    weights: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.atoms)
        if self.atoms.ndim != 2 or self.weights.shape != (n,) or self.labels.shape != (n,):
            raise ValueError(
                f"a law needs atoms (N, d), weights (N,) and labels (N,), got {self.atoms.shape}, "
                f"{self.weights.shape} and {self.labels.shape}"
            )
        if (self.weights < 0).any() or abs(self.weights.sum() - 1) > 1e-9:
            raise ValueError(f"weights must be non-negative with sum 1, got sum {self.weights.sum()!r}")

    @property
    def entropy(self) -> float:
        """H(X) in nats."""
        return entropy(self.weights)

    def reweighted(self, weights: np.ndarray) -> "InputLaw":
        """The same atoms and labels with other weights (N,)."""
        return InputLaw(self.atoms, weights, self.labels)

    def moved(self, atoms: np.ndarray) -> "InputLaw":
        """The same weights and labels at other places (N, d)."""
        return InputLaw(atoms, self.weights, self.labels)


def entropy(weights: np.ndarray) -> float:
    """H(w) = -sum w ln w in nats, with 0 ln 0 = 0; weights (N,)."""
    positive = weights[weights > 0]
    return float(-(positive * np.log(positive)).sum())
