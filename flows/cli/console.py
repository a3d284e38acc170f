"""What a command shows: lines anywhere, and on a terminal what is going on, a bar with what is left."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from flows.execution.forecast import Forecast
from flows.execution.quantities import duration
from tasks.engine.progress import Observer, state_counts

LINE_EVERY_S = 10.0
# Of a unit's state, or of a count of them; what is ready or reused needs no colour.
STYLES = {"failed": "bold red", "damaged": "bold red", "stale": "yellow"}


class Terminal(Console):
    """Where a command says everything: text is shown as it is, brackets of a path included, and styles are given apart.

    The only console there is: text that went around it would be read as rich's markup.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    @property
    def moves(self) -> bool:
        """Whether what it shows can be taken away again."""
        return self.is_terminal and not self.is_dumb_terminal

    def say(self, *parts: str | tuple[str, str]) -> None:
        """One line, never wrapped: its parts are text, or text with a style."""
        self.print(Text.assemble(*parts), soft_wrap=True)

    def warn(self, text: str) -> None:
        self.say(("warning", "yellow"), f": {text}")

    @contextmanager
    def busy(self, text: str, aloud: bool = False) -> Iterator[None]:
        """Within it people see what is going on and for how long; without a terminal, one line if it is `aloud`."""
        if not self.moves:
            if aloud:
                self.say(f"  {text} ...")
            yield
            return
        clock = _Told(lambda task: duration(task.elapsed or 0.0))
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), clock
        with Progress(*columns, console=self, transient=True) as progress:
            progress.add_task(text, total=None)
            progress.refresh()
            yield


class ConsoleObserver(Observer):
    """A line for each stage that has ended. Meanwhile, a bar on a terminal and elsewhere a line every ten seconds: how
    many units, and how long the stage and the whole run will still take."""

    def __init__(self, console: Terminal, forecast: Forecast | None = None) -> None:
        self.console = console
        self.forecast = forecast or Forecast({}, workers=1)
        self.progress: Progress | None = None
        self.total = self.done = 0
        self.began = self.last_line = 0.0

    def begin(self, stage: str, total: int, ready: int, costs: Mapping[str, float]) -> None:
        self.total, self.done = total, ready
        self.began = self.last_line = time.monotonic()
        self.forecast.begin(stage, total - ready, costs, self.began)
        if self.console.moves and ready < total:
            # The bar alone gives way where 80 columns are too few.
            name = TextColumn("  {task.description:12}", markup=False, table_column=Column(no_wrap=True, max_width=18))
            counts = MofNCompleteColumn(table_column=Column(no_wrap=True))
            columns = name, BarColumn(bar_width=None), counts, _Told(lambda _: self._left())
            self.progress = Progress(*columns, console=self.console, transient=True, expand=True)
            self.progress.add_task(stage, total=total, completed=ready)
            self.progress.start()
            self.progress.refresh()

    def advance(self, stage: str, label: str, state: str, seconds: float) -> None:
        self.done += 1
        now = time.monotonic()
        self.forecast.ended(label, state, seconds, now)
        if state == "failed":
            self.console.say(("  failed", STYLES["failed"]), f" {stage} {label}")
        if self.progress:
            self.progress.update(self.progress.task_ids[0], completed=self.done)
        elif now - self.last_line > LINE_EVERY_S:
            self.last_line = now
            self.console.say(f"  {stage:12} {self.done}/{self.total}, {self._left()}")

    def _left(self) -> str:
        now = time.monotonic()
        stage, run = self.forecast.stage_left(now), self.forecast.run_left(now)
        return "" if stage is None or run is None else f"stage {duration(stage)}, run {duration(run)} left"

    def end(self, stage: str, rows: list[dict]) -> None:
        self.close()
        self.forecast.end()
        counts = state_counts(rows)
        told = [(f"{n} {state}", STYLES.get(state, "")) for state, n in counts.items()]
        parts = [part for each in told for part in (", ", each)][1:]
        self.console.say(f"  {stage:12} ", *parts, "  ", (duration(time.monotonic() - self.began), "dim"))

    def message(self, text: str) -> None:
        self.console.say(f"  {text}")

    def close(self) -> None:
        """Take down a bar that a stop or an error left standing."""
        if self.progress:
            self.progress.stop()
            self.progress = None


class _Told(ProgressColumn):
    """What a function says, asked anew at each refresh."""

    def __init__(self, tell: Callable[[Task], str]) -> None:
        super().__init__(Column(no_wrap=True))
        self.tell = tell

    def render(self, task: Task) -> Text:
        return Text(self.tell(task), no_wrap=True)
