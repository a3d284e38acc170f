"""Families of shifts from a user's own modules: found by name, their code part of what identifies a law."""

import importlib

from ib_core.shifts import FAMILIES, Family
from tasks.fingerprint import has_source


def find_family(name: str) -> Family:
    """A family of `ib_core.shifts` by its name, or one of another module by `module.function`, which is imported.

    Raises:
        KeyError: no such family; the message says what would be one.
    """
    module = name.rpartition(".")[0]
    if module and name not in FAMILIES:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # whatever a module of the user's raises
            problem = f"{type(error).__name__}: {error}"
            raise KeyError(f"in a module on PYTHONPATH that can be imported, got {name!r} ({problem})") from error
    if name not in FAMILIES:
        raise KeyError(f"one of {', '.join(FAMILIES)}, or module.function entered with @family, got {name!r}")
    return FAMILIES[name]


def family_place(name: str) -> tuple[str, str]:
    """The module and the name of a family's function, whose code identifies its laws.

    Raises:
        ValueError: there is no file of code.
    """
    apply = find_family(name).apply
    if not has_source(apply.__module__):
        raise ValueError(f"the module {apply.__module__} must be a Python file, as its code identifies the laws")
    return apply.__module__, apply.__name__
