"""One unit of work: a recipe, and how a worker turns it into a published result.

Each stage is a module `tasks.<stage>` with one function

    build(settings, inputs, out, scratch) -> None

that reads the inputs' files, writes its own into the folder `out`, and may keep resumable state in `scratch`.
"""

import importlib
import json
import os
import socket
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.fingerprint import Definition, fingerprint, read_fingerprint
from tasks.store import Busy, Damaged, Result, Store, identity, write_text


@dataclass(frozen=True, eq=False)
class Unit:
    """One result to make.

    Attributes:
        stage: name of the stage, and of the module in `tasks` that builds it.
        label: what people read: "b0.100/s0/e001000/L3/reweighted"; unique within stage and sweep.
        settings: plain JSON; everything that changes the numbers beside the inputs and the code.
        inputs: results it reads, by the name under which `build` sees them.
        members: module and name of each member of the house that its settings choose, see `Fingerprint`.
        cost: rough seconds on one core.
        size: rough bytes on disk.
    """

    stage: str
    label: str
    settings: dict[str, Any]
    inputs: dict[str, "Unit"] = field(default_factory=dict)
    cost: float = 0.0
    size: float = 0.0
    members: tuple[Definition, ...] = ()

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """What its identity is the hash of."""
        code, libraries = fingerprint(self.stage, self.members)
        return {
            "stage": self.stage,
            "settings": self.settings,
            "inputs": {name: unit.identity for name, unit in self.inputs.items()},
            "code": code,
            "libraries": libraries,
        }

    @cached_property
    def identity(self) -> str:
        return identity(self.recipe)

    def job(self) -> dict[str, Any]:
        """What a worker needs to make it, as plain JSON."""
        return {
            "stage": self.stage,
            "label": self.label,
            "identity": self.identity,
            "recipe": self.recipe,
            "members": [list(member) for member in self.members],
            "inputs": {name: [unit.stage, unit.identity] for name, unit in self.inputs.items()},
        }


@dataclass
class Ended:
    """How a unit ended: "computed", "reused", "busy", "damaged" (an input was set aside) or "failed"."""

    label: str
    identity: str
    state: str
    seconds: float = 0.0
    message: str = ""
    attempts: int = 1


def make(job: dict[str, Any], workspace: str) -> Ended:
    """Make one result unless it exists. Runs in a worker; every failure of the work itself comes back as an `Ended`."""
    store, started = Store(Path(workspace)), time.time()
    stage, name = job["stage"], job["identity"]

    def ended(state: str, message: str = "") -> Ended:
        return Ended(job["label"], name, state, round(time.time() - started, 3), message)

    try:
        with store.lock(name):
            found = store.get(stage, name)
            if found and found.looks_whole():
                return ended("reused")
            module = f"tasks.{stage}"
            # In the process of the plan the hash is remembered, and the file may have changed before its first import.
            members = tuple((module, attribute) for module, attribute in job["members"])
            made = fingerprint if module in sys.modules else read_fingerprint
            if made(stage, members) != (job["recipe"]["code"], job["recipe"]["libraries"]):
                raise RuntimeError("the code changed while the run was going on: start it again")
            scratch = store.scratch(name)
            with store.publishing(stage, job["recipe"]) as out:
                inputs = {key: Result(store, *reference) for key, reference in job["inputs"].items()}
                build = importlib.import_module(module).build
                build(job["recipe"]["settings"], inputs, out, scratch)
            if os.path.lexists(_failure(store, name)):
                store.make_way(_failure(store, name)).unlink(missing_ok=True)
            result = ended("computed")
            entry = {"event": "computed", "stage": stage, "label": job["label"], "identity": name}
            with suppress(OSError):  # a full disk may refuse the note; the result itself is published
                store.record({**entry, "seconds": result.seconds, "host": socket.gethostname()})
            return result
    except Busy:
        return ended("busy")
    except Damaged as error:
        return ended("damaged", str(error))
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        record_failure(store, stage, job["label"], name, message, traceback.format_exc())
        return ended("failed", message)


def record_failure(store: Store, stage: str, label: str, name: str, message: str, details: str = "") -> None:
    """Keep why a unit failed where `ibshift why` finds it; a full disk may refuse even that."""
    entry = {
        "stage": stage,
        "label": label,
        "identity": name,
        "message": message,
        "time": time.time(),
        "pid": os.getpid(),
    }
    try:
        path = store.make_way(_failure(store, name))
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
