"""The units of the shift sweep: data -> training -> activations -> information -> worst_case -> bounds -> report."""

import math
from typing import Any

from flows.config import SweepConfig
from flows.settings import draws_to_reach
from ib_core.laws.family import find_family
from ib_core.laws.source import ROOM as SOURCES
from ib_core.laws.source import source as find_source
from ib_core.members import place
from ib_core.networks.activation import ROOM as ACTIVATIONS
from ib_core.networks.epochs import log_spaced_epochs
from tasks.data import column_digest
from tasks.families import family_place
from tasks.unit import Unit

STAGES = ("data", "training", "activations", "information", "worst_case", "bounds", "report")
REFERENCE = "reference"
EARLIER = 3.0  # times the standard error of the last checkpoint, at all before it

# Rough seconds on one core and bytes, measured on two shared cores: for the plan's estimate and nothing else.
SECONDS_PER_STEP = 0.8e-3  # one minibatch of training
SECONDS_PER_PAIR = 0.6e-9  # one (point, centre) pair of the mixture kernel
SECONDS_PER_OWN_VALUE = 12e-9  # one signal value of own passes: propagated, held against some points, forgotten
SECONDS_PER_VALUE = 25e-9  # one signal value: propagated, written, hashed
AUTO_SHARE = 0.2  # of the cells, perhaps, have a saturated layer whose projection is measured too


def shift_sweep_units(config: SweepConfig, lost: frozenset[str]) -> dict[str, list[Unit]]:
    """All units of a sweep.

    Args:
        config: the settings.
        lost: labels of units that failed and are left out of the tables (as `--keep-going` does), "stage label".
    """
    stages: dict[str, list[Unit]] = {stage: [] for stage in STAGES}
    laws, moved = _laws(config)
    stages["data"] = list(dict.fromkeys(laws.values()))
    shared = [name for name in laws if (name not in moved and laws[name].settings["size"] > 0) or name == REFERENCE]
    # Laws on the same atoms are weight columns of one cell; each moved law has atoms and cells of its own.
    groups = {REFERENCE: shared} | {name: [name] for name in moved}
    only_last = {
        f"{shift.family}/{size!r}" for shift in config.shifts if shift.epochs == "last" for size in shift.sizes
    }
    radii = _radii(config)
    searched = _epochs(config)[-1:] if config.worst_case.epochs == "last" else _epochs(config)
    collected = _Collected(config, laws, moved, lost)
    for beta in config.network.betas:
        for seed in config.network.seeds:
            network = _network(config, laws[REFERENCE], beta, seed)
            stages["training"].append(network)
            place = {"network": architecture(config), "beta": beta, "seed": seed}
            collected.network(network, place)
            for epoch in _epochs(config):
                reference = _activations(config, network, laws[REFERENCE], epoch, REFERENCE)
                for group, columns in groups.items():
                    if group in only_last and epoch != _epochs(config)[-1]:
                        continue
                    is_reference = group == REFERENCE
                    activations = (
                        reference if is_reference else _activations(config, network, laws[group], epoch, group)
                    )
                    stages["activations"].append(activations)
                    collected.activations(activations, {**place, "epoch": epoch, "laws": columns})
                    for layer in range(1, len(config.network.widths) + 1):
                        cell = _cell(
                            config, activations, reference, {name: laws[name] for name in columns}, layer, beta
                        )
                        stages["information"].append(cell)
                        here = {**place, "epoch": epoch, "layer": layer}
                        collected.cell(cell, here, columns)
                        if is_reference and radii and epoch in searched:
                            search = _worst_case(config, activations, laws[REFERENCE], layer, beta, radii)
                            stages["worst_case"].append(search)
                            collected.worst_case(search, cell, here)
    bounds = collected.unit()
    stages["bounds"] = [bounds]
    stages["report"] = [Unit("report", config.name, {}, {"tables": bounds}, cost=8.0, size=4e6)]
    return stages


def architecture(config: SweepConfig) -> str:
    """Name of the network: "tanh-12-10-7-5-4-3-2"."""
    return "-".join([config.network.activation, *(str(width) for width in _widths(config))])


def _widths(config: SweepConfig) -> list[int]:
    source = find_source(config.data.source)
    return [source.n_inputs, *config.network.widths, source.n_classes]


def _epochs(config: SweepConfig) -> list[int]:
    return log_spaced_epochs(config.training.epochs, config.training.checkpoints)


def _laws(config: SweepConfig) -> tuple[dict[str, Unit], list[str]]:
    """The data unit of every law by its name, and the names of the moved ones; size 0 is the reference itself."""
    base: dict[str, Any] = {"source": config.data.source, "family": None, "size": 0.0, "parameters": {}}
    source = place(SOURCES, config.data.source)
    reference = Unit("data", REFERENCE, base, cost=0.1, size=5e5, members=(source,))
    laws, moved = {REFERENCE: reference}, []
    for shift in config.shifts:
        # What stands in a file is part of the law, whatever the file is called.
        parameters = {
            key: {"file": value, "sha256": column_digest(value)} if isinstance(value, str) else value
            for key, value in shift.parameters.items()
        }
        for size in shift.sizes:
            name = f"{shift.family}/{size!r}"
            if size == 0:
                laws[name] = reference
                continue
            settings = {**base, "family": shift.family, "size": size, "parameters": parameters}
            members = (source, family_place(shift.family))
            laws[name] = Unit("data", name, settings, cost=3.0, size=5e5, members=members)
            if find_family(shift.family).moves_atoms:
                moved.append(name)
    return laws, moved


def _network(config: SweepConfig, law: Unit, beta: float, seed: int) -> Unit:
    training = config.training
    settings = {
        **training.model_dump(),
        "widths": _widths(config),
        "activation": config.network.activation,
        "beta": beta,
        "seed": seed,
    }
    steps = training.epochs * training.train_fraction * _atoms(config) / training.batch_size
    label = f"b{beta!r}/s{seed}"
    members = (place(ACTIVATIONS, config.network.activation),)
    cost, size = SECONDS_PER_STEP * steps, 1e4 * training.checkpoints
    return Unit("training", label, settings, {"law": law}, cost, size, members)


def _activations(config: SweepConfig, network: Unit, law: Unit, epoch: int, group: str) -> Unit:
    values = _atoms(config) * config.estimator.stored_passes * sum(config.network.widths)
    settings = {"epoch": epoch, "stored_passes": config.estimator.stored_passes}
    label = f"{network.label}/e{epoch:07d}/{group}"
    return Unit(
        "activations", label, settings, {"network": network, "law": law}, SECONDS_PER_VALUE * values, 5.0 * values
    )


def _radii(config: SweepConfig) -> dict[str, list[float]]:
    """Radii of the balls of laws by metric; empty where nothing is to be searched."""
    radii = {}
    for metric in ("tv", "kl"):
        sizes = {size for shift in config.shifts if find_family(shift.family).metric == metric for size in shift.sizes}
        chosen = getattr(config.worst_case, metric)
        radii[metric] = sorted(sizes - {0.0}) if chosen is None else chosen
    return radii if any(radii.values()) else {}


def _worst_case(
    config: SweepConfig, activations: Unit, law: Unit, layer: int, beta: float, radii: dict[str, list[float]]
) -> Unit:
    settings = {"layer": layer, "beta": beta, **radii, **_sampling(config, activations)}
    cost = 3.0 + 1.5 * len(radii["tv"]) + 0.5 * len(radii["kl"])
    inputs = {"activations": activations, "network": activations.inputs["network"], "law": law}
    return Unit("worst_case", f"{activations.label}/L{layer}", settings, inputs, cost, 4e4 * cost)


def _sampling(config: SweepConfig, activations: Unit) -> dict[str, Any]:
    """How a layer is sampled; its own passes are propagated from the checkpoint."""
    estimator = config.estimator
    sampling = estimator.model_dump(include={"own_passes", "confidence", "target_stderr", "max_draws", "seed"})
    sampling["epoch"] = activations.settings["epoch"]
    sampling["relaxed"] = 1.0 if sampling["epoch"] == _epochs(config)[-1] else EARLIER
    # A GPU changes the last digits, so what it made is a result of its own.
    return sampling | ({"device": "cuda"} if config.resources.gpus else {})


def _cell(
    config: SweepConfig, activations: Unit, reference: Unit, laws: dict[str, Unit], layer: int, beta: float
) -> Unit:
    estimator = config.estimator
    settings = {"layer": layer, "beta": beta, "laws": list(laws), **_sampling(config, activations)}
    least = math.ceil(estimator.pointwise_draws / settings["relaxed"] ** 2)
    settings["pointwise_draws"] = max(2, least) if activations is reference else 2
    slices = estimator.slices
    settings["slices"] = {"kind": slices.kind, "k": slices.k, "n": slices.count}
    inputs = {"activations": activations, "network": activations.inputs["network"]} | {
        f"law {name}": law for name, law in laws.items()
    }
    if activations is not reference:
        inputs["reference activations"] = reference
        inputs["law reference"] = reference.inputs["law"]  # whose atoms the directions of slices come from
    centres = _atoms(config) * (1 if layer == 1 else estimator.stored_passes)
    most = estimator.max_draws or max(64 * _atoms(config), 2**18)
    draws = 0.2 * draws_to_reach(estimator.target_stderr, 2 * most) / settings["relaxed"] ** 2
    draws = max(2 * _atoms(config), draws)
    draws += max(draws, settings["pointwise_draws"] * _atoms(config))
    own = 0 if layer == 1 else _atoms(config) * estimator.own_passes * sum(config.network.widths[: layer - 1])
    cost = SECONDS_PER_PAIR * draws * centres + SECONDS_PER_OWN_VALUE * own
    cost *= 1 + (AUTO_SHARE if slices.kind == "auto" else slices.count)
    return Unit("information", f"{activations.label}/L{layer}", settings, inputs, cost, 1e5)


def _atoms(config: SweepConfig) -> int:
    return find_source(config.data.source).n_atoms


class _Collected:
    """Gathers what the tables are made of: inputs by name, and their coordinates as settings."""

    def __init__(self, config: SweepConfig, laws: dict[str, Unit], moved: list[str], lost: frozenset[str]) -> None:
        self.config, self.lost = config, lost
        self.inputs: dict[str, Unit] = {}
        self.settings: dict[str, Any] = {
            # Where the work runs changes no number.
            "config": config.model_dump(exclude={"resources"}),
            "device": "cuda" if config.resources.gpus else "cpu",
            "places": {},
            "laws": {},
            **{kind: {} for kind in ("networks", "activations", "cells", "worst_cases", "failed")},
        }
        metrics = {shift.family: find_family(shift.family).metric for shift in config.shifts}
        for name, unit in laws.items():
            family, _, size = name.partition("/")
            kind = "moved" if name in moved else "reweighted" if unit.settings["size"] > 0 else "reference"
            metric = metrics.get(family, "none")
            place = {"shift": family, "size": float(size or 0), "metric": metric}
            self.settings["places"][name] = place
            if f"{unit.stage} {unit.label}" not in lost:
                self.settings["laws"][name] = {**place, "kind": kind}
                self.inputs[f"law {name}"] = unit

    def network(self, unit: Unit, place: dict[str, Any]) -> None:
        self._enter("networks", "network", unit, place)

    def activations(self, unit: Unit, place: dict[str, Any]) -> None:
        passes = unit.settings["stored_passes"]
        self._enter("activations", "activations", unit, {**place, "n_passes": passes})

    def cell(self, unit: Unit, place: dict[str, Any], columns: list[str]) -> None:
        if f"{unit.stage} {unit.label}" in self.lost:
            self.settings["failed"][unit.label] = {**place, "laws": columns}
        else:
            self._enter("cells", "cell", unit, {**place, "laws": columns})

    def worst_case(self, unit: Unit, cell: Unit, place: dict[str, Any]) -> None:
        """The bounds at its radii need the cell's i(x)."""
        if f"{cell.stage} {cell.label}" not in self.lost:
            self._enter("worst_cases", "worst case", unit, place)

    def _enter(self, kind: str, prefix: str, unit: Unit, place: dict[str, Any]) -> None:
        if f"{unit.stage} {unit.label}" not in self.lost:
            self.settings[kind][unit.label] = place
            self.inputs[f"{prefix} {unit.label}"] = unit

    def unit(self) -> Unit:
        members = (place(ACTIVATIONS, self.config.network.activation),)
        return Unit("bounds", self.config.name, self.settings, self.inputs, cost=4.0, size=2e6, members=members)
