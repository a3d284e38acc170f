"""A study of a user's own module as a Prefect flow: its stages in order, each a task."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.serving.study_flow import run_in_flow, run_name


@flow(name="own-study", flow_run_name=run_name)
def own_study(sweep: str, settings: dict[str, Any] | None = None, workspace: str = "workspace") -> State | None:
    """The study that the settings name.

    Args:
        sweep: path of its YAML file.
        settings: settings to change, by dotted name.
        workspace: folder of results; what is stored there already is not computed again.
    """
    return run_in_flow(sweep, settings, workspace)
