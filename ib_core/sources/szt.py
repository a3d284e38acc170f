"""The data set of Shwartz-Ziv and Tishby (2017), generated from its rule.

The label of a 12-bit pattern is a rotation-invariant function on 12 points of the sphere: the degree-0 plus the
degree-1 norm of the pattern's spherical power spectrum, against a threshold. This reproduces all 4096 published labels.
"""

import numpy as np
from scipy.special import expit

from ib_core.laws.input_law import InputLaw
from ib_core.laws.points import Points
from ib_core.laws.source import Source

N_BITS = 12
THRESHOLD = 7.63  # any value in [7.562778, 7.701301) gives the published labels
GAIN = 53.83  # of the soft rule: I(X;Y) = .99 bits

_PHI = (1 + 5**0.5) / 2
# Vertices of a regular icosahedron on the unit sphere, in the column order of the published patterns.
VERTICES = (
    np.array(
        [
            (0, 1, _PHI),
            (0, -1, _PHI),
            (1, -_PHI, 0),
            (_PHI, 0, 1),
            (-1, -_PHI, 0),
            (-1, _PHI, 0),
            (-_PHI, 0, -1),
            (0, 1, -_PHI),
            (_PHI, 0, -1),
            (0, -1, -_PHI),
            (1, _PHI, 0),
            (-_PHI, 0, 1),
        ]
    )
    / (1 + _PHI**2) ** 0.5
)


def patterns() -> np.ndarray:
    """All 4096 patterns (4096, 12): row i is i in binary, column 0 the most significant bit."""
    return (np.arange(2**N_BITS)[:, None] >> np.arange(N_BITS)[::-1] & 1).astype(np.float64)


def labels(x: np.ndarray) -> np.ndarray:
    """The published label of each pattern: (n, 12) of 0 and 1 -> (n,) int64.

    Source: Shwartz-Ziv and Tishby, arXiv:1703.00810; the threshold rule was recovered from the released arrays.
    """
    return (_score(x) > THRESHOLD).astype(np.int64)


def label_probabilities(x: np.ndarray, gain: float = GAIN) -> np.ndarray:
    """P(Y = 1 | x) of the soft rule, sigmoid(gain (score - threshold)): (n, 12) -> (n,).

    The label itself is the limit of infinite gain.

    Source: Shwartz-Ziv and Tishby, arXiv:1703.00810, who set I(X;Y) = .99 bits; the gain follows from that.
    """
    return expit(gain * (_score(x) - THRESHOLD))


def soft_joint(gain: float = GAIN) -> np.ndarray:
    """p(x, y) of the soft rule, (4096, 2), uniform in x: what the information-bottleneck curve starts from."""
    p = label_probabilities(patterns(), gain)
    return np.stack([1 - p, p], axis=1) / len(p)


def _score(x: np.ndarray) -> np.ndarray:
    return x.sum(axis=1) + np.linalg.norm(x @ VERTICES, axis=1)


def points() -> Points:
    """All 4096 patterns with their labels."""
    x = patterns()
    return Points(x, labels(x))


def law() -> InputLaw:
    """The uniform law on all 4096 patterns."""
    return points().law(np.arange(2**N_BITS))


szt = Source(points, "the 4096 patterns of Shwartz-Ziv and Tishby (2017)", soft_joint)
