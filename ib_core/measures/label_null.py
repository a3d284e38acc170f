"""I(T; Y) beside its values for labels in random order."""

import numpy as np

from ib_core.estimators.label_null import label_null as permuted
from ib_core.estimators.measure import Measure, SeenLayer


def against_null(layer: SeenLayer) -> dict[str, float]:
    """I(T; Y) of the channel of the passes, the middle 95 % and the mean of its values for permuted labels, and p."""
    assert layer.passes is not None and layer.law.labels is not None  # it asks for passes, and points have labels
    found = permuted(layer.passes, layer.beta, layer.law.labels, weights=layer.law.weights)
    low, high = np.quantile(found.null, [0.025, 0.975])
    return {
        "I_T_Y": found.observed,
        "null_mean": float(found.null.mean()),
        "null_low": float(low),
        "null_high": float(high),
        "p_value": found.p_value,
    }


label_null = Measure(
    against_null,
    "I(T;Y) of the stored passes in nats, what labels in random order would give, and the p-value of that",
    needs_passes=True,
)
