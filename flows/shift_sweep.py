"""The shift sweep as a Prefect flow: data, training, activations, information, bounds, report, each a task."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows.serving.study_flow import run_in_flow, run_name


@flow(name="shift-sweep", flow_run_name=run_name)
def shift_sweep(sweep: str, settings: dict[str, Any] | None = None, workspace: str = "workspace") -> State | None:
    """How does the information in each layer react when the input law shifts?

    Args:
        sweep: name of a sweep that comes with ibshift, or path of its YAML file.
        settings: settings to change, by dotted name, such as {"training.epochs": 2000}.
        workspace: folder of results; what is stored there already is not computed again.
    """
    return run_in_flow(sweep, settings, workspace)
