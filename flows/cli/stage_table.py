"""Counts by stage and state, and what is left to do, on 80 columns."""

from collections import Counter

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from flows.cli.console import STYLES
from flows.execution.plan import Plan, State
from flows.execution.quantities import duration, size

STATES = ("ready", "missing", "stale", "failed", "damaged")
HEADINGS = ("stage", "units", *STATES, "core time", "disk")


def stage_table(planned: Plan, states: list[State]) -> Table:
    """A row for each stage, and one for all."""
    # One space between columns: nothing is cut on 80 columns while each count has at most seven digits.
    table = Table(box=SIMPLE, show_edge=False, padding=0, show_footer=True)
    rows = [
        [stage, *_figures([state for state in states if state.unit.stage == stage])]
        for stage in planned.stages
        if planned.stages[stage]
    ]
    for name, total in zip(HEADINGS, ("all", *_figures(states)), strict=True):
        # A stage of a user's own with a long name is folded; no heading is ever cut.
        if name == "stage":
            table.add_column(name, total, overflow="fold", min_width=len(name))
        else:
            table.add_column(name, _styled(name, total), justify="right", no_wrap=True, min_width=len(name))
    for row in rows:
        table.add_row(*(_styled(name, figure) for name, figure in zip(HEADINGS, row, strict=True)))
    return table


def _styled(heading: str, figure: str) -> Text:
    """What there is none of steps back, what needs somebody stands out."""
    return Text(figure, "dim" if figure in ("0", "") else STYLES.get(heading, ""))


def _figures(states: list[State]) -> list[str]:
    counts = Counter(state.state for state in states)
    costs = [state.unit.cost() for state in states if state.state != "ready"]
    shown = [len(states), *(counts[name] for name in STATES)]
    left = (
        [duration(sum(cost.seconds for cost in costs)), size(sum(cost.bytes for cost in costs))] if costs else ["", ""]
    )
    return [*map(str, shown), *left]
