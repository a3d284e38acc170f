"""How a layer clusters its inputs: distances and angles between pairs, and connected clusters at a scale."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ib_core.checks import finite_array, label_indices, law_column, positive

TILE = 512  # rows and columns of pairs at a time: 2 MiB for each number of a pair
COSINES = 20  # bins of the histograms


@dataclass(frozen=True)
class Clustering:
    """Pairs of distinct atoms, drawn from the law: means over those of one class and over those of two.

    Attributes:
        distance_within, distance_between: mean Euclidean distance; NaN where there is no such pair.
        cosine_within, cosine_between: mean cosine; pairs with the zero vector, which has no direction, are left out.
        cosines_within, cosines_between: (20,) shares of the cosines in even bins of [-1, 1].
        clusters: connected components of the graph that joins signals at most `scale` apart.
    """

    distance_within: float
    distance_between: float
    cosine_within: float
    cosine_between: float
    cosines_within: np.ndarray
    cosines_between: np.ndarray
    clusters: int


def cosine_places() -> np.ndarray:
    """The middles (20,) of the bins of the histograms."""
    return (np.arange(COSINES) + 0.5) * 2 / COSINES - 1


def clustering(signals: Any, labels: Any, scale: float, *, weights: Any = None) -> Clustering:
    """Distances, cosines and clusters of the signals of a deterministic layer, tile by tile over all pairs.

    A pair i, j of distinct atoms has the weight w_i w_j, normalised over the pairs of its kind. The clusters are those
    of single linkage cut at `scale`, which are those of DBSCAN where every point is a core point: no grid is laid, so
    their number does not depend on where it would begin. Atoms of weight 0 are not there.

    Args:
        signals: (N, d).
        labels: (N,) classes.
        scale: distance up to which two signals are joined.
        weights: (N,) law of the atoms; uniform by default.

    Source: what is compared, Goldfeld et al., ICML 2019 (arXiv:1810.05728), section 5; Ester et al., KDD 1996.

    Example:
        >>> found = clustering([[0.0, 1.0], [0.0, 1.5], [9.0, 0.0]], [0, 0, 1], scale=1.0)
        >>> found.clusters, found.distance_within, found.cosine_within, found.cosine_between
        (2, 0.5, 1.0, 0.0)
    """
    scale = positive(scale, "scale")
    signals = finite_array(signals, "signals", "(N, d)")
    law, label = law_column(weights, len(signals))[:, 0], label_indices(labels, len(signals))
    some = law > 0
    if not some.all():
        signals, law, label = signals[some], law[some], label[some]
    # float64, because |a - b|^2 = |a|^2 + |b|^2 - 2 a.b cancels: at beta = .005 float32 would be off by a hundredth.
    norms = np.einsum("ij,ij->i", signals, signals)
    lengths = np.sqrt(norms)
    sums, cosines, cluster = np.zeros((2, 4)), np.zeros((2, COSINES)), np.arange(len(signals))
    for first, second, products in _tiles(signals):
        a, b = slice(first, first + products.shape[0]), slice(second, second + products.shape[1])
        distances = np.sqrt(np.maximum(norms[a, None] + norms[b] - 2 * products, 0))
        close = np.nonzero(distances <= scale)
        cluster = _joined(cluster, close[0] + first, close[1] + second)
        pairs = np.outer(law[a], law[b])
        if first == second:
            pairs = np.triu(pairs, 1)  # each pair once
        same = label[a, None] == label[b]
        directed = np.outer(lengths[a], lengths[b])
        known = directed > 0
        cosine = np.clip(np.divide(products, directed, out=products, where=known), -1, 1)
        bins = np.minimum(((cosine + 1) * (COSINES / 2)).astype(np.int8), COSINES - 1)
        with_direction = pairs * known
        keys = (bins + COSINES * ~same).ravel()
        cosines += np.bincount(keys, with_direction.ravel(), 2 * COSINES).reshape(2, COSINES)
        for column, each in enumerate((pairs, pairs * distances, with_direction, with_direction * cosine)):
            within = float(each[same].sum())
            sums[:, column] += within, float(each.sum()) - within
    near, far = sums.tolist()
    histograms = [counts / counts.sum() if counts.sum() > 0 else np.full(COSINES, math.nan) for counts in cosines]
    return Clustering(
        distance_within=_ratio(near[1], near[0]),
        distance_between=_ratio(far[1], far[0]),
        cosine_within=_ratio(near[3], near[2]),
        cosine_between=_ratio(far[3], far[2]),
        cosines_within=histograms[0],
        cosines_between=histograms[1],
        clusters=len(np.unique(cluster)),
    )


def _tiles(signals: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """The products of all pairs, each once: number of the first row and of the first column of a tile, and the tile."""
    for first in range(0, len(signals), TILE):
        for second in range(first, len(signals), TILE):
            yield first, second, signals[first : first + TILE] @ signals[second : second + TILE].T


def _joined(cluster: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The clusters (N,) of nodes after these pairs of nodes were joined."""
    one, other = cluster[one], cluster[other]
    apart = one != other
    if not apart.any():
        return cluster
    n = len(cluster)
    graph = coo_array((np.ones(apart.sum(), bool), (one[apart], other[apart])), shape=(n, n))
    return connected_components(graph, directed=False)[1][cluster]


def _ratio(total: float, mass: float) -> float:
    return total / mass if mass > 0 else math.nan
