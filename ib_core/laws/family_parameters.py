"""Parameters of a family of shifts, held against the signature of its function."""

import inspect
import math
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from ib_core.laws.family import Family
from ib_core.members import did_you_mean

OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_parameters(
    name: str,
    family: Family,
    given: Mapping[str, Any],
    *,
    in_files: bool = False,
    shown: Callable[[Any], str] = lambda value: f"{value!r:.80}",
) -> None:
    """Refuse parameters that a family does not take: others, missing ones, those of another type.

    A parameter without a type takes any number.

    Args:
        name: of the family.
        family: whose function is `(law, size, **parameters)`; one that sees the network is given that.
        given: the parameters.
        in_files: whether arrays are given as files, path#column.
        shown: how an error shows a value.

    Raises:
        ValueError: names the parameter, what it must be and what it was.
    """
    apply = family.apply
    signature = list(inspect.signature(apply).parameters.items())
    known = {key: parameter for key, parameter in signature[2:] if parameter.kind not in OPEN}
    if family.sees_network:
        known.pop("network", None)
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for _, parameter in signature)
    takes = ", ".join(known) or "no parameters"
    for key in given:
        if key not in known and not takes_more:
            raise ValueError(f"{name} takes {takes}{did_you_mean(key, known)}, got {key!r}")
    for key, parameter in known.items():
        if key not in given and parameter.default is parameter.empty:
            raise ValueError(f"{name}: the parameter {key} is missing; it takes {takes}")
    try:
        hints = get_type_hints(apply)
    except Exception:  # names that only a type checker can resolve
        hints = {key: parameter.annotation for key, parameter in known.items()}
    for key, value in given.items():
        wanted, fits = _wanted(hints.get(key, float), value, in_files)
        if not fits:
            raise ValueError(f"{name}: {key} must be {wanted}, got {shown(value)}")


def _wanted(hint: Any, value: Any, in_files: bool) -> tuple[str, bool]:
    """What a parameter must be, in words, and whether a value is that."""
    kinds = get_args(hint) or (hint,)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, kinds))}", value in kinds
    if value is None and NoneType in kinds:
        return "nothing", True
    if "ndarray" in str(hint):
        if in_files:
            return "a file, as path#column", isinstance(value, str) and "#" in value
        return "an array (N,)", not isinstance(value, str | Mapping)
    if bool in kinds:
        return "true or false", isinstance(value, bool)
    if int in kinds and float not in kinds:
        return "a whole number", isinstance(value, int | np.integer) and not isinstance(value, bool)
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return "a number", real and abs(value) < math.inf
