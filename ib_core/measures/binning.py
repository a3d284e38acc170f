"""What binning of the deterministic twin would claim, as much of the field estimates it."""

from ib_core.estimators.binning import BinnedInformation, activation_range, binned_twin
from ib_core.estimators.measure import Measure, SeenLayer

BINS = 30  # Shwartz-Ziv and Tishby, arXiv:1703.00810
# Four widths of Goldfeld et al., arXiv:1810.05728; .007 of their code, .07 and (MNIST) .5 of Saxe et al., ICLR 2018.
WIDTHS = (1e-4, 1e-3, 7e-3, 1e-2, 7e-2, 1e-1, 5e-1)


def binned(layer: SeenLayer) -> dict[str, float | dict[float, float]]:
    """I(X; bins) and I(bins; Y) in nats for 30 bins over the range of the activation, how many vectors of bins occur,
    and both against the width of the bins."""
    low, high = span = activation_range(layer.clean, layer.half_width)

    def found(width: float) -> BinnedInformation:
        return binned_twin(layer.clean, width, span, weights=layer.law.weights, labels=layer.law.labels)

    thirty = found((high - low) / BINS if high > low else 1.0)
    by_width = {width: found(width) for width in WIDTHS}
    return {
        "I_X_bins": thirty.information,
        "I_bins_Y": _known(thirty),
        "occupied": float(thirty.occupied),
        "I_X_bins_by_width": {width: each.information for width, each in by_width.items()},
        "I_bins_Y_by_width": {width: _known(each) for width, each in by_width.items()},
    }


def _known(found: BinnedInformation) -> float:
    assert found.label_information is not None  # labels were given
    return found.label_information


binning = Measure(
    binned,
    "without noise: information of 30 bins that fit the activation about X (their entropy) and Y in nats, by the width "
    "of bins too, and how many vectors of bins occur",
)
