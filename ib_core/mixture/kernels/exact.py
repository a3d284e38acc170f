"""Kernel sums from float64 differences: slow, and right wherever a point lies."""

import numpy as np
import torch

# |t|^2 + |s|^2 - 2 t.s in float64 errs by about 2e-16 |t|^2: beyond this square it would cost 1e-7 nats.
EXPANDED_REACH = 1e9
EXACT_BYTES = 2**25  # of a tile of exact squared distances


def log_kernel(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(m, N) of ln sum_k exp(-|t - s_jk|^2 / 2) from float64 differences, with each atom's own maximum.

    Args:
        points: (m, d).
        centres: (N, n_x, d).
    """
    n, passes, d = centres.shape
    signals = torch.from_numpy(centres.reshape(-1, d))
    logs = np.empty((len(points), n))
    rows = max(1, EXACT_BYTES // (8 * len(signals)))
    for first in range(0, len(points), rows):
        tile = torch.from_numpy(points[first : first + rows])
        distances = torch.cdist(tile, signals, compute_mode="donot_use_mm_for_euclid_dist")
        exponents = (distances.square_() / -2).reshape(len(tile), n, passes)
        logs[first : first + rows] = torch.logsumexp(exponents, 2)
    return logs
