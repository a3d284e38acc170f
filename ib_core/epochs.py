"""Which epochs of a training are kept."""

import numpy as np


def log_spaced_epochs(last: int, count: int) -> list[int]:
    """At most `count` distinct epochs from 1 to `last`, even on a logarithmic axis."""
    return sorted({round(epoch) for epoch in np.geomspace(1, last, count)})
