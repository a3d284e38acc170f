"""The family `class_prior`."""

import numpy as np

from ib_core.laws.family import Shift, Unreachable, family
from ib_core.laws.input_law import InputLaw
from ib_core.laws.mixing import mix


@family("tv")
def class_prior(law: InputLaw, size: float, label: int = 1) -> Shift:
    """Label shift: mass moves to class `label` until TV = size; the laws within the classes stay."""
    contaminant = np.where(law.labels == label, law.weights, 0.0)
    if not contaminant.any():
        raise Unreachable(f"no atom of the law has label {label}")
    return mix(law, contaminant / contaminant.sum(), size)
