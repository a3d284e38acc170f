"""The settings of a shift sweep: typed, documented, and refused in one line when they are wrong."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from flows.settings.errors import one_line
from flows.settings.settings import (
    ConfigError,
    Count,
    Positive,
    Seed,
    Settings,
    StudyConfig,
    concerning,
    distinct,
    named,
    shown,
)
from flows.studies.shift_sweep.network import Network
from flows.studies.shift_sweep.resolved import Resolved, resolve
from flows.studies.shift_sweep.training import Shift as TrainingShift
from flows.studies.shift_sweep.training import Training, no_training
from ib_core.estimators.measure import MEASURES
from ib_core.laws.family import FAMILIES, Unreachable, check_shift
from ib_core.laws.family_parameters import check_parameters
from ib_core.laws.input_law import InputLaw
from ib_core.members import did_you_mean, own_place
from ib_core.networks.architecture import ARCHITECTURES
from tasks.points.mnist import VARIABLE
from tasks.points.source import FORMS, MNIST, built_in, is_file
from tasks.sweep.laws import family_place, is_column, read_column
from tasks.sweep.training import training_law

TRIED = 256  # points that a shift of training is tried on, where it moves them


class Data(Settings):
    """The points, and which of them are the atoms of the reference law."""

    source: str = Field("szt", description=f"one of {', '.join(built_in())}; {FORMS}, relative to the sweep's file")
    path: str | None = Field(None, description=f"folder of MNIST's four files; null: that of {VARIABLE}")
    part: Literal["train", "test", "all", "both"] | None = Field(
        None, description="points that are measured; null: test where the data say which are for training, else all"
    )
    atoms: Count | None = Field(None, description="how many of them, a stratified subset; null: every one")
    shuffle_labels: Seed | None = Field(
        None, description="key of a random order that all labels are put into, a control; null: as they are"
    )
    seed: Seed = Field(0, description="key of the subset, and of the parts where the data do not say them")

    @model_validator(mode="after")
    def _check_source(self, info: ValidationInfo) -> "Data":
        if self.path is not None and self.source != MNIST:
            raise ValueError(f"path must be left out unless source is {MNIST}: other files are named by source")
        folder = info.context or Path()
        for name in ("source", "path"):
            value = getattr(self, name)
            if value is not None and (name == "path" or is_file(value, folder)):  # which must mean the same everywhere
                object.__setattr__(self, name, os.path.realpath(folder / Path(value).expanduser()))
        if self.source not in built_in() and not is_file(self.source):
            try:
                own_place(self.source)
            except KeyError as error:
                close = did_you_mean(self.source, built_in())
                raise ValueError(
                    f"source must be one of {', '.join(built_in())}, {FORMS}{close}: {error.args[0]}"
                ) from (error)
        return self


class Shifts(Settings):
    """One family of shifts and its sizes."""

    family: Annotated[str, named(FAMILIES)] = Field(description=FAMILIES.choice)
    sizes: list[Annotated[float, Field(ge=0)]] = Field(
        min_length=1,
        description="distances to the reference in the family's metric: TV, KL in nats, W_2, W_inf; or severities",
    )
    metric: Literal["w2"] | None = Field(
        None, description="of the sizes, for families whose own are severities; null: the family's own"
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
        family = FAMILIES.find(self.family)
        check_parameters(self.family, family, self.parameters, in_files=True, shown=shown)
        for key, value in self.parameters.items():
            if is_column(value):  # a file, which must mean the same wherever the work runs
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
    widest: Count = Field(
        256,
        description="units of a layer up to which it is measured as a whole; of wider ones projections are, from "
        "below, and H(X) is the upper end; their signals are not stored",
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
    networks: list[Network] = Field(
        [], max_length=64, description="several kinds of networks, in place of `network`: a list of the same settings"
    )
    training: Annotated[Training | None, BeforeValidator(no_training)] = Field(
        Training(), description="none: the network is measured as it is"
    )
    shifts: list[Shifts] = Field([], description="none: the reference law alone")
    estimator: Estimator = Estimator()
    worst_case: WorstCase = WorstCase()
    measures: list[Annotated[str, named(MEASURES)]] = Field(
        [], description=f"what else to measure of every layer: {MEASURES.choice}"
    )

    _check_measures = field_validator("measures")(distinct)

    @model_validator(mode="after")
    def _check_whole(self) -> "SweepConfig":
        families = [shift.family for shift in self.shifts]
        for family in families:
            if families.count(family) > 1:
                raise ValueError(f"shifts: {family} appears twice; give it one list of sizes")
        if self.networks and self.network != Network():
            raise ValueError("network must be left out where networks are listed")
        for setting, network in self.each_network:
            where = "training" if self.training is None else f"{setting}.training"
            if None in (self.training, network.training) and network.source in ARCHITECTURES.names:
                raise ValueError(f"{where} must not be none for {network.source}, whose weights come from training")
            if self.training_of(setting, network) is not None and network.weights is not None:
                raise ValueError(
                    f"training must be none where {setting}.weights are given: they are measured as they are"
                )
        return self

    @property
    def each_network(self) -> list[tuple[str, Network]]:
        """The kinds of networks, each with where it stands in the settings."""
        listed = [(f"networks.{k}", network) for k, network in enumerate(self.networks)]
        return listed or [("network", self.network)]

    def training_of(self, setting: str, network: Network) -> Training | None:
        """How a kind of networks is trained: as all are, but for what its own settings say; None where it is not.

        Args:
            setting: where it stands in the settings.

        Raises:
            ValueError: the whole is refused; the message says which setting of the network is to blame.
        """
        if self.training is None or not network.training:
            if network.training is None:
                return None
            if network.training:
                raise ValueError(f"{setting}.training must be left out where training is none")
            return self.training
        common = self.training.model_dump(exclude_unset=True)
        try:
            return Training.model_validate(common | network.training)
        except ValidationError as error:
            raise ValueError(
                f"{setting}.training{'.' if error.errors()[0]['loc'] else ': '}{one_line(error, Training)}"
            ) from error

    @cached_property
    def resolved(self) -> Resolved:
        """The points and the network that these settings name.

        Raises:
            ConfigError: they cannot be had, or not measured.
        """
        return resolve(self)

    def check_reachable(self) -> None:
        """Refuse data and networks that cannot be measured, parameters that a family refuses on this law, and sizes
        that it cannot reach, with those it can."""
        found = self.resolved
        sizes = sum(len(shift.sizes) for shift in self.shifts)
        cells = 0
        for kind in found.networks:
            epochs = len(kind.weights) or (kind.training.most_kept if kind.training else 1)
            per_network = epochs * len(kind.design.layers) * len(found.parts) * (1 + sizes)
            cells += len(kind.settings.betas) * len(kind.settings.seeds) * per_network
        if cells > self.resources.max_cells:
            raise ConfigError(
                f"the grid has {cells:,} estimates (betas x seeds x checkpoints x layers x parts x laws), "
                f"resources.max_cells allows {self.resources.max_cells:,}"
            )
        for index, shift in enumerate(self.shifts):
            for part in found.parts:
                _check_shift(f"shifts.{index}", shift, shift.sizes, found.law(part), shift.metric)
        for (setting, network), kind in zip(self.each_network, found.networks, strict=True):
            if kind.training is None or kind.training.shift is None:
                continue
            seen = kind.training.shift
            place = f"{setting}.training.shift" if "shift" in (network.training or {}) else "training.shift"
            for split in filter(None, {found.split(kind, seed) for seed in network.seeds}):
                rows, _ = split.rows(found.points)
                if FAMILIES.find(seen.family).moves_atoms:  # which it does to all of them alike
                    rows = rows[:TRIED]
                _check_shift(place, seen, [seen.size], training_law(found.points, rows))


def _check_shift(
    place: str, shift: Shifts | TrainingShift, sizes: list[float], law: InputLaw, metric: str | None = None
) -> None:
    """Refuse a shift, which stands at this place in the settings, that its family cannot make of this law."""
    try:
        given = {key: read_column(value) if is_column(value) else value for key, value in shift.parameters.items()}
    except ValueError as error:
        raise concerning(f"{place}.parameters", shift.family, str(error)) from error
    try:
        if "." in shift.family or ":" in shift.family:
            family_place(shift.family)
        for size in sizes:
            check_shift(shift.family, law, size, metric=metric, **given)
    except (Exception, SystemExit) as error:  # whatever a family of the user's raises
        problem = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        named_size = "sizes" if isinstance(shift, Shifts) else "size"
        blamed = "parameters" if shift.parameters and not isinstance(error, Unreachable) else named_size
        raise concerning(f"{place}.{blamed}", shift.family, problem) from error
