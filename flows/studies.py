"""The kinds of study: what their stages are called, and where their units come from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flows import calibration_plan, shift_plan
from tasks.unit import Unit


@dataclass(frozen=True)
class Study:
    """One kind of study, as a settings file names it under `study`.

    Attributes:
        stages: names of its stages in order, each a module of `tasks`; the last one writes the report.
        cells: the stage that holds the bulk of the work.
        shown: the stages whose files people find in the sweep's folder, from the tables to the report.
        units: its units by stage, from the settings and the labels of units that failed and are left out.
    """

    stages: tuple[str, ...]
    cells: str
    shown: tuple[str, ...]
    units: Callable[[Any, frozenset[str]], dict[str, list[Unit]]]


def entrypoint(study: str) -> str:
    """The Prefect flow of a study, as `package.module.function`: both bear its name."""
    return f"flows.{study}.{study}"


STUDIES = {
    "shift_sweep": Study(shift_plan.STAGES, "information", ("bounds", "report"), shift_plan.shift_sweep_units),
    "calibration": Study(
        calibration_plan.STAGES,
        "risk",
        ("scaling", "calibration"),
        calibration_plan.calibration_units,
    ),
}
