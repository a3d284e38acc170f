"""What a run tells people while it works, and how it is asked to stop."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class Stopped(Exception):
    """Somebody asked the run to stop: a signal, or Cancel in the Prefect UI."""


class Stop:
    """A request to stop, seen by every stage between two units of work.

    Attributes:
        event: set once somebody asked.
        why: who asked first: "SIGHUP", "SIGINT", "SIGTERM" or "cancelled"; empty before.
        patience: seconds that an orderly end may take.
        scopes: how many callers, one within the other, handle signals for it.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self.why = ""
        self.patience = 20.0
        self.scopes = 0

    def __call__(self, why: str) -> None:
        if not self.event.is_set():
            self.why = why
            self.event.set()

    def check(self) -> None:
        """Raise `Stopped` if somebody asked."""
        if self.event.is_set():
            raise Stopped(self.why)


class Observer:
    """Hears what happens in a run; this base class keeps silent.

    `begin` opens a stage of `total` units, of which `ready` were stored before, with the seconds that each of the
    others is forecast to take, by label; `advance` reports one unit that ended as "computed", "reused" or "failed";
    `end` closes the stage with one row per unit (unit, state, seconds, attempts, message); `message` is for people.
    """

    def begin(self, stage: str, total: int, ready: int, costs: Mapping[str, float]) -> None: ...

    def advance(self, stage: str, label: str, state: str, seconds: float) -> None: ...

    def end(self, stage: str, rows: list[dict]) -> None: ...

    def message(self, text: str) -> None: ...


class Observers(Observer):
    """Several observers as one: the terminal and the Prefect page."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = list(observers)

    def begin(self, stage: str, total: int, ready: int, costs: Mapping[str, float]) -> None:
        for observer in self.observers:
            observer.begin(stage, total, ready, costs)

    def advance(self, stage: str, label: str, state: str, seconds: float) -> None:
        for observer in self.observers:
            observer.advance(stage, label, state, seconds)

    def end(self, stage: str, rows: list[dict]) -> None:
        for observer in self.observers:
            observer.end(stage, rows)

    def message(self, text: str) -> None:
        for observer in self.observers:
            observer.message(text)


def state_counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many units of a stage were computed, reused and failed; what did not occur is left out."""
    counts = Counter(row["state"] for row in rows)
    return {state: counts[state] for state in ("computed", "reused", "failed") if counts[state]}
