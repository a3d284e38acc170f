"""`ibshift ui`: the MLflow and Prefect pages of a workspace, on loopback, for as long as somebody looks."""

from pathlib import Path

from rich.console import Console

from flows.prefect_server import PrivateServer, ServerUnavailable
from flows.process import signals
from flows.studies import entrypoint
from tasks.mlflow_ui import serve_ui
from tasks.progress import Stop
from tasks.tracking import TrackingError


def show_pages(workspace: Path, port: int, console: Console) -> int:
    """Start both servers, print their addresses and wait for Ctrl-C or SIGTERM.

    Returns:
        The exit code: 0, or 1 when neither page could be had.
    """
    stop, pages = Stop(), None
    with signals(stop), PrivateServer(workspace / "prefect") as server:
        try:
            pages = serve_ui(workspace, port)
            for name, address in pages.studies.items() or {"MLflow": pages.url}.items():
                console.print(f"  {name:16} {address}", highlight=False, soft_wrap=True)
        except TrackingError as error:
            console.print(f"[yellow]warning[/]: {error}", highlight=False, soft_wrap=True)
        try:
            server.wait()
            console.print(f"  {'Prefect':16} {server.url}", highlight=False, soft_wrap=True)
            console.print(
                f"  for its commands: export PREFECT_API_URL={server.api_url}", highlight=False, soft_wrap=True
            )
        except ServerUnavailable as error:
            console.print(f"[yellow]warning[/]: {error}", highlight=False, soft_wrap=True)
            if pages is None:
                return 1
        console.print("  Ctrl-C ends both", highlight=False)
        try:
            _wait(workspace, stop, server)
        finally:
            if pages:
                pages.stop()
    return 0


def _wait(workspace: Path, stop: Stop, server: PrivateServer) -> None:
    """Until asked to stop; a run for which somebody presses Retry on the Prefect page goes on meanwhile.

    The flows of all studies have one body, which reads the settings: any of them goes on with any run.
    """
    server.introduce()
    from flows.sweep_runner import continue_retries

    with continue_retries(workspace, entrypoint("shift_sweep")):
        stop.event.wait()
