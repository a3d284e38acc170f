"""Every setting of a study, for people."""

import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from flows.settings.settings import Settings


def describe_settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of every setting."""
    for name, found in model.model_fields.items():
        inner = next((each for each in (found.annotation, *get_args(found.annotation)) if _is_settings(each)), None)
        if inner:
            yield from describe_settings(
                inner, f"{prefix}{name}." + ("<n>." if get_origin(found.annotation) is list else "")
            )
        else:
            default = "required" if found.is_required() else json.dumps(found.default)
            yield f"{prefix}{name}", default, found.description or ""


def _is_settings(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Settings)
