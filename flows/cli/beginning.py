"""Commands that a user begins with: a first settings file, and what the layers of a network are."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table
from torch import Tensor

from flows.cli.app import Overrides, Sweep, app, console
from flows.settings.load import find_beside, load_config
from flows.settings.overrides import parse_overrides
from flows.settings.settings import ConfigError
from flows.studies.shift_sweep.beginning import begin
from flows.studies.shift_sweep.resolved import built, read_data
from flows.studies.shift_sweep.settings import Network, SweepConfig
from ib_core.networks.architecture import ARCHITECTURES
from ib_core.networks.cuts import cuts
from ib_core.networks.module_table import module_table, suggested_layers
from ib_core.networks.noisy_network import NoisyNetwork
from tasks.points.source import FORMS, built_in
from tasks.sweep.data import DataSet
from tasks.sweep.networks import PROBES, inputs


@app.command()
def new(
    path: Annotated[Path, typer.Argument(help="The settings file to write: my.yaml.")] = Path("my.yaml"),
    data: Annotated[str, typer.Option("--data", help=f"One of {', '.join(built_in())}; {FORMS}.")] = "szt",
    network: Annotated[
        str, typer.Option("--network", help=f"One of {', '.join(ARCHITECTURES.names)}, or module:function of your own.")
    ] = "mlp",
    weights: Annotated[
        str | None, typer.Option("--weights", help="Weights of your network, a file or a glob of checkpoints.")
    ] = None,
    data_path: Annotated[str | None, typer.Option("--data-path", help="Folder of MNIST's files.")] = None,
) -> None:
    """Write a commented settings file for a data set and a network, which runs as it is.

    Modules of your own stand beside the file; one that is not there yet is written, to be filled.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"path must end in .yaml, got {path}")
    if not path.parent.is_dir():
        raise ConfigError(f"path must be in a folder that exists, found none at {path.parent}")
    find_beside(path.parent)
    for written in begin(path, data, network, weights, data_path):
        console.say(f"wrote {written}")
    load_config(str(path))
    command = path if "/" in str(path) else f"./{path}" if path.suffix != ".yaml" else path
    console.say(f"next: ibshift layers {command}, ibshift plan {command}, ibshift run {command}")


@app.command()
def layers(sweep: Sweep, overrides: Overrides = None) -> None:
    """List the modules of a sweep's network: shape, width, how far they reach, and whether they can be noised."""
    config = load_config(sweep, parse_overrides(overrides or []), reachable=False)
    if not isinstance(config, SweepConfig):
        raise ConfigError(f"{sweep} must be a shift sweep, got a study {config.study}")
    data, points = read_data(config)
    probe = inputs(points, np.arange(min(len(points.y), PROBES)))
    for setting, network in config.each_network:
        if config.networks:
            console.say(f"{setting} ({network.source})")
        _list(setting, network, data, probe)


def _list(setting: str, network: Network, data: DataSet, probe: Tensor) -> None:
    """The table of one network, and which of its noised layers are passed by."""
    design, module, names = built(setting, network, data)
    try:
        rows = module_table(module, probe)
    except ValueError as error:
        raise ConfigError(f"{setting}.source ({network.source}): {error}") from error
    table = Table("layer", "module", "class", "shape", "units", "reach", "noise")
    chosen = {name: str(k) for k, name in enumerate(names, start=1)}
    for row in rows:
        shape = "" if row.shape is None else "x".join(map(str, row.shape)) or "1"
        units = "" if row.width is None else str(row.width)
        reach = f"{2 * row.half_width:g} wide" if row.half_width is not None else "" if row.problem else "no bound"
        table.add_row(chosen.get(row.name, ""), row.name, row.kind, shape, units, reach, row.problem or "possible")
    console.print(table)
    if not names:
        suggested = ", ".join(suggested_layers(rows))
        console.say(f"{setting}.layers is not set; the activations would be: layers: [{suggested}]")
        return
    try:
        noised = NoisyNetwork(module, names, design.shape, [1.0] * len(names))
    except ValueError as error:
        raise ConfigError(f"{setting}.layers: {error}") from error
    passed = [name for name, cut in zip(names, cuts(noised, probe), strict=True) if not cut]
    for name in passed:
        console.say(
            f"a connection passes {name} by: neither data processing nor its capacity is claimed for later layers"
        )
    if not passed:
        console.say("every noised layer is a cut: data processing and capacities hold along the chain")
