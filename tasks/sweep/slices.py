"""The information of a layer's projections on few directions: not saturated where that of the layer is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ib_core.estimators.network_layer import direction_atoms, direction_passes, layer_directions
from ib_core.estimators.sample_propagation import LayerInformation
from ib_core.estimators.sliced import (
    SlicedInformation,
    discriminant_directions,
    mean_sliced_information,
    principal_directions,
    random_directions,
    sliced_information,
)
from ib_core.laws.input_law import InputLaw
from ib_core.mixture.signal_blocks import SignalBlocks, tiles
from tasks.sweep.activations import Activations
from tasks.sweep.laws import law_of
from tasks.sweep.networks import checkpoint, level_of
from tasks.sweep.sampling import Sampling

SATURATED = 0.95  # of H(X): above it "auto" slices are measured
KEPT = 16  # layers whose directions a process keeps
AUTO_SHARE = 0.2  # of the cells, perhaps, have a saturated layer


@dataclass(frozen=True)
class Slices:
    """Which projections of a layer are measured too.

    Attributes:
        kind: of directions; "auto": principal ones where the layer is saturated.
        k: directions; layers of fewer units take them all.
        n: random slices, over which the mean is taken.
    """

    kind: Literal["auto", "none", "principal", "discriminant", "random"]
    k: int
    n: int

    def wanted(self, saturation: float) -> bool:
        """Whether a layer is projected."""
        return saturation > SATURATED if self.kind == "auto" else self.kind != "none"

    @property
    def share(self) -> float:
        """Roughly how many projections there are for each cell."""
        return AUTO_SHARE if self.kind == "auto" else self.n


def slice_rows(
    slices: Slices,
    sampling: Sampling,
    activations: Activations,
    reference: Activations,
    layer: int,
    stored: np.ndarray | SignalBlocks,
    laws: dict[str, InputLaw],
    targets: Sequence[float],
) -> pd.DataFrame:
    """The ends of I(X; U T) for each law, of the mean over slices where there are several; columns of the estimates.

    Args:
        slices: which.
        sampling: how.
        activations: of the cell, whose own passes are used too.
        reference: of the reference law, whose signals show where to look.
        layer: which.
        stored: its signals (N, n_passes, d).
        laws: by name, on these atoms.
        targets: times the target standard error that each may err.
    """
    atoms = next(iter(laws.values())).atoms
    options = {
        "own": sampling.own(activations, layer, atoms, "own"),
        "deterministic": layer == 1,
        "weights": np.stack([law.weights for law in laws.values()], axis=1),
        **sampling.options(targets),
    }
    beta = level_of(activations.network, layer)
    directions = _directions(slices, sampling.seed, reference, layer)
    measure = sliced_information if directions.ndim == 2 else mean_sliced_information
    found: LayerInformation | SlicedInformation = measure(stored, beta, directions, **options)
    rows = []
    for k, law in enumerate(laws):
        low, high = (float(end[k]) for end in found.bracket)
        facts = {"law": law, "reached": bool(found.reached[k]), "quantity": "I_X_UT"}
        for estimator, end, form in (("upper", found.upper, ""), ("lower", found.lower, found.lower_form[k])):
            assert end is not None  # a cell has own passes, or a deterministic layer
            estimate = {"estimator": estimator, "value": float(end.value[k]), "stderr": float(end.stderr[k])}
            bracket = {"lower": low, "upper": high, "saturation": float(found.saturation[k]), "form": form}
            rows.append({**facts, **estimate, **bracket, "draws": found.draws})
    return pd.DataFrame(rows)


def _directions(slices: Slices, seed: int, reference: Activations, layer: int) -> np.ndarray:
    """U (k, d), or (n, k, d) for random slices: the same for all cells of a layer, whatever law moves the atoms."""
    d = reference.width(layer)
    k = min(slices.k, d)
    if slices.kind == "random":
        return random_directions(d, k, slices.n, seed)

    def found() -> np.ndarray:
        law, network = law_of(reference.law), checkpoint(reference.network, reference.epoch)
        signals = direction_passes(network, layer, law.atoms, reference.network.seed)
        labels = law.labels[direction_atoms(len(law.atoms))]
        if slices.kind == "discriminant" and not reference.is_wide(layer):
            return discriminant_directions(np.concatenate([tile for _, tile in tiles(signals, "signals")]), labels, k)
        return principal_directions(signals, k)

    return _once((reference.identity, layer, slices.kind, k), found)


def wide_directions(reference: Activations, layer: int, seed: int) -> np.ndarray:
    """Directions that stand for a wide layer, the same for all of its cells."""

    def found() -> np.ndarray:
        law, network = law_of(reference.law), checkpoint(reference.network, reference.epoch)
        return layer_directions(network, layer, law.atoms, passes_seed=reference.network.seed, seed=seed)

    return _once((reference.identity, layer, "wide", seed), found)


_found: dict[tuple, np.ndarray] = {}  # of the last layers that this process has met: all their cells ask for them


def _once(key: tuple, find: Callable[[], np.ndarray]) -> np.ndarray:
    if key not in _found:
        if len(_found) >= KEPT:
            _found.pop(next(iter(_found)))
        _found[key] = find()
    return _found[key]
