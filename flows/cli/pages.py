"""`ibshift ui`: the MLflow and Prefect pages of a workspace, on loopback, for as long as somebody looks."""

from pathlib import Path

from flows.cli.console import Terminal
from flows.execution.pages import mlflow_port, remember_port
from flows.serving.prefect_server import PrivateServer
from flows.serving.process import signals
from flows.settings.study import entrypoint
from tasks.engine.progress import Stop
from tasks.local_server import ServerUnavailable
from tasks.tracking.ui import serve_ui


def show_pages(workspace: Path, port: int | None, console: Terminal) -> int:
    """Start both servers, print their addresses and wait for Ctrl-C or SIGTERM.

    Args:
        workspace: whose pages they are.
        port: of MLflow's; the last one if none is given, so that addresses which were told before stay good.
        console: where addresses are said.

    Returns:
        The exit code: 0, or 1 when neither page could be had.
    """
    stop, pages = Stop(), None
    with signals(stop), PrivateServer(workspace / "prefect") as server:
        try:
            with console.busy("starting MLflow's server and Prefect's", aloud=True):
                pages = serve_ui(workspace, port or mlflow_port(workspace))
            remember_port(workspace, pages.port)
            for name, address in pages.studies.items() or {"MLflow": pages.url}.items():
                console.say(f"  {name:16} {address}")
        except ServerUnavailable as error:
            console.warn(f"no MLflow page: {error}")
        try:
            with console.busy("waiting for Prefect's server"):
                server.wait()
            console.say(f"  {'Prefect':16} {server.url}")
            console.say(f"  for its commands: export PREFECT_API_URL={server.api_url}")
        except ServerUnavailable as error:
            console.warn(str(error))
            if pages is None:
                return 1
        console.say("  Ctrl-C ends both")
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
    from flows.serving.sweep_runner import continue_retries

    with continue_retries(workspace, entrypoint("shift_sweep")):
        stop.event.wait()
