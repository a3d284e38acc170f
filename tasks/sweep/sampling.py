"""How the layers of a sweep are sampled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ib_core.estimators.network_layer import WIDE_PASSES, further_passes
from ib_core.mixture.own_passes import OwnPasses
from tasks.engine.device import device_here
from tasks.sweep.activations import Activations
from tasks.sweep.networks import checkpoint


@dataclass(frozen=True)
class Sampling:
    """How a layer is sampled.

    Attributes:
        own_passes: further passes of each atom, propagated from the checkpoint block by block and never stored.
        confidence: "estimated" from the spread of passes, or "proven" by bounded differences.
        target_stderr: standard error (nats) to stop at, under the reference law.
        max_draws: most draws for each end of a bracket; None leaves it to the estimator.
        seed: key of the draws.
        relaxed: how many times the target is enough here; draws are fewer by its square.
        device: "cuda" where a GPU computes, whose last digits differ.
    """

    own_passes: int
    confidence: Literal["estimated", "proven"]
    target_stderr: float
    max_draws: int | None
    seed: int
    relaxed: float
    device: str | None

    def options(self, targets: Sequence[float]) -> dict[str, Any]:
        """Arguments of an estimator for laws (K,) that may err by so many times the target."""
        most = self.max_draws
        return {
            "confidence": self.confidence,
            "target_stderr": self.target_stderr * self.relaxed * np.array(targets),
            "max_draws": None if most is None else math.ceil(most / self.relaxed**2),
            "seed": self.seed,
            "device": device_here(self.device),
        }

    def own(self, activations: Activations, layer: int, atoms: np.ndarray, purpose: str) -> OwnPasses | None:
        """Further passes up to a layer, independent of those of every other purpose; none where it is deterministic."""
        network, wide = checkpoint(activations.network, activations.epoch), activations.is_wide(layer)
        return further_passes(
            network, layer, atoms, self.own_passes, activations.network.seed, purpose, wide, device_here(self.device)
        )

    def own_passes_of(self, activations: Activations, layer: int) -> int:
        """How many further passes of each atom a layer has: projections of wide ones need few."""
        return min(self.own_passes, WIDE_PASSES) if activations.is_wide(layer) else self.own_passes
