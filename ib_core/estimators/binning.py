"""Mutual information of a binned layer, as much of the field estimates it."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ib_core.checks import finite_array, label_indices, law_column, positive

COLUMNS = 64  # units that are told apart at a time
TWIN = "entropy of the binned deterministic layer: how it clusters its inputs, not I(X;T)"


@dataclass(frozen=True)
class BinnedInformation:
    """Information of a binned layer about the input and, with labels, about the label.

    Attributes:
        information: I(X; bins of S); the entropy of the occupied bins where there is one pass per atom.
        label_information: I(bins of S; Y); None without labels.
        occupied: bins of the whole vector that some pass falls into.
        measures: what these numbers are, in words.
    """

    information: float
    label_information: float | None
    occupied: int
    measures: str


def bin_edges(signals: Any, bins: int = 30, fit: Literal["tanh", "range", "quantiles"] = "tanh") -> np.ndarray:
    """Edges (bins + 1,) of the bins that all units of a layer share.

    Args:
        signals: of a layer, any shape.
        bins: number of bins for each unit.
        fit: "tanh" divides [-1, 1] evenly; "range" what the data cover, for ReLU and other unbounded layers;
            "quantiles" puts equally many data into each bin, as far as ties allow: a ReLU has many zeros.

    Source: Shwartz-Ziv and Tishby, arXiv:1703.00810 (30 even bins for tanh); Saxe et al., ICLR 2018 (range).
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    values = finite_array(signals, "signals", None)
    if fit == "quantiles":
        return np.quantile(values, np.linspace(0, 1, bins + 1))
    if fit not in ("tanh", "range"):
        raise ValueError(f'fit must be "tanh", "range" or "quantiles", got {fit!r}')
    low, high = (-1.0, 1.0) if fit == "tanh" else (values.min(), values.max())
    return np.linspace(low, high, bins + 1)


def activation_range(signals: Any, half_width: float | None) -> tuple[float, float]:
    """Where the bins of a layer begin and end, as fits its activation.

    A layer of reach h is binned over [-h, h], or over [0, 2h] where no signal is negative and h is not that of a tanh;
    any other one over what its signals cover, from 0 where none is negative, as of a ReLU.

    Args:
        signals: of the layer, any shape.
        half_width: every signal lies in an interval of twice this length; None where nothing bounds it.

    Example:
        >>> activation_range([0.2, 0.7], 1.0), activation_range([0.2, 0.7], 0.5), activation_range([0.2, 7.0], None)
        ((-1.0, 1.0), (0.0, 1.0), (0.0, 7.0))
    """
    values = finite_array(signals, "signals", None)
    low, high = float(values.min()), float(values.max())
    if half_width is not None:
        start = -half_width if low < 0 or half_width == 1 else 0.0
        if start <= low and high <= start + 2 * half_width:
            return start, start + 2 * half_width
    return min(low, 0.0), high


def binned_twin(
    signals: Any, width: float, span: tuple[float, float], *, weights: Any = None, labels: Any = None
) -> BinnedInformation:
    """H(bins of S) = I(X; bins of S) of a deterministic layer, and I(bins of S; Y), for bins of one width in each unit.

    Args:
        signals: (N, d), one of each atom.
        width: of a bin; the last one ends with the range.
        span: where the bins begin and end, see `activation_range`; what lies outside counts to the outermost bins.
        weights: (N,) law of the atoms; uniform by default.
        labels: (N,) Y as a function of X.

    Source: as of `binned_information`.
    """
    signals, width = finite_array(signals, "signals", "(N, d)"), positive(width, "width")
    low, high = span
    last = max(math.ceil((high - low) / width - 1e-9), 1) - 1
    symbol = np.zeros(len(signals), np.int64)
    for first in range(0, signals.shape[1], COLUMNS):  # of a wide layer all symbols at once would not fit
        cells = np.clip(np.floor((signals[:, first : first + COLUMNS] - low) / width), 0, last).astype(np.int64)
        _, symbol = np.unique(np.column_stack([symbol, cells]), axis=0, return_inverse=True)
        symbol = symbol.reshape(-1)
        if symbol.max() + 1 == len(symbol):
            break  # all are told apart
    mass = law_column(weights, len(signals))[:, 0]
    label_information = None
    if labels is not None:
        label = label_indices(labels, len(signals))
        joint = _entropy_of_groups(mass, symbol, label)
        label_information = _entropy_of_groups(mass, symbol) + _entropy_of_groups(mass, label) - joint
    occupied = len(np.unique(symbol[mass > 0]))
    return BinnedInformation(_entropy_of_groups(mass, symbol), label_information, occupied, TWIN)


def binned_information(passes: Any, edges: np.ndarray, *, weights: Any = None, labels: Any = None) -> BinnedInformation:
    """I(X; bins of S) and I(bins of S; Y): every unit is binned, and a vector of bins is one symbol.

    For a deterministic layer (one pass per atom) the bins are a function of X, so that this is the entropy of the bins:
    it tells how the layer clusters its inputs at the width of the bins, and nothing of I(X; T), which is infinite or
    H(X) without noise. With several passes it is the information of their empirical law over bins, near H(X) as soon
    as passes rarely meet in a bin.

    Args:
        passes: (N, n_x, d) signals, or hidden values, of N atoms.
        edges: (bins + 1,) ascending; what lies outside counts to the outermost bins.
        weights: (N,) law of the atoms; uniform by default.
        labels: (N,) Y as a function of X.

    Source: Shwartz-Ziv and Tishby, arXiv:1703.00810; what it measures: Goldfeld et al., arXiv:1810.05728.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    law = law_column(weights, n)[:, 0]
    symbols = np.searchsorted(edges[1:-1], passes, side="right").astype(np.int32).reshape(-1, d)
    occupied, symbol = np.unique(symbols, axis=0, return_inverse=True)
    symbol, mass = symbol.reshape(n, n_passes), np.repeat(law[:, None] / n_passes, n_passes, axis=1)
    output = _entropy_of_groups(mass, symbol)
    # H(bins | group) = H(bins, group) - H(group)
    atom = np.repeat(np.arange(n)[:, None], n_passes, axis=1)
    given_input = _entropy_of_groups(mass, symbol, atom) - _entropy_of_groups(mass, atom)
    label_information = None
    if labels is not None:
        label = label_indices(labels, n)[atom]
        label_information = output - (_entropy_of_groups(mass, symbol, label) - _entropy_of_groups(mass, label))
    return BinnedInformation(
        output - given_input if n_passes > 1 else output,
        label_information,
        len(occupied),
        TWIN if n_passes == 1 else "information of the empirical law of the passes over bins, not I(X;T)",
    )


def _entropy_of_groups(mass: np.ndarray, *keys: np.ndarray) -> float:
    """Entropy of the law that `mass` puts on the distinct tuples of keys, all of the same shape."""
    _, group = np.unique(np.stack([key.reshape(-1) for key in keys], axis=1), axis=0, return_inverse=True)
    probabilities = np.bincount(group.reshape(-1), weights=mass.reshape(-1))
    probabilities = probabilities[probabilities > 0]
    return -float(probabilities @ np.log(probabilities))
