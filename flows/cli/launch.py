"""One `ibshift run`: servers and workers start side by side, then the study runs as a Prefect flow or plainly."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.padding import Padding
from rich.text import Text

from flows.cli.console import STYLES, ConsoleObserver, Terminal
from flows.execution.afford import check_affordable
from flows.execution.forecast import Forecast, compiled, forecast
from flows.execution.pages import ui_command
from flows.execution.plan import State, survey
from flows.execution.quantities import counted, duration
from flows.execution.run import EXPECTED, NotReady, Run, run_study
from flows.serving.prefect_server import PrivateServer
from flows.serving.process import EXIT, beside, signals, stopped
from flows.settings.load import ConfigError
from flows.settings.study import entrypoint
from tasks.engine.progress import Stopped
from tasks.engine.ray_start import PoolHung
from tasks.environment import WrongEnvironment, tracking_address
from tasks.local_server import HOST, ServerUnavailable
from tasks.tracking import sync as tracking

START_PATIENCE_S = 2.0  # while nothing is made yet, nothing is lost by ending at once
STARTED_AGAIN = "IBSHIFT_STARTED_AGAIN"


@dataclass
class Launch:
    """What to run and how.

    Attributes:
        run: the sweep, its store and workers.
        sweep: as the user named it; with `settings` (dotted overrides) the parameters of the flow run.
        use_prefect: whether to show the run on a Prefect server.
    """

    run: Run
    sweep: str
    settings: dict[str, Any]
    console: Terminal
    use_prefect: bool = True
    began: float = field(default_factory=time.monotonic)

    def execute(self) -> int:
        """Run it and say how it ended: exit code 0, 1 (work failed), 2 (refused), 129, 130 or 143 (stopped)."""
        run, observer = self.run, ConsoleObserver(self.console)
        run.observer, run.pool.say, run.stop.patience = observer, observer.message, START_PATIENCE_S
        with signals(run.stop):
            try:
                with self.console.busy(f"planning {run.config.name}", aloud=True):
                    states = survey(run.plan(), run.store)
                if not run.config.resources.ray_address:
                    here = [state for state in states if state.unit.stage in run.stages]
                    check_affordable(run.config, here, run.store.workspace, run.pool.workers)
                run.observer = observer = ConsoleObserver(self.console, self._forecast(states))
                return self._execute(states)
            except ConfigError:
                raise
            except (NotReady, WrongEnvironment) as error:
                raise ConfigError(str(error)) from error
            except PoolHung as error:
                if STARTED_AGAIN in os.environ:
                    return self._failed(str(error))
                self.console.warn(f"{error}: starting the whole command once more")
            except Exception as error:
                if (
                    run.stop.event.is_set()
                ):  # what breaks meanwhile, as a terminal that is gone, is no failure of its own
                    return self._stopped(run.stop.why)
                expected = isinstance(error, EXPECTED)
                return self._failed(
                    str(error) if expected else f"{type(error).__name__}: {error}", not expected and error
                )
            finally:
                observer.close()
                run.pool.close()
        # Only another process can get rid of this Ray. Its processes end with the thread that started them.
        os.environ[STARTED_AGAIN] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def _forecast(self, states: list[State]) -> Forecast:
        run = self.run
        return forecast(run.plan(), states, run.stages, run.pool.workers, servers=self.use_prefect)

    def _execute(self, states: list[State]) -> int:
        run = self.run
        missing = [state.unit for state in states if state.unit.stage in run.stages and state.state != "ready"]
        cells = sum(unit.stage == run.study.cells.stage for unit in missing)
        counts = f"{counted(len(states), 'unit')}, {len(missing):,} to make; {counted(cells, 'cell')} to compute"
        about = f", about {self._forecast(states)}" if missing else ""
        self.console.say((run.config.name, "bold"), f": {counts}{about}")
        # The slow starts overlap: the server and the database in processes of their own, Ray in this one.
        tracked_elsewhere = tracking_address() if run.study.stages[-1] in run.stages else None
        server = self._start_server() if self.use_prefect else None
        database = tracking.prepare_in_background(run.store.workspace, tracked_elsewhere)
        starting = [
            *(["Prefect's server"] if server else []),
            *([f"Ray with {counted(run.pool.workers, 'worker')}"] if missing and run.pool.workers else []),
            *(["MLflow's database"] if database else []),
        ]
        try:
            with self.console.busy(f"starting {', '.join(starting)}", aloud=True) if starting else nullcontext():
                if missing:
                    run.pool.start(run.stop.check)
                run.stop.check()
                answers = server is not None and self._answers(server)
            if cells and not compiled():
                self.console.say("  the first cells compile the kernels, which takes about a minute, once on a machine")
            if server and answers:
                return self._with_prefect(server)
            return self._plain()
        finally:
            if server:
                server.close()
            if database and database.poll() is None:
                database.terminate()
                database.wait()

    def _start_server(self) -> PrivateServer | None:
        try:
            return PrivateServer(self.run.store.workspace / "prefect").start()
        except OSError as error:
            self.console.warn(f"no Prefect server ({error}); going on without it")
            return None

    def _answers(self, server: PrivateServer) -> bool:
        try:
            # On a terminal it is said already what is waited for, and for how long.
            say = (lambda text: None) if self.console.moves else self.run.observer.message
            server.wait(check=self.run.stop.check, say=say)
        except ServerUnavailable as error:
            self.console.warn(f"no Prefect server ({error}); going on without it")
            return False
        return True

    def _plain(self) -> int:
        run_study(self.run, lambda _, work: work())
        return self._done()

    def _with_prefect(self, server: PrivateServer) -> int:
        """Run the flow; where Prefect itself fails, go on without it: the store knows what is done."""
        server.introduce()
        observer = self.run.observer
        try:
            with _kept_alive(server):
                state = self._flow(server)
            if state.is_completed():
                return self._done()
            if state.is_cancelled():
                return self._stopped(self.run.stop.why or "cancelled")
            raise self.run.refused or state.result(raise_on_failure=False)
        except (*EXPECTED, Stopped):
            raise
        except Exception as error:
            # pydantic: a setting that is said for another server, in its environment or in a prefect.toml
            if not type(error).__module__.startswith(("prefect", "httpx", "httpcore", "anyio", "pydantic")):
                raise
            line = str(error).strip().partition("\n")[0]
            self.console.warn(f"Prefect failed ({type(error).__name__}: {line}); going on without it")
        self.run.observer = observer
        return self._plain()

    def _flow(self, server: PrivateServer) -> Any:
        """The final state of the flow run, with everything about it stored on the server."""
        from prefect.flow_engine import run_flow
        from prefect.flows import load_flow_from_entrypoint

        from flows.serving import prefect_runs
        from flows.serving.study_flow import prepared

        study_flow: Any = load_flow_from_entrypoint(entrypoint(self.run.config.study))
        workspace = self.run.store.workspace
        prefect_runs.reap(workspace)
        parameters = {"sweep": self.sweep, "settings": self.settings, "workspace": str(workspace)}
        # Somebody pressed Retry for this very run: go on under its id.
        whole = tuple(self.run.stages) == self.run.study.stages
        adopted = whole and prefect_runs.adopt_retry(workspace, lambda found: found.parameters == parameters)
        state: Any
        with prepared(self.run):
            if adopted:
                with adopted.lock:
                    state = run_flow(study_flow, adopted.flow_run, parameters, return_type="state")
            else:
                with prefect_runs.owned_run(workspace):
                    state = study_flow(**parameters, return_state=True)
        flow_run_id = state.state_details.flow_run_id
        with self.console.busy("storing logs and states on Prefect's server"):
            prefect_runs.drain(flow_run_id, n_tasks=self.run.stages_begun)
        self.run.pages["Prefect"] = server.run_page(flow_run_id)
        return state

    def _done(self) -> int:
        run, counts = self.run, self.run.counts
        took = duration(time.monotonic() - self.began)
        told = f"{counts['computed']} computed, {counts['reused']} reused, {counts['failed']} failed"
        self.console.say(("done", "bold green"), f": {told}", (f"  {took}", "dim"))
        if verdict := run.verdict:
            self.console.print(Padding(Text(verdict), (0, 2)))
        if (run.folder / "report.html").exists():
            self.console.say(f"  results      {run.folder}\n  report       {run.folder / 'report.html'}")
        self._addresses()
        return 0

    def _addresses(self) -> None:
        """The pages of servers that show this run."""
        for name, address in self.run.pages.items():
            self.console.say(f"  {name:12} {address}")
        if any(address.startswith(f"http://{HOST}:") for address in self.run.pages.values()):
            self.console.say((f"  these pages answer while `{ui_command(self.run.store.workspace)}` is open", "dim"))

    def _stopped(self, why: str) -> int:
        with suppress(OSError):  # a terminal that is gone
            self.console.say(stopped(why))
        return EXIT.get(why, 1)

    def _failed(self, message: str, error: BaseException | Literal[False] = False) -> int:
        self.console.say(("failed", STYLES["failed"]), f": {message}")
        if error:
            path = self.run.store.workspace / "error.txt"
            with suppress(OSError):
                path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
                self.console.say(f"  details in {path}")
        self._addresses()
        return 1


@contextmanager
def _kept_alive(server: PrivateServer) -> Iterator[None]:
    """Within it, a private server that is killed is started again; Prefect's clients wait for it."""

    def watch(done: threading.Event) -> None:
        while not done.wait(1.0):
            with suppress(OSError):
                server.revive()

    with beside("keep-server-alive", watch, patience=None):
        yield


def writable(workspace: Path) -> Path:
    """The workspace folder, made if need be.

    Raises:
        ConfigError: it cannot be written.
    """
    probe = workspace / f".probe.{os.getpid()}"
    try:
        str(workspace.absolute()).encode()
    except UnicodeEncodeError as error:  # databases and Parquet know no other
        raise ConfigError(f"workspace must have a path in UTF-8, got {workspace}") from error
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"workspace must be a folder that can be written, got {workspace} ({error.strerror})"
        ) from error
    return workspace.resolve()
