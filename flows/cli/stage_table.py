"""Counts by stage and state, and what is left to do, on 80 columns."""

from collections import Counter

from rich.box import SIMPLE
from rich.table import Table

from flows.execution.plan import Plan, State

STATES = ("ready", "missing", "stale", "failed", "damaged")


def stage_table(planned: Plan, states: list[State]) -> Table:
    """A row for each stage, and one for all."""
    # One space between columns: nothing is cut on 80 columns while each count has at most seven digits.
    table = Table(box=SIMPLE, show_edge=False, padding=0, show_footer=True)
    rows = [
        [stage, *_figures([state for state in states if state.unit.stage == stage])]
        for stage in planned.stages
        if planned.stages[stage]
    ]
    for name, total in zip(("stage", "units", *STATES, "core s", "MB"), ("all", *_figures(states)), strict=True):
        table.add_column(name, total, justify="left" if name == "stage" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _figures(states: list[State]) -> list[str]:
    counts = Counter(state.state for state in states)
    left = [state.unit for state in states if state.state != "ready"]
    shown = [len(states), *(counts[name] for name in STATES)]
    costs = [unit.cost() for unit in left]
    return [
        *map(str, shown),
        f"{sum(cost.seconds for cost in costs):.0f}",
        f"{sum(cost.bytes for cost in costs) / 1e6:.0f}",
    ]
