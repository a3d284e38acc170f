"""What the settings of a sweep name: the points, the parts that are measured, and the network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from flows.settings.settings import ConfigError, concerning
from ib_core.laws.input_law import InputLaw
from ib_core.laws.points import Points
from ib_core.networks.checks import check
from ib_core.networks.hooks import LayerError
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.work import products
from tasks.points.weights import load_weights
from tasks.sweep.data import DataSet, Part, PartName, Split, data_set
from tasks.sweep.networks import PROBES, Design, inputs, untrained
from tasks.sweep.pretrained import Weights, weight_files

if TYPE_CHECKING:
    from flows.studies.shift_sweep.settings import Network, SweepConfig
    from flows.studies.shift_sweep.training import Training

TRAIN_FRACTION = 0.8
WIDTHS = {"mlp": (10, 7, 5, 4, 3), "cnn": (128,)}
CHANNELS = {"cnn": (16, 32)}


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes:
        settings: that name it.
        design: what makes it.
        weights: files of weights that are given.
        title: what people read.
        training: how it is trained; None for one that is measured as it is.
        fraction: part of the points to train on, where the data do not say them; None where they do, or nobody knows.
    """

    settings: "Network"
    design: Design
    weights: tuple[Weights, ...]
    title: str
    training: "Training | None"
    fraction: float | None


@dataclass(frozen=True)
class Resolved:
    """What the settings of a sweep name.

    Attributes:
        data: the points as a recipe.
        points: themselves.
        parts: those that are measured, with the row numbers of their atoms.
        networks: one kind after the other.
        seed: of the part to train on, where it is the same for all networks; None where each network draws its own.
    """

    data: DataSet
    points: Points
    parts: Mapping[str, tuple[Part, np.ndarray]]
    networks: tuple["Kind", ...]
    seed: int | None

    def law(self, part: str) -> InputLaw:
        """The reference law of a part."""
        return self.points.law(self.parts[part][1])

    def split(self, kind: Kind, seed: int) -> Split | None:
        """What a network of that kind and seed is trained on; None where nobody knows."""
        if self.data.official is not None:
            return Split(None, 0)
        return None if kind.fraction is None else Split(kind.fraction, seed if self.seed is None else self.seed)


def resolve(config: "SweepConfig") -> Resolved:
    """Read the points, and build the network once.

    Raises:
        ConfigError: one line that says which setting cannot be met and why.
    """
    data, points = read_data(config)
    chosen, training = config.data, config.training
    part = chosen.part or ("all" if data.official is None else "test")
    fraction = _fraction("training", training, data, chosen.source)
    if part != "all" and data.official is None and training is None:
        raise ConfigError(
            f"data.part must be all: {chosen.source} does not say (as `train`) which points were trained on, got {part}"
        )
    shared = None if part == "all" else chosen.seed
    split = None if part == "all" else Split(fraction, 0 if fraction is None else chosen.seed)
    names: tuple[PartName, ...] = ("test", "train") if part == "both" else (part,)
    parts: dict[str, tuple[Part, np.ndarray]] = {}
    for name in names:
        each = Part(name, split, chosen.atoms, chosen.seed)
        try:
            parts[name] = each, each.rows(points)
            points.law(parts[name][1])
        except ValueError as error:
            raise ConfigError(f"data: {error}") from error
    kinds = []
    for setting, network in config.each_network:
        own = config.training_of(setting, network)
        # A network that is not trained here is judged on the parts of those that are.
        share = fraction if own is None else _fraction(f"{setting}.training", own, data, chosen.source)
        if share != fraction and part != "all":
            raise ConfigError(
                f"{setting}.training.train_fraction must be left out unless data.part is all, as what is measured as "
                f"{part} is the same for all networks, got {share}"
            )
        kinds.append(_kind(setting, network, data, points, own, share))
    titles = [kind.title for kind in kinds]
    for title in titles:
        if titles.count(title) > 1:
            raise ConfigError(f"networks must have distinct names, got {title} twice: give each a `name`")
    return Resolved(data, points, parts, tuple(kinds), shared)


def _fraction(setting: str, training: "Training | None", data: DataSet, source: str) -> float | None:
    """The part of the points that networks are trained on; None where the data say it, or nothing is trained.

    Args:
        setting: where `training` stands in the settings.
    """
    if training is None:
        return None
    if data.official is None:
        return training.train_fraction or TRAIN_FRACTION
    if training.train_fraction is not None:
        raise ConfigError(
            f"{setting}.train_fraction must be left out: {source} says itself which {data.official} points are "
            f"for training, got {training.train_fraction}"
        )
    return None


def read_data(config: "SweepConfig") -> tuple[DataSet, Points]:
    """The points that the settings name, as a recipe and as they are."""
    try:
        return data_set(config.data.source, config.data.path, config.data.shuffle_labels)
    except (ValueError, KeyError) as error:
        raise concerning("data.source", config.data.source, str(error.args[0])) from error


def _weights(setting: str, network: "Network") -> tuple[Weights, ...]:
    if network.weights is None:
        return ()
    try:
        return weight_files(network.weights)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{setting}.weights: {error}") from error


def built(setting: str, network: "Network", data: DataSet) -> tuple[Design, nn.Module, tuple[str, ...]]:
    """The network as it is built, with its first weights where these are given, and the names of its noised layers.

    Args:
        setting: where it stands in the settings.
    """
    weights = _weights(setting, network)
    design = Design(network.source, data.shape, data.classes, tuple(network.layers or ()), ())
    if design.own:
        design = replace(design, parameters=network.parameters)
    else:
        design = replace(
            design,
            widths=tuple(WIDTHS.get(network.source, ()) if network.widths is None else network.widths),
            activation=network.activation,
            channels=tuple(CHANNELS.get(network.source, ()) if network.channels is None else network.channels),
            batch_norm=network.batch_norm,
            initial_weights=network.initial_weights,
        )
    try:
        module, names = untrained(design, network.seeds[0])
    except ValueError as error:
        raise concerning(f"{setting}.{'source' if design.own else 'widths'}", network.source, str(error)) from error
    if weights:
        try:
            load_weights(module, Path(weights[0].file))
        except (ValueError, OSError) as error:
            raise ConfigError(f"{setting}.weights: {error}") from error
    return design, module, design.layers or names


def _kind(
    setting: str,
    network: "Network",
    data: DataSet,
    points: Points,
    training: "Training | None",
    fraction: float | None,
) -> Kind:
    """A network with the names and shapes of its layers, after it was checked."""
    design, module, layers = built(setting, network, data)
    if not layers:
        raise ConfigError(
            f"{setting}.layers must name the modules of your network that are noised, in the order of the forward "
            "pass; `ibshift layers` lists them"
        )
    probe = inputs(points, np.arange(min(len(points.y), PROBES)))
    try:
        check(module, layers, probe, classes=data.classes)
        noised = NoisyNetwork(module, layers, data.shape, [1.0] * len(layers))
        counted = products(module, layers, probe)
    except Exception as error:  # whatever a module of the user's raises
        problem = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        blamed = "widths" if not design.own else "layers" if isinstance(error, LayerError) else "source"
        raise concerning(f"{setting}.{blamed}", network.source, problem) from error
    design = replace(design, layers=tuple(layers), shapes=tuple(map(tuple, noised.shapes)), products=counted)
    return Kind(network, design, _weights(setting, network), network.name or design.title, training, fraction)
