"""Which epochs of a training are kept."""

import numpy as np


def log_spaced_epochs(last: int, count: int) -> list[int]:
    """At most `count` distinct epochs up to `last`, even on a logarithmic axis; from 1 on if there are several."""
    return sorted({round(epoch) for epoch in np.geomspace(last, 1, count)})
