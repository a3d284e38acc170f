"""The variants of a sweep side by side: when each was run, what differs between them, and which is the latest."""

import time
from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from flows.cli.console import STYLES
from flows.execution.plan import Plan, State
from flows.execution.results import Variant
from flows.settings.settings import StudyConfig, shown

Known = tuple[Variant, Plan, list[State]]


def variant_table(known: Sequence[Known]) -> Table:
    """A row for each variant of one sweep, in the order of time."""
    table = Table(box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("variant", "last run", "units ready"):
        table.add_column(heading, no_wrap=True, min_width=len(heading))
    table.add_column("what differs", overflow="fold")
    differences = differing([planned.config for _, planned, _ in known])
    for (variant, _, states), settings in zip(known, differences, strict=True):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(variant.last.time))
        latest = Text("latest " if variant.latest else "", "bold green")
        said = ", ".join(f"{name} {value}" for name, value in settings.items())
        table.add_row(variant.name, when, _readiness(states), latest + Text(said))
    return table


def _readiness(states: Sequence[State]) -> Text:
    """ "29 of 29", and what needs somebody."""
    counts = Counter(state.state for state in states)
    parts: list[str | tuple[str, str]] = [f"{counts['ready']} of {len(states)}"]
    for name, style in STYLES.items():
        if counts[name]:
            parts += ["\n", (f"{counts[name]} {name}", style)]
    return Text.assemble(*parts)


def differing(configs: Sequence[StudyConfig]) -> list[dict[str, str]]:
    """Of each configuration the settings that are not the same in all, as text; "none" where it has no such setting."""
    everything = [config.everything() for config in configs]
    names = list(dict.fromkeys(name for settings in everything for name in settings))
    unlike = [
        name
        for name in names
        if not name.startswith("resources.") and any(each.get(name) != everything[0].get(name) for each in everything)
    ]
    return [{name: shown(each[name]) if name in each else "none" for name in unlike} for each in everything]
