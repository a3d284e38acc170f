"""An order in which neighbours in space stand near each other."""

import numpy as np

LEAF = 128


def spatial_order(points: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """Indices (n,) that sort points (n, d) by group and, within a group, as the leaves of a k-d tree.

    Args:
        points: (n, d).
        group_of: (n,) integers.
    """
    pending = [np.flatnonzero(group_of == group) for group in np.unique(group_of)[::-1]]
    leaves = []
    while pending:
        members = pending.pop()
        if len(members) <= LEAF:
            leaves.append(members)
            continue
        widest = np.argmax(np.ptp(points[members], axis=0))
        # Multiples of the leaf on the left: blocks of that many atoms then are leaves.
        half = LEAF * max(1, round(len(members) / (2 * LEAF)))
        members = members[np.argsort(points[members, widest], kind="stable")]
        pending += [members[half:], members[:half]]
    return np.concatenate(leaves)
