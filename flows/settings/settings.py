"""What the settings of every study have in common: types, names, and where the work runs."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from ib_core.members import Registry

MAX_CELLS = 100_000
LONGEST = 1000  # characters of an error


class ConfigError(ValueError):
    """A setting is wrong; the message is one line for the user, whatever the setting was."""

    def __init__(self, message: str) -> None:
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST - 100]} ... {line[-90:]}")


class Settings(BaseModel):
    """Frozen settings; unknown keys are refused, and a value of another type is not made to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Positive = Annotated[float, Field(gt=0)]
Noise = Annotated[float, Field(ge=1e-6, le=1e6)]
Count = Annotated[int, Field(ge=1, le=2**53)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def ascending(values: list) -> list:
    """Distinct values in their order on an axis."""
    return sorted(distinct(values))


def distinct(values: list) -> list:
    value, count = Counter(values).most_common(1)[0] if values else (None, 0)
    if count > 1:
        raise ValueError(f"values must be distinct, got {value} more than once")
    return values


class Resources(Settings):
    """Where the work runs; changes no number, but that a GPU may change their last digits."""

    workers: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        None, description="processes at once; null: one per core; 0: no Ray"
    )
    gpus: Annotated[float, Field(ge=0)] = Field(0.0, description="fraction of a GPU for each unit; cells then use it")
    ray_address: str | None = Field(None, description="Ray cluster to join")
    memory: Positive | None = Field(
        None, description="GiB that each process may take; null: what this machine has, shared by the workers"
    )
    max_cells: Count = Field(MAX_CELLS, description="refuse grids above this")


class StudyConfig(Settings):
    """The settings that every study has."""

    study: str
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="lower case, digits, - and _: names the folder of results"
    )
    resources: Resources = Resources()
    _folder: str | None = PrivateAttr(None)
    _command: str = PrivateAttr("")

    @property
    def folder(self) -> str | None:
        """Where the settings file lies, beside which a user's modules are found; None without a file."""
        return self._folder

    def lies_in(self, folder: Path) -> None:
        """Remember the folder of the settings file."""
        self._folder = str(folder.resolve())

    @property
    def command(self) -> str:
        """The command line that runs these settings; empty where they were not read from a file."""
        return self._command

    def runs_by(self, command: str) -> None:
        """Remember the command line that runs these settings."""
        self._command = command

    def differing(self) -> dict[str, Any]:
        """The settings that are not default and can change a number, by their dotted names.

        Files beside that of the settings are named from there: where the folder lies is no setting.
        """
        values = self.model_dump(mode="json", exclude_defaults=True, exclude={"study", "name", "resources"})
        here = f"{self.folder}{os.sep}" if self.folder else "\0"
        return {name: value.removeprefix(here) if isinstance(value, str) else value for name, value in _flat(values)}

    def everything(self) -> dict[str, Any]:
        """All settings, defaults included, by their dotted names."""
        return dict(_flat(self.model_dump(mode="json")))

    @property
    def variant(self) -> str:
        """Eight hexadecimal digits of the settings that are not default: results of others are kept apart from these.

        A setting that ibshift gets later, and that is left at its default, changes nothing here.
        """
        text = json.dumps(self.differing(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def check_reachable(self) -> None:
        """Refuse what the types cannot see: values that only the mathematics knows to be impossible."""


def _flat(values: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by dotted name; items of a list by number where they are mappings themselves."""
    nested = isinstance(values, dict) or (isinstance(values, list) and any(isinstance(each, dict) for each in values))
    if not values or not nested:
        yield place, values
        return
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        yield from _flat(value, f"{place}.{key}" if place else str(key))


def named(registry: Registry[Any]) -> AfterValidator:
    """What refuses the name of no member, of the house or of a user's own module."""

    def check(name: str) -> str:
        try:
            registry.find(name)
        except (KeyError, TypeError) as error:
            raise ValueError(f"must be {error.args[0]}") from error
        return name

    return AfterValidator(check)


def concerning(setting: str, value: str, problem: str) -> ConfigError:
    """What is wrong with what a setting names, which is said once."""
    named = "" if value in problem else f" ({value})"
    return ConfigError(f"{setting}{named}: {problem}")


def shown(value: Any) -> str:
    """A value as an error shows it: as it stands in a settings file, cut where it is long."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
