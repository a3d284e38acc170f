"""What a run needs of a machine, checked one by one: all that a run starts is started, in a folder removed again."""

import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from packaging.version import Version

from flows.cli.launch import writable
from flows.execution.plan import build_plan
from flows.serving.prefect_server import PrivateServer
from flows.settings.load import ConfigError, load_config
from tasks.engine.pool import Pool
from tasks.engine.progress import Stop, Stopped
from tasks.engine.ray_start import PoolDied
from tasks.environment import WrongEnvironment, overruled, tracking_address
from tasks.store.locks import Lock
from tasks.tracking.sync import TrackingError, prepare

FREE_BYTES = 2 * 10**9
# Newer ones install without a word and break Prefect's server or, silently, its schedules.
CEILINGS = {"fastapi": "0.151", "sqlalchemy": "2.1"}
NEEDED = ("torch", "numpy", "scipy", "numba", "pyarrow", "ray", "prefect", "mlflow")


Row = tuple[str, bool, str]


def examine(workspace: Path, stop: Stop) -> Iterator[Row]:
    """Checks as (name, good, found), each as soon as it is made; a request to stop raises `Stopped`."""
    yield "Python 3.11 or newer", sys.version_info >= (3, 11), sys.version.split()[0]
    yield from (_package(name) for name in (*NEEDED, *CEILINGS))
    yield from (place := _workspace(workspace), _loopback(), ("cores", True, str(os.cpu_count())))
    if place[1]:
        scratch = writable(workspace / f".doctor.{os.getpid()}")
        try:
            yield from _starts(scratch, stop)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    yield from ((name, True, f"set aside: {why}") for name, why in sorted(overruled.items()))


def _starts(scratch: Path, stop: Stop) -> Iterator[Row]:
    """Start the server, MLflow's database and the workers as a run does: the server first, since it takes longest."""
    server: PrivateServer | None = None
    with ExitStack() as stack:
        try:
            server = stack.enter_context(PrivateServer(scratch / "prefect"))
        except (WrongEnvironment, OSError) as error:
            yield "Prefect server", False, str(error)
        yield _tracking(scratch)
        yield _workers(scratch, stop)
        if server:
            yield _server(server, scratch, stop)


def _tracking(scratch: Path) -> Row:
    try:
        address = tracking_address()
        prepare(scratch, address)
    except (WrongEnvironment, TrackingError) as error:
        return "MLflow", False, str(error)
    return "MLflow", True, f"{'the server' if address else 'a database'} answers"


def _workers(scratch: Path, stop: Stop) -> Row:
    """Let a worker make the first unit of the main job."""
    pool = Pool(scratch, workers=1)
    try:
        unit = build_plan(load_config("szt", {})).stages["data"][0]
        (ended,) = pool.map([unit], stop)
        return "Ray", ended.state == "computed", f"a worker made one unit in {ended.seconds:.1f} s{ended.message}"
    except (PoolDied, WrongEnvironment, OSError) as error:
        return "Ray", False, str(error)
    finally:
        pool.close()


def _server(server: PrivateServer, scratch: Path, stop: Stop) -> Row:
    try:
        server.wait(check=stop.check)
        server.introduce()
        from flows.serving.prefect_runs import reap

        reap(scratch)  # asks for all runs
    except Stopped:
        raise
    except Exception as error:  # whatever it is, a run would go on without it
        return "Prefect server", False, str(error).strip().partition("\n")[0]
    return "Prefect server", True, f"answers, at {server.api_url}"


def _package(name: str) -> Row:
    ceiling = CEILINGS.get(name)
    wanted = f"{name} below {ceiling}" if ceiling else name
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return wanted, False, "not installed: pip install -c constraints.txt -e ."
    return wanted, ceiling is None or Version(version) < Version(ceiling), version


def _workspace(workspace: Path) -> Row:
    """Writable, with room, on a file system whose locks work."""
    name = f"workspace {workspace}"
    try:
        folder = writable(workspace)
    except ConfigError as error:
        return name, False, str(error)
    free = shutil.disk_usage(folder).free
    try:
        with Lock(folder / f".probe.{os.getpid()}"):
            pass
    except OSError as error:
        return name, False, f"file locks do not work here ({error.strerror}): choose a local disk"
    return name, free > FREE_BYTES, f"writable, {free / 1e9:.1f} GB free"


def _loopback() -> Row:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            return "loopback", False, str(error)
    return "loopback", True, "a port can be opened on 127.0.0.1"
