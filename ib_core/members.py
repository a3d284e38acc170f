"""Members of the house that are found by name: a file of a room each, or an attribute of a user's own module."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Registry(Generic[Kind]):
    """The members of one kind: those of a package, whose modules hold one of their own name each, and users' own.

    Attributes:
        room: the package.
        kind: the type of its members.
        made: how one comes about, if not by calling the type.

    Example:
        >>> from ib_core.networks.activation import ACTIVATIONS
        >>> ACTIVATIONS.names, ACTIVATIONS.find("tanh").half_width
        (('leaky_relu', 'linear', 'relu', 'sigmoid', 'tanh'), 1.0)
    """

    room: str
    kind: type[Kind]
    made: str = ""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Those of the package."""
        return tuple(sorted(each.name for each in pkgutil.iter_modules(importlib.import_module(self.room).__path__)))

    @property
    def choice(self) -> str:
        """What a name may be, for people."""
        return f"one of {', '.join(self.names)}, or module:name of your own"

    def place(self, name: str) -> tuple[str, str]:
        """The module and the attribute of a member: "tanh" of the package, or "module.name" of a user's own.

        Raises:
            KeyError: there is none; the message says what would be one.
        """
        if not _is_own(name):
            if name not in self.names:
                raise KeyError(f"{self.choice}, got {name!r}{did_you_mean(name, self.names)}")
            return f"{self.room}.{name}", name
        return own_place(name)

    def find(self, name: str) -> Kind:
        """The member itself, see `place`.

        Raises:
            TypeError: what has this name is of another kind.
        """
        module, attribute = self.place(name)
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, self.kind):
            kind = self.made or f"one {self.kind.__name__}"
            raise TypeError(f"the name of {kind}, got {name!r}, a {type(found).__name__}")
        return found


def own_place(name: str) -> tuple[str, str]:
    """The module and the attribute of what a user names as "module.name" or "module:name".

    Raises:
        KeyError: there is none; the message says what would be one.
    """
    module, _, attribute = name.replace(":", ".").rpartition(".")
    if not module or not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise KeyError(f"module:name of your own, got {name!r}")
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        problem = f"{type(error).__name__}: {error}"
        where = "in a module beside the sweep's file or on PYTHONPATH that can be imported"
        raise KeyError(f"{where}, got {name!r} ({problem})") from error
    if not hasattr(imported, attribute):
        hint = did_you_mean(attribute, vars(imported))
        raise KeyError(f"module:name of what is there, got {name!r}: {module} has no {attribute!r}{hint}")
    return module, attribute


def own_member(name: str) -> Any:
    """What a user names, see `own_place`."""
    module, attribute = own_place(name)
    return getattr(importlib.import_module(module), attribute)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """What to say behind a name that there is not: the one that is close to it, if there is one."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def listed(names: Iterable[Any], most: int = 8) -> str:
    """Names as an error shows them, the first of many."""
    every = [str(name) for name in names]
    return (", ".join(every[:most]) or "nothing") + (f" and {len(every) - most} more" if len(every) > most else "")


def _is_own(name: str) -> bool:
    return "." in name or ":" in name
