"""Settings and numbers as MLflow shows them: one short text for each value, the same at every sync."""

import json
import math
from collections.abc import Mapping
from typing import Any

DIGITS = 12  # two settings that differ look different, and 1.0000000000000009 is 1
SPELLED = 2  # changed settings that a name has room for
LONGEST = 16  # characters of a value in a name
SHORT = {
    **{"learning_rate": "lr", "batch_size": "batch", "weight_decay": "decay", "train_fraction": "train"},
    **{"stored_passes": "passes", "own_passes": "own", "target_stderr": "se", "max_draws": "draws", "atoms": "n"},
}


def text(value: Any, digits: int = DIGITS) -> str:
    """A value as a param: "0.4", "10 7 5", "none" where there is none, "∞" where there is no end."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True) if value else "none"
    if isinstance(value, list | tuple):
        nested = any(isinstance(each, list | tuple | Mapping) for each in value)
        return json.dumps(value) if nested else " ".join(text(each, digits) for each in value) or "none"
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return "none"
    if isinstance(value, float):
        return f"{value:.{digits}g}".replace("inf", "∞")
    return str(value)


def short(value: float) -> str:
    """A number in a name: ".4"."""
    return text(value).replace("0.", ".", 1) if abs(value) < 1 else text(value)


def label(*start: str, changes: Mapping[str, Any], variant: str) -> str:
    """The name of a sweep in the names of its runs: "szt 200ep lr.001".

    It depends on the settings alone, so that it is the same whatever else is in MLflow.

    Args:
        start: what every name has.
        changes: settings by dotted name that are to be told beyond that.
        variant: of the settings; its first digits stand for changes that are too many, or no word, to be spelled out.
    """
    words = [_word(name, value) for name, value in changes.items()]
    return " ".join([*start, *(words if all(words) and len(words) <= SPELLED else [f"#{variant[:4]}"])])


def _word(name: str, value: Any) -> str:
    """One changed setting; empty where it is not one of few characters."""
    section, _, last = name.rpartition(".")
    if last == "seed" and section:
        last = f"{section}-seed"
    if "." in section or section == "worst_case":  # radii, and items of lists
        return ""
    if isinstance(value, bool):
        return last if value else f"no-{last}"
    if isinstance(value, int | float):
        return f"{SHORT.get(last, last)}{short(value)}"
    if isinstance(value, str) and len(value) <= LONGEST and value.isidentifier():
        return value
    return ""
