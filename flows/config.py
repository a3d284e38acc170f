"""The settings of a sweep: typed, documented, and refused in one line when they are wrong."""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

import deployments
from flows.calibration_config import CalibrationConfig
from flows.settings import ConfigError, Count, Noise, Positive, Seed, Settings, StudyConfig, did_you_mean, distinct
from ib_core.shifts import FAMILIES, check_step, shifted
from tasks.families import find_family


class Data(Settings):
    """The input law."""

    source: Literal["szt"] = Field("szt", description="szt: the 4096 patterns of Shwartz-Ziv and Tishby (2017)")


class Network(Settings):
    """The noisy networks: one for each beta and seed."""

    widths: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [10, 7, 5, 4, 3], min_length=1, max_length=32, description="widths of the hidden layers"
    )
    activation: Literal["tanh", "relu"] = Field("tanh", description="tanh or relu")
    betas: list[Noise] = Field([0.1], min_length=1, description="standard deviations of the layer noise")
    seeds: list[Seed] = Field([0], min_length=1, description="one network per seed: weights, batches, split and noise")

    _check_betas = field_validator("betas", "seeds")(distinct)


class Training(Settings):
    """Adam on the cross-entropy of noisy passes."""

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(1000, description="passes over the training part")
    checkpoints: Annotated[int, Field(ge=1, le=1000)] = Field(6, description="log-spaced epochs, the last among them")
    learning_rate: Positive = Field(4e-4, description="step size of Adam")
    batch_size: Count = Field(256, description="inputs per step")
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(0.8, description="part of the atoms to train on")


class Shifts(Settings):
    """One family of shifts and its sizes."""

    family: str = Field(description=f"one of {', '.join(FAMILIES)}, or module.function of your own")
    sizes: list[Annotated[float, Field(ge=0)]] = Field(
        min_length=1,
        description="distances to the reference, in the family's metric: TV, KL in nats, W_2 in input units",
    )
    parameters: dict[str, int | float | str] = Field(
        {},
        description="further arguments of the family; for an array, path#column of a Parquet or CSV file with a row "
        "for each atom, relative to the sweep's file",
    )
    epochs: Literal["all", "last"] = Field(
        "all", description="checkpoints to measure; moved atoms need cells of their own, reweightings come for free"
    )

    _check_sizes = field_validator("sizes")(distinct)

    @model_validator(mode="after")
    def _check_family(self) -> "Shifts":
        try:
            family = find_family(self.family)
        except KeyError as error:
            raise ValueError(f"family must be {error.args[0]}{did_you_mean(self.family, FAMILIES)}") from error
        known = dict(list(inspect.signature(family.apply).parameters.items())[2:])
        for key in self.parameters:
            if key not in known:
                raise ValueError(
                    f"{self.family} takes {list(known) or 'no parameters'}{did_you_mean(key, known)}, got {key!r}"
                )
            is_array = "ndarray" in str(known[key].annotation)
            if isinstance(self.parameters[key], str) != is_array:
                kind = "a file, as path#column" if is_array else "a number"
                raise ValueError(f"{self.family}: {key} must be {kind}, got {self.parameters[key]!r}")
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
            raise ValueError(f"must be auto, none or a mapping of kind, k and n, got {value!r}")
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
        """Refuse sizes that a reweighting cannot reach, with the range that it can."""
        from tasks.data import read_column, reference_law

        law = reference_law(self.data.source)
        for index, shift in enumerate(self.shifts):
            try:
                given = {
                    key: read_column(value) if isinstance(value, str) else value
                    for key, value in shift.parameters.items()
                }
            except (OSError, KeyError, ValueError) as error:
                raise ConfigError(f"shifts.{index}.parameters ({shift.family}): {error}") from error
            moves = find_family(shift.family).moves_atoms
            if moves and "." in shift.family:  # what it reaches is its own affair
                continue
            for size in shift.sizes:
                try:
                    if not moves:
                        shifted(shift.family, law, size, **given)
                    elif size > 0:  # how far a step goes shows when it is taken, which may need optimal transport
                        check_step(law, size)
                except Exception as error:  # whatever a family of the user's raises
                    problem = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
                    raise ConfigError(f"shifts.{index}.sizes ({shift.family}): {problem}") from error


CONFIGS: dict[str, type[StudyConfig]] = {"shift_sweep": SweepConfig, "calibration": CalibrationConfig}


def sweep_path(sweep: str) -> Path:
    """The YAML file of a sweep given by path or by the name of one that comes with ibshift."""
    if "/" in sweep or sweep.endswith((".yaml", ".yml")):
        path = Path(sweep)
        if not path.is_file():
            raise ConfigError(f"sweep must be a YAML file or a name, found no file {sweep}")
        return path
    shipped = {path.stem: path for path in sorted((Path(deployments.__file__).parent / "sweeps").glob("*.yaml"))}
    if sweep not in shipped:
        raise ConfigError(
            f"sweep must be a path or one of {', '.join(shipped)}{did_you_mean(sweep, shipped)}, got {sweep!r}"
        )
    return shipped[sweep]


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
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigError(f"{place}: not YAML: {getattr(error, 'problem', None) or 'unreadable text'}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a sweep must be a mapping of settings, got {type(values).__name__}")
    for key, value in (overrides or {}).items():
        _override(values, key, value)
    _anchor_files(values, path.parent)
    return parse_config(values, str(path))


def _anchor_files(values: dict[str, Any], folder: Path) -> None:
    """Make the paths of files absolute, so that they mean the same wherever the work runs."""
    shifts = values.get("shifts")
    for shift in shifts if isinstance(shifts, list) else []:
        parameters = shift.get("parameters") if isinstance(shift, dict) else None
        if not isinstance(parameters, dict):
            continue
        for key, value in parameters.items():
            if isinstance(value, str):
                parameters[key] = str((folder / value).resolve())


def parse_config(values: dict[str, Any], source: str) -> StudyConfig:
    """Check settings that are plain values already; `source` names them in an error."""
    model = config_model(values.get("study", "shift_sweep"), f"{source}: study")
    try:
        config = model.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_one_line(error, model)}") from error
    config.check_reachable()
    return config


def config_model(study: Any, source: str) -> type[StudyConfig]:
    """The settings that a study takes."""
    if not isinstance(study, str) or study not in CONFIGS:
        close = did_you_mean(str(study), CONFIGS)
        raise ConfigError(f"{source} must be one of {', '.join(CONFIGS)}{close}, got {study!r}")
    return CONFIGS[study]


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """What `--set` was given: "key=value" each, the value read as YAML."""
    overrides = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set must be key=value, got {text!r}")
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}: the value must be YAML, got {value!r}") from error
    return overrides


def _override(values: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key in place; list items by number."""
    *path, last = key.split(".")
    node: Any = values
    try:
        for part in path:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = value
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise ConfigError(f"--set {key}: there is no such place in the settings") from error


def _one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a validation, in words: setting, what it must be, what it was."""
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(model, problem["loc"][:-1])
        return f"{field}: unknown setting{did_you_mean(str(problem['loc'][-1]), known)}; known here: {', '.join(known)}"
    message = problem["msg"].removeprefix("Value error, ")
    found = problem["input"]
    shown = "" if isinstance(found, dict) or problem["type"] in ("value_error", "missing") else f", got {found!r}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{field + ': ' if field else ''}{message[0].lower()}{message[1:]}{shown}{more}"


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
