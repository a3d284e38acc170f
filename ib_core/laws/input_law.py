"""The law P_X of the input: finitely many atoms with weights and labels."""

import math
from dataclasses import dataclass

import numpy as np

from ib_core.checks import finite_array, integer_array, one_law
from ib_core.streams import stream

# Rows whose bits are held at a time.
BLOCK = 1024


@dataclass(frozen=True)
class InputLaw:
    """A finite law of (X, Y): atom x_i has probability w_i and label y_i.

    Rows with the same x are one atom of X, whatever their labels: entropy and distances are those of the law of X.

    A data set is enumerated, never resampled: a bootstrap of 4096 rows has entropy 7.745 instead of ln 4096 = 8.318
    nats and would look like a shift where there is none.

    Attributes:
        atoms: (N, d) float64, finite.
        weights: (N,) float64, non-negative, sum 1 within 1e-9.
        labels: (N,) int64, classes 0..C-1.
        shape: of one atom before it was a row, e.g. (28, 28) or (1, 28, 28); None is (d,).

    Raises:
        ValueError: shapes do not fit, an atom or weight is NaN or infinite, the weights are no law.

    Example:
        >>> law = InputLaw(atoms=[[0.0], [1.0], [1.0]], weights=[0.5, 0.25, 0.25], labels=[0, 0, 1])
        >>> round(law.entropy, 6)  # two equal rows are one atom of X: ln 2
        0.693147
    """

    atoms: np.ndarray
    weights: np.ndarray
    labels: np.ndarray
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        atoms = finite_array(self.atoms, "atoms", "(N, d)")
        weights = one_law(self.weights, "weights", "(N)")
        labels = integer_array(self.labels, "labels", "(N)")
        if not len(atoms) == len(weights) == len(labels):
            raise ValueError(
                f"a law needs atoms (N, d), weights (N,) and labels (N,), got {atoms.shape}, {weights.shape} and "
                f"{labels.shape}"
            )
        if labels.min() < 0:
            raise ValueError(f"labels must be classes 0..C-1, got {labels.min()}")
        if self.shape is not None:
            shape = tuple(integer_array(self.shape, "shape", "(k)").tolist())
            if min(shape) < 1 or math.prod(shape) != atoms.shape[1]:
                raise ValueError(f"shape must have as many entries as an atom, {atoms.shape[1]}, got {shape}")
            object.__setattr__(self, "shape", shape)
        for name, values in (("atoms", atoms), ("weights", weights), ("labels", labels)):
            object.__setattr__(self, name, values)

    @property
    def entropy(self) -> float:
        """H(X) in nats."""
        return entropy(merged(self.atoms, self.weights)[0])

    def reweighted(self, weights: np.ndarray) -> "InputLaw":
        """The same atoms and labels with other weights (N,)."""
        return InputLaw(self.atoms, weights, self.labels, self.shape)

    def moved(self, atoms: np.ndarray) -> "InputLaw":
        """The same weights and labels at other places (N, d)."""
        return InputLaw(atoms, self.weights, self.labels, self.shape)


def places(*atoms: np.ndarray) -> list[np.ndarray]:
    """For each array of atoms (N_k, d) the number (N_k,) of the place of every row: equal rows have the same.

    Places are numbered as they first appear.
    """
    rows = np.vstack(atoms) + 0.0  # -0 is 0
    keys = np.concatenate([_keys(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)])
    order = np.argsort(keys, kind="stable")
    differs = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
    if (differs & (keys[order[1:]] == keys[order[:-1]])).any():  # two places with one key
        order = np.lexsort(rows.T[::-1])
        differs = (rows[order[1:]] != rows[order[:-1]]).any(axis=1)
    group = np.empty(len(rows), np.int64)
    group[order] = np.concatenate([[0], np.cumsum(differs)])
    first = np.full(int(group.max()) + 1, len(rows))
    np.minimum.at(first, group, np.arange(len(rows)))
    owner = np.argsort(np.argsort(first))[group]
    return np.split(owner, np.cumsum([len(part) for part in atoms])[:-1])


def _keys(rows: np.ndarray) -> np.ndarray:
    """A number of each row, from its bits and the same for equal rows: images have too many columns to sort by."""
    bits = rows.view(np.uint64)
    for half in (32, 16):  # round numbers have all their bits on the left
        bits = bits ^ (bits >> np.uint64(half))
    factors = stream(0, "places").integers(2**64, size=rows.shape[1], dtype=np.uint64) | np.uint64(1)
    return bits @ factors  # integers that wrap around


def merged(atoms: np.ndarray, *weights: np.ndarray) -> list[np.ndarray]:
    """Weights (N,) on the same atoms, summed over equal rows, by place; untouched where no two rows are equal."""
    (owner,) = places(atoms)
    size = int(owner.max()) + 1
    return list(weights) if size == len(atoms) else [np.bincount(owner, w, size) for w in weights]


def entropy(weights: np.ndarray) -> float:
    """H(w) = -sum w ln w in nats, with 0 ln 0 = 0; weights (N,)."""
    positive = weights[weights > 0]
    return float(-(positive * np.log(positive)).sum())
