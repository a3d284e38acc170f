"""A recipe says what one result is made from, and how. Every stage of every study is a class of recipes.

    @dataclass(frozen=True, eq=False)
    class Activations(Recipe):
        stage = "activations"
        network: Training        # a field that is a recipe is an input
        epoch: int               # any other is a setting

Its identity is the hash of its settings, the identities of its inputs, the code of its class and of all that this
calls, with the members of the house that its settings choose, and the versions of the libraries which make the numbers.
What it costs, how many workers there are, and where anything lies, is not in it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from tasks.engine.fingerprint import Definition, Fingerprint, fingerprint
from tasks.store.store import Result, Store, identity

_opened: ContextVar[Store] = ContextVar("the store that results are read from")


@contextmanager
def reading(store: Store) -> Iterator[None]:
    """Within it the results of recipes are those of this store."""
    token = _opened.set(store)
    try:
        yield
    finally:
        _opened.reset(token)


# Of a field that says where something comes from or what it is called: it travels to workers, and identifies nothing.
NOT_IDENTITY = {"identity": False}


@dataclass(frozen=True)
class Cost:
    """What a result costs, roughly: for the plan's estimate, the order of the work, and to refuse what is too much.

    Attributes:
        seconds: on one core.
        bytes: on disk.
        memory: bytes of the process that makes it, where these may be many.
        lower: the settings that would make them fewer.
    """

    seconds: float = 0.0
    bytes: float = 0.0
    memory: float = 0.0
    lower: str = ""


def draws_to_reach(target_stderr: float, most: float) -> float:
    """Rough number of draws with a spread of 1 nat for a standard error: `most` where that is out of reach."""
    root = 1 / target_stderr
    return min(root * root, most)  # root**2 would raise where float64 ends


@dataclass(frozen=True, eq=False)
class Recipe(ABC):
    """One result to make.

    Settings are None, booleans, whole and finite numbers, text, and tuples, mappings and frozen dataclasses of these.
    Inputs are recipes, and tuples and mappings of recipes. Anything else is refused. What only says where something
    comes from is a field with the metadata `NOT_IDENTITY`.

    Attributes:
        stage: name of the stage: what people read, and the folder of its results.
    """

    stage: ClassVar[str]

    @property
    @abstractmethod
    def label(self) -> str:
        """What people read: "b0.1/s0/e0000800/reference/L3"; unique within stage and study."""

    @property
    def name(self) -> str:
        """Stage and label: unique within a study."""
        return f"{self.stage} {self.label}"

    @property
    def on_card(self) -> bool:
        """Whether it computes on a card, of which it then gets a share."""
        return False

    @property
    def members(self) -> tuple[Definition, ...]:
        """Module and name of each member of the house that its settings choose."""
        return ()

    def cost(self) -> Cost:
        """What it costs; may look at settings of its inputs."""
        return Cost()

    @abstractmethod
    def build(self, out: Path) -> None:
        """Read the files of the inputs, and write those of the result into `out`."""

    def without(self, lost: frozenset[str]) -> Self:
        """The same without inputs that are lost, by `name`: a stage that gathers many can do without some."""
        return self

    @cached_property
    def inputs(self) -> dict[str, "Recipe"]:
        """By field, and within it by key or label."""
        found: dict[str, Recipe] = {}
        for each in fields(self):
            found |= _recipes(each.name, getattr(self, each.name))
        return found

    @cached_property
    def settings(self) -> dict[str, Any]:
        """By field, as plain JSON."""
        values = {each.name: getattr(self, each.name) for each in _identifying(self)}
        return {
            name: _plain(value, f"{self.stage}.{name}") for name, value in values.items() if not _recipes(name, value)
        }

    @cached_property
    def code(self) -> Fingerprint:
        return fingerprint(type(self), self.members)

    @property
    def document(self) -> dict[str, Any]:
        """What its identity is the hash of."""
        return {
            "stage": self.stage,
            "settings": self.settings,
            "inputs": {name: recipe.identity for name, recipe in self.inputs.items()},
            "code": self.code.code,
            "libraries": self.code.libraries,
        }

    @cached_property
    def identity(self) -> str:
        return identity(self.document)

    @property
    def result(self) -> Result:
        """The stored result, within `reading`."""
        return Result(_opened.get(), self.stage, self.identity)

    def file(self, name: str) -> Path:
        """One file of the stored result, after its checksum was checked; within `reading`."""
        return self.result.file(name)

    @property
    def scratch(self) -> Path:
        """A folder for what the next attempt can use if this one is killed; within `reading`."""
        return _opened.get().make_folder(_opened.get().scratch(self.identity))

    def __getstate__(self) -> dict[str, Any]:
        """What travels to a worker: fields, and which code is meant."""
        kept = {each.name for each in fields(self)} | {"identity", "code"}
        return {"identity": self.identity, "code": self.code} | {
            name: value for name, value in self.__dict__.items() if name in kept
        }


def _identifying(value: Any) -> Iterator[Field]:
    return (each for each in fields(value) if each.metadata.get("identity", True))


def _recipes(name: str, value: Any) -> dict[str, Recipe]:
    """The recipes in the value of a field."""
    if isinstance(value, Recipe):
        return {name: value}
    if isinstance(value, tuple):
        return {f"{name} {each.label}": each for each in value if isinstance(each, Recipe)}
    if isinstance(value, Mapping):
        return {f"{name} {key}": each for key, each in value.items() if isinstance(each, Recipe)}
    return {}


def _plain(value: Any, place: str) -> Any:
    """A setting as plain JSON.

    Raises:
        TypeError: it cannot be stored; the message says where.
    """
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each, f"{place}.{k}") for k, each in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(each, f"{place}.{key}") for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type) and not isinstance(value, Recipe):
        return {each.name: _plain(getattr(value, each.name), f"{place}.{each.name}") for each in _identifying(value)}
    raise TypeError(f"{place} must be made of numbers, text, tuples, mappings and dataclasses, got {value!r}")
