"""What a run shows in the terminal: one bar per stage with ETA, or plain lines where there is no terminal."""

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
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

    def begin(self, stage: str, total: int, ready: int) -> None:
        self.total, self.ready, self.done = total, ready, ready
        self.began = self.last_line = time.monotonic()
        if self.console.is_terminal:
            self.progress = Progress(
                TextColumn("{task.description:12}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("ETA"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[label]}", style="dim", markup=False),
                console=self.console,
            )
            self.progress.start()
            self.bar = self.progress.add_task(stage, total=total, completed=ready, label="")

    def advance(self, stage: str, label: str, state: str, seconds: float) -> None:
        self.done += 1
        if state == "failed":
            self.message(f"failed {stage} {label}")
        if self.progress:
            self.progress.update(self.bar, completed=self.done, label=label)
        elif time.monotonic() - self.last_line > LINE_EVERY_S:
            self.last_line = time.monotonic()
            rate = (self.done - self.ready) / (self.last_line - self.began)
            left = (self.total - self.done) / rate
            self.console.say(f"  {stage:12} {self.done}/{self.total}, about {left:.0f} s left")

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
