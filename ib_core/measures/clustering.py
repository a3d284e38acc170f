"""How a layer clusters its inputs, seen without noise and held against the scale of the noise."""

import math

from ib_core.estimators.binning import activation_range, binned_twin
from ib_core.estimators.clustering import clustering as clusters_of
from ib_core.estimators.clustering import cosine_places
from ib_core.estimators.measure import Measure, SeenLayer

WIDTHS = tuple(2.0**k for k in range(-2, 6))  # of bins, in units of beta
PUBLISHED = 10.0  # the width in units of beta that Goldfeld et al., ICML 2019, choose
JOINED = 2.0  # signals this many beta apart are joined: there two Gaussians of equal weight stop having two modes


def clustered(layer: SeenLayer) -> dict[str, float | dict[float, float]]:
    """Distances between pairs of a class and of two, cosines, entropies of bins, and how many clusters there are."""
    law, beta, span = layer.law, layer.beta, activation_range(layer.clean, layer.half_width)

    def entropy(width: float) -> float:
        return binned_twin(layer.clean, width * beta, span, weights=law.weights).information

    found = clusters_of(layer.clean, law.labels, JOINED * beta, weights=law.weights)
    published = entropy(PUBLISHED)
    return {
        "distance_within": found.distance_within,
        "distance_between": found.distance_between,
        "distance_within_beta": found.distance_within / beta,
        "distance_between_beta": found.distance_between / beta,
        "cosine_within": found.cosine_within,
        "cosine_between": found.cosine_between,
        "H_bins": published,
        "clusters_of_bins": math.exp(published),
        "clusters": float(found.clusters),
        "H_bins_by_width_beta": {width: entropy(width) for width in WIDTHS},
        "cosines_within": dict(zip(cosine_places(), found.cosines_within, strict=True)),
        "cosines_between": dict(zip(cosine_places(), found.cosines_between, strict=True)),
    }


clustering = Measure(
    clustered,
    "without noise: mean distances of pairs within a class and of two (also in units of beta), mean cosines, entropy "
    "of bins of 10 beta in nats, exp of it, and how many clusters there are where signals 2 beta apart are joined",
    of_pairs=True,
)
