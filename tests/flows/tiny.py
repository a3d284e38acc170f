"""A sweep of seconds: one small network, one layer pair, a reweighting and a moved law."""

from pathlib import Path
from unittest.mock import patch

from flows.execution.run import Run, open_run, run_study
from flows.studies.shift_sweep.settings import SweepConfig
from tasks.sweep import bottleneck

TINY = {
    "name": "tiny",
    "network": {"widths": [3, 2], "betas": [0.5], "seeds": [0]},
    "training": {"epochs": 2, "checkpoints": 2, "learning_rate": 0.01, "batch_size": 1024},
    "shifts": [
        {"family": "contamination", "sizes": [0.0, 0.2]},
        {"family": "gaussian_displacement", "sizes": [0.0, 0.1]},
    ],
    "estimator": {"stored_passes": 2, "own_passes": 20, "target_stderr": 0.1, "max_draws": 8192},
    "worst_case": {"tv": [], "kl": [0.1]},
    "measures": ["binning"],
    "resources": {"workers": 0},
}


def tiny(**sections) -> SweepConfig:
    """The tiny sweep, with some sections changed."""
    return SweepConfig.model_validate({**TINY, **{key: TINY.get(key, {}) | part for key, part in sections.items()}})


def without_balls(**sections) -> SweepConfig:
    """The same without its worst case, which takes half of the time."""
    return tiny(worst_case={"kl": []}, **sections)


def run_tiny(workspace: Path, config: SweepConfig | None = None, **attributes) -> Run:
    """Run the tiny sweep to its report, in this process and without servers."""
    run = open_run(config or tiny(), workspace)
    for name, value in attributes.items():
        setattr(run, name, value)
    # The bottleneck's curve takes a third of the time and has tests of its own: some points of it are enough here.
    with patch.object(bottleneck, "MULTIPLIERS", bottleneck.MULTIPLIERS[::9]):
        run_study(run, lambda name, work: work() if name != "tracking" else None)
    return run
