"""What a run shows in the terminal: one bar per stage with ETA, or plain lines where there is no terminal."""

import time
from collections.abc import Mapping
from datetime import timedelta

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from tasks.engine.progress import Observer

LINE_EVERY_S = 10.0


class Terminal(Console):
    """Where a command says everything: text is shown as it is, brackets of a path included, and styles are given apart.

    The only console there is: text that went around it would be read as rich's markup.
    """

    def __init__(self) -> None:
        super().__init__(markup=False, highlight=False, emoji=False)

    def say(self, *parts: str | tuple[str, str]) -> None:
        """One line, never wrapped: its parts are text, or text with a style."""
        self.print(Text.assemble(*parts), soft_wrap=True)

    def warn(self, text: str) -> None:
        self.say(("warning", "yellow"), f": {text}")


class ConsoleObserver(Observer):
    """Progress on a terminal; elsewhere a line per stage and every ten seconds."""

    def __init__(self, console: Terminal) -> None:
        self.console = console
        self.progress: Progress | None = None
        self.bar: TaskID = TaskID(0)
        self.total = self.done = self.ready = 0
        self.began = self.last_line = 0.0
        self.costs: dict[str, float] = {}
        self.spent = self.ahead = 0.0  # of the forecasts

    def begin(self, stage: str, total: int, ready: int, costs: Mapping[str, float]) -> None:
        self.total, self.ready, self.done = total, ready, ready
        self.costs, self.spent, self.ahead = dict(costs), 0.0, sum(costs.values())
        self.began = self.last_line = time.monotonic()
        if self.console.is_terminal:
            self.progress = Progress(
                TextColumn("{task.description:12}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("ETA {task.fields[eta]}"),
                TextColumn("{task.fields[label]}", style="dim", markup=False),
                console=self.console,
            )
            self.progress.start()
            self.bar = self.progress.add_task(stage, total=total, completed=ready, label="", eta="-:--:--")

    def advance(self, stage: str, label: str, state: str, seconds: float) -> None:
        self.done += 1
        left = self._left(label)
        if state == "failed":
            self.message(f"failed {stage} {label}")
        if self.progress:
            eta = str(timedelta(seconds=round(left)))
            self.progress.update(self.bar, completed=self.done, label=label, eta=eta)
        elif time.monotonic() - self.last_line > LINE_EVERY_S:
            self.last_line = time.monotonic()
            self.console.say(f"  {stage:12} {self.done}/{self.total}, about {left:.0f} s left")

    def _left(self, label: str) -> float:
        """Seconds until the stage ends, now that a unit has: the time so far, by what was forecast for it and for what
        is left. The dearest units come first, so that counting units would say far too much."""
        cost = self.costs.pop(label, 0.0)
        self.spent, self.ahead = self.spent + cost, self.ahead - cost
        so_far = time.monotonic() - self.began
        if self.spent > 0:
            return so_far * max(self.ahead, 0.0) / self.spent
        return so_far * (self.total - self.done) / max(self.done - self.ready, 1)

    def end(self, stage: str, rows: list[dict]) -> None:
        if self.progress:
            self.progress.update(self.bar, label="")
            self.progress.stop()
            self.progress = None
            return
        states = [row["state"] for row in rows]
        counts = ", ".join(
            f"{states.count(state)} {state}" for state in ("computed", "reused", "failed") if state in states
        )
        self.console.say(f"  {stage:12} {counts}  ", (f"{time.monotonic() - self.began:.1f} s", "dim"))

    def message(self, text: str) -> None:
        self.console.say(f"  {text}")

    def close(self) -> None:
        """Take down a bar that a stop or an error left standing."""
        if self.progress:
            self.progress.stop()
            self.progress = None
