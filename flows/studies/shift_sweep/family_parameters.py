"""Parameters of a family of shifts, held against the signature of its function."""

import inspect
import math
from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from flows.settings.settings import did_you_mean, shown
from ib_core.laws.family import Family

OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_parameters(name: str, family: Family, given: Mapping[str, Any]) -> None:
    """Refuse parameters that a family does not take: others, missing ones, those of another type.

    Arrays are given as files, path#column; a parameter without a type takes any number.

    Args:
        name: of the family.
        family: whose function is `(law, size, **parameters)`; one that sees the network is given that.
        given: the parameters.

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
        wanted, fits = _wanted(hints.get(key, float), value)
        if not fits:
            raise ValueError(f"{name}: {key} must be {wanted}, got {shown(value)}")


def _wanted(hint: Any, value: Any) -> tuple[str, bool]:
    """What a parameter must be, in words, and whether a value is that."""
    kinds = get_args(hint) or (hint,)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, kinds))}", value in kinds
    if value is None and NoneType in kinds:
        return "nothing", True
    if "ndarray" in str(hint):
        return "a file, as path#column", isinstance(value, str) and "#" in value
    if bool in kinds:
        return "true or false", isinstance(value, bool)
    if int in kinds and float not in kinds:
        return "a whole number", type(value) is int
    return "a number", type(value) in (int, float) and abs(value) < math.inf
