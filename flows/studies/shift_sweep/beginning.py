"""The first settings of a sweep on a user's own data or network: a commented file that runs as it is."""

import math
from pathlib import Path

import numpy as np
from torch import nn

from flows.settings.settings import ConfigError
from ib_core.laws.points import Points
from ib_core.networks.architecture import ARCHITECTURES
from ib_core.networks.foreign import foreign_module
from ib_core.networks.module_table import module_table, suggested_layers
from tasks.points.source import MNIST, built_in, is_file, read_points
from tasks.points.weights import load_weights
from tasks.sweep.networks import inputs
from tasks.sweep.pretrained import weight_files

MOST_ATOMS = 4096  # that a first run measures
DATA_STUB = '''"""Points for ibshift: replace what stands here by your own."""

import numpy as np


def {function}():
    """x (N, ...), y (N,) classes 0..C-1, and weights (N,) as a third value if the points are not equally likely."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    centres = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return centres[y] + rng.normal(scale=0.7, size=(600, 2)), y
'''
NETWORK_STUB = '''"""A network for ibshift: replace what stands here by your own."""

from torch import nn


def {function}():
    """Maps inputs (n{shape}) to logits (n, {classes}). Every layer that is to be noised is a submodule of its own."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear({width}, 16),
        nn.Tanh(),
        nn.Linear(16, 8),
        nn.Tanh(),
        nn.Linear(8, {classes}),
    )
'''


def begin(path: Path, source: str, network: str, weights: str | None, data_path: str | None) -> list[Path]:
    """Write the settings of a sweep to `path`, and a module beside it where the data or the network name one that is
    not there.

    Args:
        path: of the YAML file, which must not exist.
        source: of the points, as `data.source`.
        network: as `network.source`.
        weights: as `network.weights`.
        data_path: as `data.path`.

    Returns:
        The files that were written, the settings first.

    Raises:
        ConfigError: a file exists already, or the data or the network cannot be read.
    """
    if path.exists():
        raise ConfigError(f"{path} must not exist yet: ibshift new writes no file anew")
    written = [path]
    named_file = is_file(source, path.parent)
    if source not in built_in() and not named_file:
        written += _stub(path.parent, source, "data.source", DATA_STUB)
    try:
        points = read_points(str(path.parent / Path(source).expanduser()) if named_file else source, data_path)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"data.source ({source}): {error.args[0]}") from error
    layers: list[str] = []
    if network not in ARCHITECTURES.names:
        shape = "".join(f", {side}" for side in points.shape)
        facts = {"shape": shape, "width": math.prod(points.shape), "classes": points.classes}
        written += _stub(path.parent, network, "network.source", NETWORK_STUB, **facts)
        layers = suggested_layers(module_table(_module(path.parent, network, weights), inputs(points, np.arange(8))))
        if not layers:
            raise ConfigError(f"network.source ({network}): it has no submodule that can be noised")
    elif weights is not None:
        raise ConfigError(f"weights must be left out for {network}, which is trained here")
    path.write_text(_settings(path.stem, source, network, weights, data_path, points, layers), encoding="utf-8")
    return written


def _stub(folder: Path, place: str, setting: str, text: str, **facts: object) -> list[Path]:
    """Write the module of "module:function" unless it is there."""
    module, _, function = place.replace(":", ".").rpartition(".")
    if not module.isidentifier() or not function.isidentifier():
        raise ConfigError(f"{setting} must be one of the house, a file, or module:function of your own, got {place!r}")
    path = folder / f"{module}.py"
    if path.exists() or (folder / module).is_dir():
        return []
    path.write_text(text.format(function=function, **facts), encoding="utf-8")
    return [path]


def _module(folder: Path, network: str, weights: str | None) -> nn.Module:
    try:
        module = foreign_module(network)
    except ValueError as error:
        raise ConfigError(f"network.source ({network}): {error}") from error
    if weights is not None:
        try:
            load_weights(module, Path(weight_files(str(folder / weights))[-1].file))
        except ValueError as error:
            raise ConfigError(f"network.weights ({weights}): {error}") from error
    return module


def _settings(
    name: str,
    source: str,
    network: str,
    weights: str | None,
    data_path: str | None,
    points: Points,
    layers: list[str],
) -> str:
    """The text of the settings."""
    official = points.train is not None
    measured = int((~points.train).sum()) if points.train is not None else len(points.y)
    subset = measured > MOST_ATOMS
    spread = float(np.sqrt(np.var(points.x.reshape(len(points.x), -1)[:2000], axis=0).sum()))
    steps = ", ".join(f"{part * spread:.2g}" for part in (0.02, 0.05, 0.1))
    lines = [
        "# How the information in the layers of a network reacts when its inputs shift.",
        f"# ibshift plan {name}.yaml     ibshift run {name}.yaml     ibshift settings: every setting and its meaning",
        f"name: {_name(name)}",
        "",
        "data:",
        f"  source: {source} # {len(points.y)} points of shape {'x'.join(map(str, points.shape))}, "
        f"{points.classes} classes",
    ]
    if source == MNIST:
        lines.append(
            f"  path: {data_path}" if data_path else "  # path: folder of the four files; or IBSHIFT_MNIST_DIR"
        )
    lines.append(f"  part: {'test' if official else 'all'} # which points are measured: train, test, all or both")
    lines.append(f"  atoms: {MOST_ATOMS} # a stratified subset" if subset else "  # atoms: 1000 # a stratified subset")
    lines += ["", "network:", f"  source: {network}"]
    if layers:
        lines.append(f"  layers: [{', '.join(layers)}] # noised, in the order of the forward pass; see ibshift layers")
    else:
        lines.append("  widths: [16, 8, 4] # dense hidden layers" if network == "mlp" else "  channels: [16, 32]")
        lines.append("  activation: tanh")
    if weights is not None:
        lines.append(f"  weights: {weights} # a file, or a glob of checkpoints, each an epoch")
    lines += [
        "  betas: [0.1] # standard deviations of the noise",
        "  # noise: relative # beta times the root mean square of each layer",
    ]
    if weights is None:
        epochs = max(5, min(400, round(600_000 / len(points.y))))
        lines += ["", "training:", f"  epochs: {epochs}", "  checkpoints: 4 # log-spaced", "  learning_rate: 0.003"]
        lines += ["  batch_size: 128"]
    else:
        lines += ["", "training: none # the network as it is"]
    label = int(np.bincount(points.y).argmin())
    lines += [
        "",
        "shifts:",
        "  - family: contamination # mass moves to one atom",
        "    sizes: [0.0, 0.05, 0.1, 0.2] # total variation",
        "  - family: class_prior # mass moves to one class",
        "    sizes: [0.0, 0.05, 0.1, 0.2] # total variation",
        f"    parameters: {{label: {label}}}",
        "  - family: gaussian_displacement # every atom moves by its own Gaussian step",
        f"    sizes: [0.0, {steps}] # Wasserstein W_2, in units of the inputs",
        "    epochs: last",
    ]
    if len(points.shape) in (2, 3) and points.shape[-3:-2] in ((), (1,), (3,)):
        lines += [
            "  - family: rotation",
            "    sizes: [0.0, 5.0, 15.0] # degrees",
            "    epochs: last",
        ]
    lines += [
        "",
        "estimator:",
        "  stored_passes: 8 # more, and more own_passes, give narrower brackets",
        "  own_passes: 200",
        "  target_stderr: 0.02 # nats",
        f"  max_draws: {max(8192, 4 * min(measured, MOST_ATOMS))}",
        "",
        "worst_case: # the laws that move the information most, in balls around the reference",
        "  tv: [0.1]",
        "  kl: []",
        "",
    ]
    return "\n".join(lines)


def _name(stem: str) -> str:
    """A name of a sweep from that of its file."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in stem.lower()).strip("-_")
    return kept[:64] or "sweep"
