"""The settings of a sweep: typed, documented, and refused in one line when they are wrong."""

import inspect
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator, model_validator

import deployments
from flows.calibration_config import CalibrationConfig
from flows.family_parameters import check_parameters
from flows.settings import (
    ConfigError,
    Count,
    Noise,
    Positive,
    Seed,
    Settings,
    StudyConfig,
    did_you_mean,
    distinct,
    shown,
)
from flows.strict_yaml import WORDS, read_yaml
from ib_core.laws.family import Unreachable, check_shift, families, find_family
from ib_core.laws.source import source as find_source
from ib_core.laws.source import sources
from ib_core.networks.activation import activation as find_activation
from ib_core.networks.activation import activations
from tasks.families import family_place


def _member(name: str, find: Callable[[str], object], built_in: Iterable[str]) -> str:
    """The name of a member of the house or of a user's own module, if it is one."""
    try:
        find(name)
    except (KeyError, TypeError) as error:
        raise ValueError(f"must be {error.args[0]}{did_you_mean(name, built_in)}") from error
    return name


class Data(Settings):
    """The input law."""

    source: str = Field("szt", description=f"one of {', '.join(sources())}, or module.name of your own")

    @field_validator("source")
    @classmethod
    def _check_source(cls, name: str) -> str:
        return _member(name, find_source, sources())


class Network(Settings):
    """The noisy networks: one for each beta and seed."""

    widths: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [10, 7, 5, 4, 3], min_length=1, max_length=32, description="widths of the hidden layers"
    )
    activation: str = Field("tanh", description=f"one of {', '.join(activations())}, or module.name of your own")
    betas: list[Noise] = Field([0.1], min_length=1, description="standard deviations of the layer noise")
    seeds: list[Seed] = Field([0], min_length=1, description="one network per seed: weights, batches, split and noise")

    _check_betas = field_validator("betas", "seeds")(distinct)

    @field_validator("activation")
    @classmethod
    def _check_activation(cls, name: str) -> str:
        return _member(name, find_activation, activations())


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
        from tasks.data import read_column, reference_law

        law = reference_law(self.data.source)
        for index, shift in enumerate(self.shifts):
            try:
                given = {
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


CONFIGS: dict[str, type[StudyConfig]] = {"shift_sweep": SweepConfig, "calibration": CalibrationConfig}


def sweep_path(sweep: str) -> Path:
    """The YAML file of a sweep given by path or by the name of one that comes with ibshift."""
    if "/" in sweep or sweep.endswith((".yaml", ".yml")):
        try:
            found = Path(sweep).is_file()
        except OSError:  # its name is too long
            found = False
        if not found:
            raise ConfigError(f"sweep must be a YAML file or a name, found no file {sweep}")
        return Path(sweep)
    shipped = {path.stem: path for path in sorted((Path(deployments.__file__).parent / "sweeps").glob("*.yaml"))}
    if sweep not in shipped:
        raise ConfigError(
            f"sweep must be a path or one of {', '.join(shipped)}{did_you_mean(sweep, shipped)}, got {sweep!r}"
        )
    return shipped[sweep]


def lasting_name(sweep: str) -> str:
    """A name for the same sweep that also holds in other folders."""
    path = sweep_path(sweep)
    return str(path.resolve()) if path == Path(sweep) else sweep


def load_config(sweep: str, overrides: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read and check the settings of a sweep.

    Args:
        sweep: name of a sweep that comes with ibshift, or path of a YAML file.
        overrides: values by the dotted names of their settings, list items by number: {"shifts.0.sizes": [0.1]}.

    Raises:
        ConfigError: one line that names the setting, what it must be and what it was.
    """
    path = sweep_path(sweep)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: must be text in UTF-8, byte {error.start} is not") from error
    values = read_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a sweep must be a mapping of settings, got {shown(values)}")
    for key, value in (overrides or {}).items():
        _override(values, key, value)
    return parse_config(values, str(path), path.parent)


def parse_config(values: dict[str, Any], source: str, folder: Path | None = None) -> StudyConfig:
    """Check settings that are plain values already; `source` names them in an error, files are relative to `folder`."""
    model = config_model(values.get("study", "shift_sweep"), f"{source}: study")
    try:
        config = model.model_validate(values, context=folder)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_one_line(error, model)}") from error
    config.check_reachable()
    return config


def config_model(study: Any, source: str) -> type[StudyConfig]:
    """The settings that a study takes."""
    if not isinstance(study, str) or study not in CONFIGS:
        close = did_you_mean(str(study), CONFIGS)
        raise ConfigError(f"{source} must be one of {', '.join(CONFIGS)}{close}, got {shown(study)}")
    return CONFIGS[study]


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """What `--set` was given: "key=value" each, the value read as YAML."""
    overrides: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set must be key=value, got {shown(text)}")
        for earlier in overrides:
            if f"{earlier}.".startswith(f"{key}."):
                raise ConfigError(f"--set {key}: must come once and before its parts, got --set {earlier} before it")
        overrides[key] = read_yaml(value, f"--set {key}")
        if overrides[key] is None and value.strip() not in WORDS.keys() - {""}:
            raise ConfigError(f"--set {key}: must have a value, null for none, got {shown(value)}")
    return overrides


def _override(values: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key in place; list items by number."""
    node: Any = values
    parts = key.split(".")
    for depth, part in enumerate(parts):
        place = ".".join(parts[:depth]) or "the settings"
        if not isinstance(node, dict | list):
            raise ConfigError(f"--set {key}: {place} is {shown(node)}, there is no such place in it as {part!r}")
        if isinstance(node, list) and part not in map(str, range(len(node))):
            raise ConfigError(f"--set {key}: {place} has {len(node)} items, there is no such place in it as {part!r}")
        at: Any = int(part) if isinstance(node, list) else part
        if depth == len(parts) - 1:
            node[at] = value
        else:
            node = node[at] if isinstance(node, list) else node.setdefault(at, {})


def _one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a validation, in words: setting, what it must be, what it was."""
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, problem["loc"][:-1])
        return f"{field}: unknown setting{did_you_mean(str(problem['loc'][-1]), known)}; known here: {', '.join(known)}"
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        message = "must be a mapping of settings"
    found = "" if problem["type"] in ("value_error", "missing") else f", got {shown(problem['input'])}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field + ': ' if field else ''}{message[0].lower()}{message[1:]}{found}{more}"


def _keys_at(model: Any, loc: tuple) -> list[str]:
    """The settings that exist at a place in the configuration."""
    for part in loc:
        if isinstance(part, str):
            annotation = model.model_fields[part].annotation
            inner = [
                arg for arg in getattr(annotation, "__args__", ()) if inspect.isclass(arg) and issubclass(arg, Settings)
            ]
            model = inner[0] if inner else annotation
    return list(model.model_fields)


def describe_settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of every setting."""
    for name, found in model.model_fields.items():
        inner = next((each for each in (found.annotation, *get_args(found.annotation)) if _is_settings(each)), None)
        if inner:
            yield from describe_settings(inner, f"{prefix}{name}." + ("<n>." if inner is not found.annotation else ""))
        else:
            default = "required" if found.is_required() else json.dumps(found.default)
            yield f"{prefix}{name}", default, found.description or ""


def _is_settings(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Settings)
