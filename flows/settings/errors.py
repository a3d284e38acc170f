"""A refused setting in one line: which it is, what it must be, what it was."""

import inspect
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.settings.settings import Settings, shown
from ib_core.members import did_you_mean


def dotted(error: ValidationError) -> str:
    """The setting of which the first error is."""
    return ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])


def one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first error of a validation, in words: setting, what it must be, what it was."""
    problem = error.errors(include_url=False)[0]
    field = dotted(error)
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
