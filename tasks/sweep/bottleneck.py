"""The information-bottleneck curve of a sweep's data: what any representation could know of Y at each I(X;T)."""

import numpy as np
import pandas as pd

from ib_core.channels.bottleneck import bottleneck_curve
from ib_core.laws.input_law import InputLaw, entropy, places
from tasks.sweep.schema import columns, shaped

# Dense where the first codes appear, and far enough to come to the end of the curve.
MULTIPLIERS = np.concatenate([1 + np.geomspace(1e-3, 1, 12), np.geomspace(3, 1000, 16)])


def bottleneck_table(law: InputLaw, soft_joint: np.ndarray | None = None) -> pd.DataFrame:
    """A row per rule and multiplier, nats: "labels" is Y as the law has it, "soft rule" the authors' stochastic Y.

    `gap` certifies a point: I(X;T) - multiplier I(T;Y) is at most that far above its minimum.

    Args:
        law: of the data.
        soft_joint: p(x, y) of the soft rule, (N, classes), where there is one.
    """
    rows = [] if _is_function(law) else _curve("labels", law.weights[:, None] * _one_hot(law.labels))
    if not rows:  # then the curve has two points only, the origin and I(X;T) = I(T;Y) = H(Y)
        entropy_y = entropy(np.bincount(law.labels, law.weights))
        classes = len(np.unique(law.labels[law.weights > 0]))
        rows = [
            ("labels", 1.0, 0.0, 0.0, 0.0, 1),
            ("labels", float(MULTIPLIERS[0]), entropy_y, entropy_y, 0.0, classes),
        ]
    if soft_joint is not None:
        rows += _curve("soft rule", soft_joint)
    table = shaped("bottleneck", pd.DataFrame(rows, columns=list(columns("bottleneck"))))
    return table.drop_duplicates(["rule", "compression", "relevance"], ignore_index=True)


def _curve(rule: str, joint: np.ndarray) -> list[tuple]:
    return [(rule, *point) for point in bottleneck_curve(joint, MULTIPLIERS)]


def _one_hot(labels: np.ndarray) -> np.ndarray:
    return labels[:, None] == np.arange(labels.max() + 1)


def _is_function(law: InputLaw) -> bool:
    """Whether equal inputs have equal labels."""
    (place,) = places(law.atoms)
    least, most = np.full(place.max() + 1, np.iinfo(np.int64).max), np.full(place.max() + 1, -1)
    np.minimum.at(least, place, law.labels)
    np.maximum.at(most, place, law.labels)
    return bool((least == most).all())
