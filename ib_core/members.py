"""Members of the house that are found by name: a file of a room each, or an attribute of a user's own module."""

import importlib
import pkgutil
from functools import cache
from typing import TypeVar

Kind = TypeVar("Kind")


@cache
def names(room: str) -> tuple[str, ...]:
    """The members of a package: its modules, each of which holds the member of its own name."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(importlib.import_module(room).__path__)))


def place(room: str, name: str) -> tuple[str, str]:
    """The module and the attribute of a member: "tanh" of the room, or "module.name" of a user's own.

    Raises:
        KeyError: there is none; the message says what would be one.
    """
    module, _, attribute = name.rpartition(".")
    if not module:
        if name not in names(room):
            raise KeyError(f"one of {', '.join(names(room))}, or module.name of your own, got {name!r}")
        return f"{room}.{name}", name
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a module of the user's raises
        problem = f"{type(error).__name__}: {error}"
        raise KeyError(f"in a module on PYTHONPATH that can be imported, got {name!r} ({problem})") from error
    if not hasattr(imported, attribute):
        raise KeyError(f"module.name of what is there, got {name!r}: {module} has no {attribute!r}")
    return module, attribute


def member(room: str, name: str, kind: type[Kind]) -> Kind:
    """The member itself, see `place`.

    Raises:
        TypeError: what has this name is of another kind.
    """
    module, attribute = place(room, name)
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, kind):
        raise TypeError(f"the name of one {kind.__name__}, got {name!r}, a {type(found).__name__}")
    return found
