"""A calibration of seconds: two laws in two dimensions, and a chain."""

from pathlib import Path
from typing import Any

from flows.execution.run import Run, open_run, run_study
from flows.studies.calibration.settings import CalibrationConfig

SMALL: dict[str, Any] = {
    "study": "calibration",
    "name": "small",
    "entropy": {
        "laws": [{"law": "skewed_hypercube", "betas": [0.5]}, {"law": "grid", "betas": [0.1]}],
        "dimensions": [1, 2],
        "samples": [1024, 16, 64, 256],  # in any order
        "replications": 48,
        "fit_from": 64,
        "levels": [0.05],
    },
    "chain": {
        "passes": [4, 8, 16],
        "sampled": [4, 8],
        "inputs": [-1.0, -0.3, 0.3, 1.0],
        "replications": 16,
        "dimensions": [2],
        "fresh_passes": 128,
        "target_stderr": 0.02,
        "fit_from": 4,
    },
    "resources": {"workers": 0},
}


def small(**sections) -> CalibrationConfig:
    """The small calibration, with some sections changed."""
    return CalibrationConfig.model_validate({**SMALL, **{key: SMALL[key] | part for key, part in sections.items()}})


def run_small(workspace: Path, config: CalibrationConfig | None = None, keep_going: bool = False) -> Run:
    """Run it to its report, in this process and without servers."""
    run = open_run(config or small(), workspace)
    run.keep_going = keep_going
    run_study(run, lambda name, work: work() if name != "tracking" else None)
    return run
