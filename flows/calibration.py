"""The calibration as a Prefect flow: plug-in risk, chain brackets, tables and report, each a task."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.serving.study_flow import run_in_flow, run_name


@flow(name="calibration", flow_run_name=run_name)
def calibration(
    sweep: str = "calibration", settings: dict[str, Any] | None = None, workspace: str = "workspace"
) -> State | None:
    """How far are the estimates from closed forms, how fast do they close in, and what do the theorems allow?

    Args:
        sweep: name of a calibration that comes with ibshift, or path of its YAML file.
        settings: settings to change, by dotted name, such as {"entropy.replications": 64}.
        workspace: folder of results; what is stored there already is not computed again.
    """
    return run_in_flow(sweep, settings, workspace)
