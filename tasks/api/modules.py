"""Which layers a model has."""

from typing import TYPE_CHECKING, Any

from torch import nn

from ib_core.checks import finite_array
from ib_core.networks.checks import ROWS
from ib_core.networks.hooks import NetworkError
from ib_core.networks.module_table import ModuleRow, module_table

if TYPE_CHECKING:
    import pandas as pd


def layers(model: nn.Module, x: Any) -> "pd.DataFrame":
    """A row for every tensor that a submodule gives: shape, width, half-width, why it cannot be noised, if so.

    Args:
        model: maps inputs to logits; it is left as it is.
        x: (N, ...) some inputs, two at least.

    Returns:
        A table by name, in the order of the forward pass. The names where `suggested` is true are good layers for
        `measure`: `layers(model, x).query("suggested").index`.

    Raises:
        NetworkError: the model fails on these inputs.

    Example:
        >>> import numpy as np
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        >>> layers(model, np.zeros((2, 3)))[["kind", "shape", "half_width", "suggested"]]
                kind shape  half_width  suggested
        name
        0     Linear  (4,)         NaN      False
        1       Tanh  (4,)         1.0       True
        2     Linear  (2,)         NaN      False
    """
    import pandas as pd

    if not isinstance(model, nn.Module):
        raise NetworkError(f"a network must be a torch.nn.Module, got {type(model).__name__}")
    rows = module_table(model, finite_array(x[:ROWS], "x", None))
    table = pd.DataFrame(rows, columns=ModuleRow._fields).set_index("name")
    return table.astype({"width": "Int64", "half_width": "float64"})
