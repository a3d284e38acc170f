"""What other estimators of the field would have claimed of a layer."""

import math

from ib_core.estimators.measure import Measure, SeenLayer
from ib_core.estimators.pairwise import pairwise_bounds
from ib_core.estimators.unpooled import slides_information

VARIANCES = (1e-3, 1e-1)  # of Saxe et al., ICLR 2018, for the rule of twelve bits and for MNIST
MOST_SIGNALS = 2**15  # whose pairs are looked at, as far as two passes of each atom are not more
TARGET = 2e-2  # nats, standard error of each entropy of the slides' estimate


def claimed(layer: SeenLayer) -> dict[str, float | dict[float, float]]:
    """Values of I(X; T_l) in nats by kernel densities, pairwise distances and passes that are not pooled.

    kernel_density is what is published as the upper estimate, with a Gaussian of the named variance in place of the
    layer's noise; pairwise are the bounds of Kolchinsky and Tracey at the layer's own noise, of the deterministic twin
    and of the channel of the stored passes; unpooled is the estimate of the slides.
    """
    passes, twin, weights = layer.passes, layer.clean[:, None], layer.law.weights
    assert passes is not None  # as the measure asks for them
    some = passes[:, : max(2, MOST_SIGNALS // len(passes))]
    of_twin, of_passes = (pairwise_bounds(each, layer.beta, weights=weights).information for each in (twin, some))
    return {
        "pairwise_twin_low": of_twin[0],
        "pairwise_twin_high": of_twin[1],
        "pairwise_passes_low": of_passes[0],
        "pairwise_passes_high": of_passes[1],
        "unpooled": slides_information(passes, layer.beta, weights=weights, target_stderr=TARGET).information.value,
        "kernel_density": {
            variance: pairwise_bounds(twin, math.sqrt(variance), weights=weights).information[1]
            for variance in VARIANCES
        },
    }


claims = Measure(
    claimed,
    "I(X;T) in nats as kernel densities (by variance), pairwise distances and unpooled passes would have it",
    needs_passes=True,
    of_pairs=True,
)
