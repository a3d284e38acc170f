"""What `--set` changes in the settings of a file."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flows.settings.settings import ConfigError, shown
from flows.settings.strict_yaml import WORDS, read_yaml


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """What `--set` was given: "key=value" each, the value read as YAML."""
    overrides: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set must be key=value, got {shown(text)}")
        for earlier in overrides:
            if f"{earlier}.".startswith(f"{key}."):
                got = "it twice" if earlier == key else f"--set {earlier} before it"
                raise ConfigError(f"--set {key}: must come once and before its parts, got {got}")
        overrides[key] = read_yaml(value, f"--set {key}")
        if overrides[key] is None and value.strip() not in WORDS.keys() - {""}:
            raise ConfigError(f"--set {key}: must have a value, null for none, got {shown(value)}")
    return overrides


def as_texts(overrides: Mapping[str, Any]) -> list[str]:
    """What `parse_overrides` reads as these values."""
    return [f"{key}={as_yaml(value)}" for key, value in overrides.items()]


def as_yaml(value: Any) -> str:
    """A value as it may stand behind `--set key=`."""
    if isinstance(value, str) and value.isidentifier() and read_yaml(value, "") == value:
        return value
    return json.dumps(value)


def override(values: dict[str, Any], key: str, value: Any) -> None:
    """Set one dotted key in place; list items by number."""
    node: Any = values
    parts = key.split(".")
    for depth, part in enumerate(parts):
        place = ".".join(parts[:depth]) or "the settings"
        if not isinstance(node, dict | list):
            raise ConfigError(f"--set {key}: {place} is {shown(node)}, there is no such place in it as {part!r}")
        if isinstance(node, list) and part not in map(str, range(len(node))):
            raise ConfigError(f"--set {key}: {place} has {len(node)} items, there is no such place in it as {part!r}")
        at: Any = int(part) if isinstance(node, list) else part
        if depth == len(parts) - 1:
            node[at] = value
        else:
            node = node[at] if isinstance(node, list) else node.setdefault(at, {})
