"""Networks of a sweep: what makes one, whichever way it came to its weights, and what is stored of it."""

import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file
from torch import nn

from ib_core.laws.points import Points
from ib_core.members import own_place
from ib_core.networks.activation import ACTIVATIONS
from ib_core.networks.architecture import ARCHITECTURES, Initial, Spec
from ib_core.networks.checks import check, check_digits
from ib_core.networks.cuts import cuts
from ib_core.networks.foreign import foreign_module
from ib_core.networks.levels import relative_levels
from ib_core.networks.noisy_network import NoisyNetwork
from tasks.engine.fingerprint import Definition
from tasks.engine.recipe import NOT_IDENTITY, Recipe
from tasks.store.parquet import read_table
from tasks.sweep.data import DataSet

PROBES = 256  # points that a network is checked with
LEVEL_POINTS = 4096  # at most, that relative noise is measured on


@dataclass(frozen=True)
class Design:
    """What an untrained network is made from.

    Attributes:
        source: an architecture of the house, or `module:function` of a user's own.
        shape: of an input.
        classes: of the labels.
        layers: names of the layers that are noised, in the order of the forward pass.
        shapes: of one signal of each.
        widths, activation, channels, batch_norm, initial_weights: of an architecture of the house.
        parameters: what the user's function takes.
        products: of one pass up to each layer, for forecasts.
    """

    source: str
    shape: tuple[int, ...]
    classes: int
    layers: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    widths: tuple[int, ...] = ()
    activation: str = ""
    channels: tuple[int, ...] = ()
    batch_norm: bool = False
    initial_weights: Initial = "glorot"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    products: tuple[int, ...] = field(default=(), metadata=NOT_IDENTITY)

    @property
    def own(self) -> bool:
        """Whether it is a user's."""
        return self.source not in ARCHITECTURES.names

    @property
    def title(self) -> str:
        """What people read: "tanh-12-10-7-5-4-3-2", "cnn-tanh-28x28-16c-32c-128-10", "my_nets:build"."""
        if self.own:
            return self.source
        kind = [] if self.source == "mlp" else [self.source]
        norm = ["bn"] if self.batch_norm else []
        hidden = [*(f"{c}c" for c in self.channels), *map(str, self.widths)]
        return "-".join([*kind, self.activation, *norm, "x".join(map(str, self.shape)), *hidden, str(self.classes)])

    @property
    def members(self) -> tuple[Definition, ...]:
        if self.own:
            return (own_place(self.source),)
        return ARCHITECTURES.place(self.source), ACTIVATIONS.place(self.activation)


def untrained(design: Design, seed: int) -> tuple[nn.Module, tuple[str, ...]]:
    """The module with its initial weights, and the names of the layers that its architecture would noise.

    Raises:
        ValueError: it cannot be built; the message says why.
    """
    if not design.own:
        spec = Spec(
            design.shape,
            design.classes,
            design.widths,
            design.activation,
            channels=design.channels,
            batch_norm=design.batch_norm,
            initial=design.initial_weights,
        )
        return ARCHITECTURES.find(design.source).build(spec, seed)
    return foreign_module(design.source, seed, design.parameters), ()


@dataclass(frozen=True)
class Facts:
    """What is known of a network with its weights.

    Attributes:
        levels: standard deviation of the noise of each layer.
        half_widths: |S_j| is at most this in each layer; None where nothing bounds it.
        cuts: for each layer, whether all that comes behind it reads what it passes on and nothing else. Where it is
            none, a connection passes it by, and neither data processing nor its capacity holds for later layers.
    """

    levels: tuple[float, ...]
    half_widths: tuple[float | None, ...]
    cuts: tuple[bool, ...]


@dataclass(frozen=True, eq=False)
class Network(Recipe):
    """A noisy network with its checkpoints: checkpoint files, history.parquet and network.json.

    Attributes:
        data: what it is trained and judged on.
        design: what makes it.
        beta: noise of every hidden layer.
        noise: whether beta is the standard deviation itself, or relative to the root mean square of the layer.
        seed: key of weights, batches and noise.
        title: what people read of the design.
        among_others: whether there are other designs in the same study, so that its label needs the title.
    """

    stage: ClassVar[str] = "training"
    data: DataSet
    design: Design
    beta: float
    noise: Literal["absolute", "relative"]
    seed: int
    title: str = field(kw_only=True, metadata=NOT_IDENTITY)
    among_others: bool = field(kw_only=True, metadata=NOT_IDENTITY)

    @property
    def label(self) -> str:
        return f"{f'{self.title}/' if self.among_others else ''}b{self.beta!r}/s{self.seed}"

    @property
    def members(self) -> tuple[Definition, ...]:
        return self.design.members

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the layers T_1 to T_L."""
        return tuple(math.prod(shape) for shape in self.design.shapes)

    @property
    @abstractmethod
    def kept(self) -> list[int]:
        """Epochs with a checkpoint."""

    @property
    def last(self) -> int:
        return self.kept[-1]


def noisy(
    network: Network,
    module: nn.Module,
    levels: tuple[float, ...],
    probe: np.ndarray | None = None,
    cuts: tuple[bool, ...] | None = None,
) -> NoisyNetwork:
    """The module with noise on its layers; `probe` and `cuts` as of `NoisyNetwork`."""
    return NoisyNetwork(module, network.design.layers, network.design.shape, levels, probe, cuts)


def levels_of(network: Network, module: nn.Module, points: Points, rows: np.ndarray) -> tuple[float, ...]:
    """Noise of each layer: beta, or beta times the layer's root mean square at these points; frozen from then on."""
    if network.noise == "absolute":
        return (network.beta,) * len(network.design.layers)
    # Spread over all rows, which may be in the order of their classes.
    some = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), LEVEL_POINTS)).astype(int))]
    x = inputs(points, some)
    return tuple(relative_levels(module, network.design.layers, x, network.beta))


def inputs(points: Points, rows: np.ndarray) -> torch.Tensor:
    """Some points as a network takes them, float32."""
    return torch.from_numpy(points.x[rows].astype(np.float32, copy=False))


def checked(network: NoisyNetwork, points: Points, rows: np.ndarray) -> Facts:
    """What the checks of a network say of it at some points.

    Raises:
        ValueError: it cannot be measured; the message says why.
    """
    probe = probes(points, rows)
    check(network.module, network.names, probe, classes=points.classes)
    check_digits(network, probe)
    return Facts(tuple(network.levels), tuple(network.half_widths), cuts(network, probe))


def probes(points: Points, rows: np.ndarray) -> torch.Tensor:
    """Some points, evenly taken, that a network is tried with."""
    return inputs(points, rows[:: max(1, len(rows) // PROBES)][:PROBES])


def write_facts(facts: Facts, probe: torch.Tensor, out: Path) -> None:
    """Write network.json, and probe.npy, the inputs that its connections were sought with."""
    np.save(out / "probe.npy", probe.numpy())
    (out / "network.json").write_text(json.dumps(vars(facts), indent=1), encoding="utf-8")


def facts_of(network: Network) -> Facts:
    """What is stored of a network."""
    found = json.loads(network.file("network.json").read_text(encoding="utf-8"))
    return Facts(**{name: tuple(values) for name, values in found.items()})


def level_of(network: Network, layer: int) -> float:
    """Standard deviation of the noise of a layer."""
    return facts_of(network).levels[layer - 1]


def checkpoint_name(epoch: int) -> str:
    return f"epoch_{epoch:07d}.safetensors"


def checkpoint(network: Network, epoch: int) -> NoisyNetwork:
    """The stored network at an epoch."""
    module, _ = untrained(network.design, network.seed)
    state = load_file(network.file(checkpoint_name(epoch)))
    module.load_state_dict({name: state[f"network.{name}"] for name in module.state_dict()})
    facts, probe = facts_of(network), np.load(network.file("probe.npy"))
    return noisy(network, module, facts.levels, probe, facts.cuts)


def history_of(network: Network) -> pd.DataFrame:
    """Loss and accuracy by epoch."""
    return read_table(network.file("history.parquet")).to_pandas()
