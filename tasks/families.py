"""Families of shifts from a user's own modules: found by name, their code part of what identifies a law."""

import ast
import hashlib
import importlib
import inspect
from pathlib import Path

from ib_core.shifts import FAMILIES, Family


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


def source_hash(name: str) -> str:
    """Hash of the file that a family stands in; its layout and comments change nothing."""
    path = Path(inspect.getfile(find_family(name).apply))
    return hashlib.sha256(ast.dump(ast.parse(path.read_text(encoding="utf-8"))).encode()).hexdigest()[:12]
