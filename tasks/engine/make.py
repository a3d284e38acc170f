"""How a worker turns a recipe into a published result."""

import json
import os
import shutil
import socket
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from tasks.engine.device import noting, with_smaller_tiles
from tasks.engine.fingerprint import read_fingerprint
from tasks.engine.recipe import Recipe, reading
from tasks.store.locks import Busy
from tasks.store.store import Damaged, Store, write_text

_loaded: set[tuple[type[Recipe], tuple]] = set()  # whose code this process runs: of a later edit it would not hear


@dataclass
class Ended:
    """How a unit ended: "computed", "reused", "busy", "damaged" (an input was set aside) or "failed"."""

    label: str
    identity: str
    state: str
    seconds: float = 0.0
    message: str = ""
    attempts: int = 1


def make(unit: Recipe, workspace: str) -> Ended:
    """Make one result unless it exists. Runs in a worker; every failure of the work itself comes back as an `Ended`."""
    store, started = Store(Path(workspace)), time.time()

    def ended(state: str, message: str = "") -> Ended:
        return Ended(unit.label, unit.identity, state, round(time.time() - started, 3), message)

    try:
        with store.lock(unit.identity):
            found = store.get(unit.stage, unit.identity)
            if found and found.looks_whole():
                return ended("reused")
            _check_code(unit)
            with store.publishing(unit.stage, unit.document) as out, reading(store), noting() as devices:
                with_smaller_tiles(lambda: unit.build(out), lambda: store.make_folder(_emptied(out)))
            if os.path.lexists(_failure(store, unit.identity)):
                store.make_way(_failure(store, unit.identity)).unlink(missing_ok=True)
            result = ended("computed")
            entry = {"event": "computed", "stage": unit.stage, "label": unit.label, "identity": unit.identity}
            if devices:
                entry["device"] = ", ".join(sorted(devices))
            with suppress(OSError):  # a full disk may refuse the note; the result itself is published
                store.record({**entry, "seconds": result.seconds, "host": socket.gethostname()})
            return result
    except Busy:
        return ended("busy")
    except Damaged as error:
        return ended("damaged", str(error))
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        record_failure(store, unit, message, traceback.format_exc())
        return ended("failed", message)


def _emptied(folder: Path) -> Path:
    """The folder of a draft, without what an attempt has left there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _check_code(unit: Recipe) -> None:
    """Refuse to make with code that is not the one which was planned; files may have changed before their import."""
    loaded = type(unit), unit.members
    if loaded in _loaded:
        return
    if read_fingerprint(*loaded) != unit.code:
        raise RuntimeError("the code changed while the run was going on: start it again")
    _loaded.add(loaded)


def record_failure(store: Store, unit: Recipe, message: str, details: str = "") -> None:
    """Keep why a unit failed where `ibshift why` finds it; a full disk may refuse even that."""
    entry = {
        "stage": unit.stage,
        "label": unit.label,
        "identity": unit.identity,
        "message": message,
        "time": time.time(),
        "pid": os.getpid(),
    }
    try:
        path = store.make_way(_failure(store, unit.identity))
        write_text(path, json.dumps({**entry, "traceback": details}, indent=1))
        store.record({"event": "failed", **entry})
    except OSError:
        return


class Failure(BaseModel):
    """Why the last attempt at a unit failed."""

    message: str
    traceback: str


def failure(store: Store, name: str) -> Failure | None:
    """The recorded failure of an identity, if its last attempt failed."""
    return store.note(_failure(store, name), Failure)


def _failure(store: Store, name: str) -> Path:
    return store.workspace / "failed" / f"{name}.json"
