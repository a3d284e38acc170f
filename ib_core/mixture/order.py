"""An order in which neighbours in space stand near each other."""

import numpy as np

LEAF = 128
MOST_COLUMNS = 16  # the widest coordinates, among which a wide layer is split


def spatial_order(points: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """Indices (n,) that sort points (n, d) by group and, within a group, as the leaves of a k-d tree.

    Args:
        points: (n, d).
        group_of: (n,) integers.
    """
    order = np.argsort(group_of, kind="stable")
    widths = points.max(0) - points.min(0)
    columns = points.T[np.sort(np.argsort(-widths, kind="stable")[:MOST_COLUMNS])].take(order, axis=1)  # (16 or d, n)
    ends = np.cumsum(np.unique(group_of, return_counts=True)[1])
    pending = list(zip(np.r_[0, ends[:-1]], ends, strict=True))
    while pending:
        start, end = pending.pop()
        if end - start <= LEAF:
            continue
        part = columns[:, start:end]
        widest = np.argmax(part.max(1) - part.min(1))
        # Multiples of the leaf on the left: blocks of that many atoms then are leaves.
        half = LEAF * max(1, round((end - start) / (2 * LEAF)))
        halves = np.argpartition(part[widest], half)
        columns[:, start:end] = part.take(halves, axis=1)
        order[start:end] = order[start:end][halves]
        pending += [(start, start + half), (start + half, end)]
    return order
