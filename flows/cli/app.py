"""The command's one application, its console, and the arguments that its commands share."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.console import Terminal

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="How the information I(X;T_l) in a noisy network reacts when the input law shifts.\n\n"
    "Start with [bold]ibshift plan szt[/], then [bold]ibshift run szt[/]. Everything is kept in the workspace: after a "
    "crash, a kill or a change of a setting the same command makes only what is missing.",
)
console = Terminal()

Sweep = Annotated[str, typer.Argument(help="Name of a sweep that comes with ibshift (szt), or path of a YAML file.")]
Workspace = Annotated[
    Path, typer.Option("--workspace", "-w", envvar="IBSHIFT_WORKSPACE", help="Folder of all results.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Change a setting: training.epochs=2000, shifts.0.sizes=[0,0.1].")
]
WORKSPACE = Path("workspace")
