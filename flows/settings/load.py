"""From a sweep's YAML file to its settings."""

import importlib
import os
import shlex
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import deployments
from flows.settings.errors import dotted, one_line
from flows.settings.overrides import as_texts, override
from flows.settings.settings import ConfigError, StudyConfig, shown
from flows.settings.strict_yaml import read_yaml
from flows.settings.study import study_named
from ib_core.members import did_you_mean


def sweep_path(sweep: str) -> Path:
    """The YAML file of a sweep given by path or by the name of one that comes with ibshift."""
    if "/" in sweep or sweep.endswith((".yaml", ".yml")):
        try:
            found = Path(sweep).is_file()
        except OSError:  # its name is too long
            found = False
        if not found:
            raise ConfigError(f"sweep must be a YAML file or a name, found no file {sweep}")
        return Path(sweep)
    folder = Path(deployments.__file__).parent
    shipped = {path.stem: path for room in ("sweeps", "reproduce") for path in sorted((folder / room).glob("*.yaml"))}
    if sweep not in shipped:
        raise ConfigError(
            f"sweep must be a path or one of {', '.join(shipped)}{did_you_mean(sweep, shipped)}, got {sweep!r}"
        )
    return shipped[sweep]


def lasting_name(sweep: str) -> str:
    """A name for the same sweep that also holds in other folders."""
    path = sweep_path(sweep)
    return str(path.resolve()) if path == Path(sweep) else sweep


def load_config(sweep: str, overrides: Mapping[str, Any] | None = None, *, reachable: bool = True) -> StudyConfig:
    """Read and check the settings of a sweep.

    Args:
        sweep: name of a sweep that comes with ibshift, or path of a YAML file.
        overrides: values by the dotted names of their settings, list items by number: {"shifts.0.sizes": [0.1]}.
        reachable: whether data, networks and laws are tried too.

    Raises:
        ConfigError: one line that names the setting, what it must be and what it was.
    """
    path = sweep_path(sweep)
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: must be text in UTF-8, byte {error.start} is not") from error
    values = read_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a sweep must be a mapping of settings, got {shown(values)}")
    for key, value in (overrides or {}).items():
        override(values, key, value)
    config = parse_config(values, str(path), path.parent, overrides or {}, reachable=reachable)
    changes = [word for text in as_texts(overrides or {}) for word in ("--set", text)]
    config.runs_by(shlex.join(["ibshift", "run", sweep, *changes]))
    return config


def find_beside(folder: Path) -> None:
    """Let modules that stand beside a sweep's file be imported, here and by the workers that this process starts."""
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.append(place)  # behind everything else: a file called random.py must not stand for Python's own
        importlib.invalidate_caches()
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if place not in known:
        os.environ["PYTHONPATH"] = os.pathsep.join([*filter(None, known), place])


def parse_config(
    values: dict[str, Any],
    source: str,
    folder: Path | None = None,
    overrides: Collection[str] = (),
    *,
    reachable: bool = True,
) -> StudyConfig:
    """Check settings that are plain values already; `source` names them in an error, but for those that were changed
    by `overrides`; files are relative to `folder`."""
    if folder is not None:
        find_beside(folder)
    model = study_named(values.get("study", "shift_sweep"), f"{source}: study").settings
    try:
        config = model.model_validate(values, context=folder)
    except ValidationError as error:
        place = dotted(error)
        changed = any(f"{place}.".startswith(f"{key}.") or key.startswith(f"{place}.") for key in overrides)
        raise ConfigError(f"{'--set ' if changed else f'{source}: '}{one_line(error, model)}") from error
    if folder is not None:
        config.lies_in(folder)
    if reachable:
        config.check_reachable()
    return config
