"""The information-bottleneck curve of a sweep's data: what any representation could know of Y at each I(X;T)."""

import numpy as np
import pandas as pd

from ib_core.channels.bottleneck import bottleneck_curve
from ib_core.laws.input_law import InputLaw
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
    classes = np.arange(law.labels.max() + 1)
    joints = {"labels": law.weights[:, None] * (law.labels[:, None] == classes)}
    if soft_joint is not None:
        joints["soft rule"] = soft_joint
    rows = [(rule, *point) for rule, joint in joints.items() for point in bottleneck_curve(joint, MULTIPLIERS)]
    # A label that is a function of x has two points only, the origin and I(X;T) = I(T;Y) = H(Y).
    table = shaped("bottleneck", pd.DataFrame(rows, columns=list(columns("bottleneck"))))
    return table.drop_duplicates(["rule", "compression", "relevance"], ignore_index=True)
