"""The settings of a shift sweep: typed, documented, and refused in one line when they are wrong."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from flows.settings.settings import (
    ConfigError,
    Count,
    Noise,
    Positive,
    Seed,
    Settings,
    StudyConfig,
    did_you_mean,
    distinct,
    member_name,
    shown,
)
from flows.studies.shift_sweep.family_parameters import check_parameters
from ib_core.estimators.measure import measure, measures
from ib_core.laws.family import Unreachable, check_shift, families, find_family
from ib_core.laws.source import source as find_source
from ib_core.laws.source import sources
from ib_core.networks.activation import activation as find_activation
from ib_core.networks.activation import activations
from ib_core.networks.network import NoisyNetwork, architecture, architectures
from tasks.sweep.data import family_place, read_column


class Data(Settings):
    """The input law."""

    source: str = Field("szt", description=f"one of {', '.join(sources())}, or module.name of your own")

    @field_validator("source")
    @classmethod
    def _check_source(cls, name: str) -> str:
        return member_name(name, find_source, sources())


class Network(Settings):
    """The noisy networks: one for each beta and seed."""

    architecture: str = Field("mlp", description=f"one of {', '.join(architectures())}, or module.name of your own")
    widths: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [10, 7, 5, 4, 3], min_length=1, max_length=32, description="widths of the hidden layers"
    )
    activation: str = Field("tanh", description=f"one of {', '.join(activations())}, or module.name of your own")
    betas: list[Noise] = Field([0.1], min_length=1, description="standard deviations of the layer noise")
    seeds: list[Seed] = Field([0], min_length=1, description="one network per seed: weights, batches, split and noise")

    _check_betas = field_validator("betas", "seeds")(distinct)

    @field_validator("architecture")
    @classmethod
    def _check_architecture(cls, name: str) -> str:
        return member_name(name, architecture, architectures())

    @field_validator("activation")
    @classmethod
    def _check_activation(cls, name: str) -> str:
        return member_name(name, find_activation, activations())


class Training(Settings):
    """Adam on the cross-entropy of noisy passes."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1000, description="passes over the training part")
    checkpoints: Annotated[int, Field(ge=1, le=1000)] = Field(6, description="log-spaced epochs, the last among them")
    learning_rate: Positive = Field(4e-4, description="step size of Adam")
    batch_size: Count = Field(256, description="inputs per step")
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(0.8, description="part of the atoms to train on")


class Shifts(Settings):
    """One family of shifts and its sizes."""

    family: str = Field(description=f"one of {', '.join(families())}, or module.function of your own")
    sizes: list[Annotated[float, Field(ge=0)]] = Field(
        min_length=1,
        description="distances to the reference, in the family's metric: TV, KL in nats, W_2 in input units",
    )
    parameters: dict[str, Any] = Field(
        {},
        description="further arguments of the family; for an array, path#column of a Parquet or CSV file with a row "
        "for each atom, relative to the sweep's file",
    )
    epochs: Literal["all", "last"] = Field(
        "all", description="checkpoints to measure; moved atoms need cells of their own, reweightings come for free"
    )

    _check_sizes = field_validator("sizes")(distinct)

    @model_validator(mode="after")
    def _check_family(self, info: ValidationInfo) -> "Shifts":
        try:
            family = find_family(self.family)
        except KeyError as error:
            raise ValueError(f"family must be {error.args[0]}{did_you_mean(self.family, families())}") from error
        check_parameters(self.family, family.apply, self.parameters)
        for key, value in self.parameters.items():
            if isinstance(value, str):  # a file, which must mean the same wherever the work runs
                self.parameters[key] = os.path.realpath((info.context or Path()) / value)
        if self.epochs == "last" and not family.moves_atoms:
            raise ValueError(f"epochs must be all for {self.family}: reweightings share the cells of the reference")
        if family.metric == "tv" and max(self.sizes) > 1:
            raise ValueError(f"sizes in TV must be in [0, 1], got {max(self.sizes)}")
        return self


class Slices(Settings):
    """What is measured of projections of a layer: I(X; U T), below I(X; T) and not saturated where that is."""

    kind: Literal["auto", "none", "principal", "discriminant", "random"] = Field(
        "auto",
        description="directions of U, from passes of their own; auto: principal ones, where I(X; T) is above .95 H(X); "
        "discriminant: one fewer than classes, then principal ones of what these leave. "
        "A name alone stands for all three settings",
    )
    k: Annotated[int, Field(ge=1, le=64)] = Field(2, description="directions; layers of fewer units take them all")
    n: Annotated[int, Field(ge=2, le=1000)] | None = Field(
        None, description="random slices, over which the mean is taken; null: 8 for random ones"
    )

    @model_validator(mode="before")
    @classmethod
    def _check_name(cls, value: Any) -> Any:
        if not isinstance(value, str | Mapping | cls):
            raise ValueError(f"must be auto, none or a mapping of kind, k and n, got {shown(value)}")
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_count(self) -> "Slices":
        if self.n is not None and self.kind != "random":
            raise ValueError(f"n must be left out unless kind is random, got n {self.n} for {self.kind}")
        return self

    @property
    def count(self) -> int:
        """Slices that are measured of every layer that is projected."""
        return 0 if self.kind == "none" else (self.n or 8) if self.kind == "random" else 1


class Estimator(Settings):
    """Sample propagation."""

    stored_passes: Annotated[int, Field(ge=1, le=100_000)] = Field(
        20, description="noisy passes per atom that form the mixture of all atoms"
    )
    own_passes: Annotated[int, Field(ge=4, le=100_000)] = Field(
        500,
        description="further passes, held against points of their own atom alone; made anew in each cell, not stored",
    )
    pointwise_draws: Annotated[int, Field(ge=2, le=100_000)] = Field(
        2, description="least draws of each atom for i(x), from which the certificates follow; cheap ones count 1/16"
    )
    confidence: Literal["estimated", "proven"] = Field(
        "estimated", description="errors from the spread of passes, or what bounded differences prove of any"
    )
    target_stderr: Positive = Field(
        0.02,
        description="standard error (nats) at which a cell stops drawing; three times as much for shifted laws (twice "
        "for moved ones), and three times as much again at checkpoints before the last one",
    )
    max_draws: Count | None = Field(
        None,
        description="most draws for each end of a cell's bracket, a ninth at checkpoints before the last one; null "
        "leaves it to the estimator",
    )
    seed: Seed = Field(0, description="key of the estimator's draws")
    slices: Slices = Slices()


class WorstCase(Settings):
    """The extremes of information over balls of laws around the reference, in every layer."""

    tv: list[Annotated[float, Field(gt=0, le=1)]] | None = Field(
        None, description="radii in TV; null: the sizes of the shifts in TV"
    )
    kl: list[Positive] | None = Field(None, description="radii in KL, nats; null: the sizes of the shifts in KL")
    epochs: Literal["all", "last"] = Field("last", description="checkpoints to search")

    @field_validator("tv", "kl")
    @classmethod
    def _check_radii(cls, values: list[float] | None) -> list[float] | None:
        return None if values is None else distinct(values)


class SweepConfig(StudyConfig):
    """A shift sweep: networks x epochs x layers x shifted laws."""

    study: Literal["shift_sweep"] = Field("shift_sweep", description="which study these settings are for")
    data: Data = Data()
    network: Network = Network()
    training: Training = Training()
    shifts: list[Shifts] = Field(min_length=1)
    estimator: Estimator = Estimator()
    worst_case: WorstCase = WorstCase()
    measures: list[str] = Field(
        [], description=f"what else to measure of every layer: {', '.join(measures())}, or module.name of your own"
    )

    @field_validator("measures")
    @classmethod
    def _check_measures(cls, values: list[str]) -> list[str]:
        return distinct([member_name(name, measure, measures()) for name in values])

    @model_validator(mode="after")
    def _check_whole(self) -> "SweepConfig":
        families = [shift.family for shift in self.shifts]
        for family in families:
            if families.count(family) > 1:
                raise ValueError(f"shifts: {family} appears twice; give it one list of sizes")
        sizes = sum(len(shift.sizes) for shift in self.shifts)
        network = self.network
        cells = len(network.betas) * len(network.seeds) * self.training.checkpoints * len(network.widths) * (1 + sizes)
        if cells > self.resources.max_cells:
            raise ValueError(
                f"the grid has {cells:,} estimates (betas x seeds x checkpoints x layers x laws), "
                f"resources.max_cells allows {self.resources.max_cells:,}"
            )
        return self

    def check_reachable(self) -> None:
        """Refuse parameters that a family refuses on this law, and sizes that it cannot reach, with those it can."""
        found, network = find_source(self.data.source), self.network
        law = found.law()
        widths = (found.n_inputs, *network.widths, found.n_classes)
        try:
            built = architecture(network.architecture).build(widths, network.activation, network.betas[0], 0)
            if not isinstance(built, NoisyNetwork):
                raise TypeError(f"build must return a NoisyNetwork, got {type(built).__name__}")
        except Exception as error:  # whatever an architecture of the user's raises
            raise ConfigError(
                f"network.architecture ({network.architecture}): {type(error).__name__}: {error}"
            ) from error
        for index, shift in enumerate(self.shifts):
            try:
                given: dict[str, Any] = {
                    key: read_column(value) if isinstance(value, str) else value
                    for key, value in shift.parameters.items()
                }
            except ValueError as error:
                raise ConfigError(f"shifts.{index}.parameters ({shift.family}): {error}") from error
            try:
                if "." in shift.family:
                    family_place(shift.family)
                for size in shift.sizes:
                    check_shift(shift.family, law, size, **given)
            except Exception as error:  # whatever a family of the user's raises
                problem = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
                blamed = "parameters" if shift.parameters and not isinstance(error, Unreachable) else "sizes"
                raise ConfigError(f"shifts.{index}.{blamed} ({shift.family}): {problem}") from error
