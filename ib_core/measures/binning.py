"""What binning of the deterministic twin would claim, as much of the field estimates it."""

from ib_core.estimators.binning import bin_edges, binned_information
from ib_core.estimators.measure import Measure, SeenLayer

BINS = 30


def binned(layer: SeenLayer) -> dict[str, float]:
    """I(X; bins) and I(bins; Y) in nats, and how many vectors of bins occur: 30 even bins over the range of a layer."""
    edges = bin_edges(layer.clean, BINS, "range")
    law = layer.law
    found = binned_information(layer.clean[:, None], edges, weights=law.weights, labels=law.labels)
    label_information = found.label_information
    assert label_information is not None  # labels were given
    return {"I_X_bins": found.information, "I_bins_Y": label_information, "occupied": float(found.occupied)}


binning = Measure(binned, "information of 30 even bins over the range of the layer, nats; no estimate of I(X;T)")
