"""A measure of a layer beside its information: numbers and curves made from its signals under a law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ib_core.laws.input_law import InputLaw
from ib_core.members import Registry


@dataclass(frozen=True)
class SeenLayer:
    """What a measure sees of a layer S_l under a law.

    Attributes:
        clean: (N, d) float32, the signals of the deterministic twin: the same weights without noise on any layer.
        law: of the N atoms, with their labels.
        beta: standard deviation of the layer's noise.
        half_width: every signal lies in an interval of twice this length; None where nothing bounds it.
        passes: (N, n_passes, d) float32, signals with the noise of the layers before; none without `needs_passes`.
    """

    clean: np.ndarray
    law: InputLaw
    beta: float
    half_width: float | None
    passes: np.ndarray | None = None


class Measure(NamedTuple):
    """Numbers and curves made from a layer under a law of its atoms.

    Attributes:
        apply: from what is seen, each number by its name; a curve is a mapping of where it is known to its values.
        description: one line for people, with units.
        needs_passes: whether it reads the noisy signals. Layers that are too wide to be stored have none: there such a
            measure is left out, and any other one sees some of the atoms, as many of each class as it has a share.
        of_pairs: whether it looks at all pairs of atoms, which is what it then costs.
    """

    apply: Callable[[SeenLayer], Mapping[str, float | Mapping[float, float]]]
    description: str
    needs_passes: bool = False
    of_pairs: bool = False


MEASURES = Registry("ib_core.measures", Measure)
