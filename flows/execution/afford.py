"""Whether a machine can afford what a plan asks of it: memory of each process, and space on disk."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from flows.execution.plan import State
from flows.settings.settings import ConfigError, StudyConfig

GIB = 2**30
SHARE = 0.9  # of the machine's memory, for the workers


def check_affordable(config: StudyConfig, states: Iterable[State], workspace: Path, workers: int) -> None:
    """Refuse what is still to make and would take more memory, or more of the disk, than there is.

    Args:
        config: whose `resources.memory` says how much a process may take.
        states: of all units.
        workspace: folder whose disk they are written to.
        workers: processes at once.

    Raises:
        ConfigError: one line with the figure, and what to lower.
    """
    missing = [state.unit for state in states if state.state != "ready"]
    if not missing:
        return
    allowed = GIB * (config.resources.memory or _machine() / max(1, workers))
    costs = [(unit.cost(), unit) for unit in missing]
    largest, unit = max(costs, key=lambda each: each[0].memory)
    if largest.memory > allowed:
        raise ConfigError(
            f"resources.memory: {unit.name} takes about {largest.memory / GIB:.1f} GiB, a process may take "
            f"{allowed / GIB:.1f}: lower {largest.lower}, or use fewer workers"
        )
    wanted, free = sum(cost.bytes for cost, _ in costs), _free(workspace)
    if wanted > free:
        stages: dict[str, float] = {}
        for cost, each in costs:
            stages[each.stage] = stages.get(each.stage, 0.0) + cost.bytes
        most = max(stages, key=lambda stage: stages[stage])
        raise ConfigError(
            f"workspace: what is to be made takes about {wanted / GIB:.1f} GiB, {stages[most] / GIB:.1f} of it {most}; "
            f"{free / GIB:.1f} are free at {workspace}"
        )


def _machine() -> float:
    """GiB of memory that workers may share."""
    return SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def _free(workspace: Path) -> float:
    """Bytes that are free where the workspace is, or will be."""
    folder = workspace.absolute()
    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)
