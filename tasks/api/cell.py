"""All layers of a network under the laws that share their atoms: a cell for each, one evaluation for all its laws."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from ib_core.estimators.cost import layer_cost
from ib_core.estimators.layer_information import LayerInformation
from ib_core.estimators.network_layer import (
    MOVED,
    SHIFTED,
    WIDE_PASSES,
    layer_directions,
    network_layer_information,
    passes_by_block,
)
from ib_core.laws.input_law import InputLaw
from ib_core.mixture.signal_blocks import SignalBlocks, signal_blocks
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import atom_block, pass_blocks
from tasks.api.progress import Progress

HELD_BYTES = 2**30  # of the signals of all layers; beyond, those of a layer are propagated when it is measured


@dataclass(frozen=True)
class Sampling:
    """How layers are sampled; the arguments of `measure` by these names."""

    passes: int
    own_passes: int
    target_stderr: float
    max_draws: int | None
    widest: int
    seed: int
    device: str | None


@dataclass
class Cells:
    """The layers of a network under some laws.

    Attributes:
        network: whose layers they are.
        laws: by name, all on the same atoms with the same labels.
        reference: the law that laws are held against: the first of them, or one on other atoms.
        sampling: how.
        labelled: whether the labels are known.
        products: of one pass up to each layer, for the forecast.
        information: by layer, what was found.
        directions: by wide layer, those that stand for it; the cells of all laws share them.
        clean, correct: (N,) whether the read-out of an atom is right without noise, and its share of noisy passes.
        power: (L,) the largest mean square of a coordinate in any pass of any atom.
    """

    network: NoisyNetwork
    laws: Mapping[str, InputLaw]
    reference: InputLaw
    sampling: Sampling
    labelled: bool
    products: Sequence[int]
    information: dict[int, LayerInformation] = field(default_factory=dict)
    directions: dict[int, np.ndarray] = field(default_factory=dict)
    clean: np.ndarray = field(default_factory=lambda: np.empty(0))
    correct: np.ndarray = field(default_factory=lambda: np.empty(0))
    power: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def first(self) -> InputLaw:
        return next(iter(self.laws.values()))

    @property
    def moved(self) -> bool:
        return self.first is not self.reference

    def is_wide(self, layer: int) -> bool:
        """Whether projections stand for a layer."""
        return self.network.widths[layer - 1] > self.sampling.widest

    def stored(self, layer: int) -> int:
        """Passes of an atom around which the mixture lies: the first layer is a function of X."""
        return 1 if layer == 1 else self.sampling.passes

    def costs(self) -> list[float]:
        """Seconds that the layers may take, in the order in which they are measured."""
        return [self._cost(layer) for layers in self._rounds() for layer in layers]

    def _cost(self, layer: int) -> float:
        n, wide = len(self.first.atoms), self.is_wide(layer)
        draws = 16 * n if wide else 0.2 * (self.sampling.max_draws or max(64 * n, 2**18))
        own = min(self.sampling.own_passes, WIDE_PASSES) if wide else self.sampling.own_passes
        return layer_cost(
            n,
            self.network.widths[:layer],
            self.products[:layer],
            n_passes=self.stored(layer),
            n_own=0 if layer == 1 else own,
            draws=int(draws),
            wide=wide,
            n_laws=len(self.laws),
        ).seconds

    def measure(self, progress: Progress) -> None:
        """Measure every layer."""
        name = next(iter(self.laws)) if self.moved else f"{len(self.laws)} laws"
        for layers in self._rounds():
            for layer, signals in self._signals(layers):
                progress.begin(f"layer {self.network.names[layer - 1]!r} under {name}")
                self.information[layer] = self._measured(layer, signals)
        self.clean = self._clean()

    def _measured(self, layer: int, signals: SignalBlocks) -> LayerInformation:
        if self.is_wide(layer) and layer not in self.directions:
            seed = self.sampling.seed
            self.directions[layer] = layer_directions(
                self.network, layer, self.reference.atoms, passes_seed=seed, seed=seed
            )
        relaxed = [MOVED if self.moved else 1.0, *[SHIFTED] * (len(self.laws) - 1)]
        return network_layer_information(
            self.network,
            layer,
            self.first.atoms,
            signals,
            own_passes=self.sampling.own_passes,
            passes_seed=self.sampling.seed,
            directions=self.directions.get(layer),
            weights=np.stack([law.weights for law in self.laws.values()], axis=1),
            labels=self.first.labels if self.labelled else None,
            target_stderr=self.sampling.target_stderr * np.array(relaxed),
            max_draws=self.sampling.max_draws,
            seed=self.sampling.seed,
            device=self.sampling.device,
        )

    def _rounds(self) -> list[list[int]]:
        """Layers whose signals are held together."""
        every = list(range(1, self.network.hidden + 1))
        narrow = [layer for layer in every if not self.is_wide(layer)]
        values = sum(self.stored(layer) * self.network.widths[layer - 1] for layer in narrow)
        if 4 * len(self.first.atoms) * values <= HELD_BYTES:
            return [every]
        return [[layer] for layer in every]

    def _signals(self, layers: list[int]) -> Iterator[tuple[int, SignalBlocks]]:
        """Stored passes of some layers: those of wide ones are propagated whenever a block of them is asked for."""
        atoms, sampling = self.first.atoms, self.sampling
        held = {layer: [] for layer in layers if not self.is_wide(layer)}  # type: dict[int, list[np.ndarray]]
        correct, powers = [], []
        if held or not len(self.correct):
            for first, signals, logits in pass_blocks(self.network, atoms, sampling.passes, sampling.seed, "stored"):
                for layer, parts in held.items():
                    parts.append(signals[layer - 1])
                labels = self.first.labels[first : first + len(logits)]
                correct.append((logits.argmax(axis=2) == labels[:, None]).mean(axis=1))
                powers.append([float(np.square(each, dtype=np.float64).mean(axis=2).max()) for each in signals])
            self.correct, self.power = np.concatenate(correct), np.max(powers, axis=0)
        for layer in layers:
            if layer in held:
                yield layer, signal_blocks(np.concatenate(held.pop(layer)), "signals", "(N, n_passes, d)")
            else:
                given = self.network, layer, atoms, self.stored(layer), sampling.seed, "stored"
                yield layer, passes_by_block(*given)

    @torch.no_grad()
    def _clean(self) -> np.ndarray:
        """Whether the read-out of every atom is right without noise."""
        atoms, step = self.first.atoms.astype(np.float32), atom_block(self.network, 1)
        found = [self.network.clean(atoms[k : k + step]).argmax(1).cpu().numpy() for k in range(0, len(atoms), step)]
        return np.concatenate(found) == self.first.labels
