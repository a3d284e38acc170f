"""What a run shows on its page of a Prefect server: its plan, each stage's progress and units, its results.

Import it once `PrivateServer.client_environment` is in `os.environ`: Prefect reads its settings at its first import.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.exceptions import CancelledRun, FailedRun, MissingContextError
from prefect.logging import get_run_logger
from prefect.states import Failed

from flows.execution.quantities import duration
from tasks.engine.progress import Observer, state_counts

PROGRESS_EVERY_S = 2.0  # an update costs 8 ms here and more on the server
TABLE_ROWS = 500
FAILURES = 20  # that are logged of one stage; the table has all


def artifact_key(*parts: str) -> str:
    """Lower case, digits and dashes, as Prefect demands of a key."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def plan_artifact(sweep: str, rows: list[dict[str, Any]]) -> None:
    """The plan of a run, as a table on its page."""
    create_table_artifact(_capped(rows), key=artifact_key(sweep, "plan"), description=f"Plan of {sweep}{_rest(rows)}")


def summary_artifact(sweep: str, markdown: str) -> None:
    """The results of a run, as a note on its page."""
    create_markdown_artifact(markdown, key=artifact_key(sweep, "summary"), description=f"Results of {sweep}")


class _RepeatsState(logging.Filter):
    """Keeps back the traceback of Prefect's own calls where it repeats a state that a flow has returned."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], FailedRun | CancelledRun))


_repeats_state = _RepeatsState()


def without_repetition() -> None:
    """Let the logs of a flow run end with its state, in this process."""
    logging.getLogger("prefect.flow_runs").addFilter(_repeats_state)


def refusal(message: str) -> State:
    """The state of a run that ends for a reason which one line says, and that line in its logs."""
    get_run_logger().error(message)
    return Failed(message=message)


def _capped(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Strings for what JSON does not know; infinities would break the page.
    return [{name: _plain(value) for name, value in row.items()} for row in rows[:TABLE_ROWS]]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, int | str | bool | None) else str(value)


def _rest(rows: list[dict[str, Any]]) -> str:
    return f" (the first {TABLE_ROWS} of {len(rows)} rows)" if len(rows) > TABLE_ROWS else ""


class PrefectObserver(Observer):
    """Shows each stage on the page of its task: a progress bar while it runs, a table of its units at the end.

    What Prefect cannot show never stops a run: the first failure is logged, and from then on the page stays as it is.
    """

    def __init__(self, sweep: str) -> None:
        """Args: sweep: the name that its artifacts' keys begin with."""
        self.sweep = sweep
        self._bar: UUID | None = None
        self._total = self._done = self._failed = 0
        self._began = self._next_update = 0.0
        self._works = True

    def begin(self, stage: str, total: int, ready: int, costs: Mapping[str, float]) -> None:
        self._total, self._done, self._failed = total, ready, 0
        self._began = time.monotonic()
        self._next_update = self._began + PROGRESS_EVERY_S
        key = artifact_key(self.sweep, stage, "progress")
        self._bar = self._show(lambda: create_progress_artifact(self._percent(), key, self._counts()))

    def advance(self, stage: str, label: str, state: str, seconds: float) -> None:
        # A reused unit was counted as ready when the stage began.
        self._done += state == "computed"
        self._failed += state == "failed"
        if time.monotonic() >= self._next_update:
            self._update()

    def end(self, stage: str, rows: list[dict]) -> None:
        counts = state_counts(rows)
        self._failed = counts.get("failed", 0)
        self._done = len(rows) - self._failed
        self._update()
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        self.message(f"{stage}: {told} in {duration(time.monotonic() - self._began)}")
        for row in [row for row in rows if row["state"] == "failed"][:FAILURES]:
            self._log(logging.ERROR, f"{stage} {row['unit']} failed: {row['message']}")
        key = artifact_key(self.sweep, stage, "units")
        self._show(lambda: create_table_artifact(_capped(rows), key, f"Units of {stage}{_rest(rows)}"))

    def message(self, text: str) -> None:
        self._log(logging.INFO, text)

    def _log(self, level: int, text: str) -> None:
        try:
            get_run_logger().log(level, text)
        except MissingContextError:
            logging.getLogger("ibshift").log(level, text)  # outside a run there is no page to show it on

    def _update(self) -> None:
        self._next_update = time.monotonic() + PROGRESS_EVERY_S
        if (bar := self._bar) is not None:
            self._show(lambda: update_progress_artifact(bar, self._percent(), self._counts()))

    def _percent(self) -> float:
        return 100.0 * min(1.0, self._done / self._total) if self._total else 100.0

    def _counts(self) -> str:
        return f"{self._done} of {self._total} units" + (f", {self._failed} failed" if self._failed else "")

    def _show(self, draw: Callable[[], Any]) -> Any:
        if self._works:
            try:
                return draw()
            except Exception as error:
                self._works = False
                logging.getLogger("ibshift").warning("the Prefect page is no longer updated: %s", error)
        return None
