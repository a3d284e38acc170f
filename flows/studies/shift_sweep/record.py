"""What MLflow shows of a sweep, from its stored results."""

from pathlib import Path
from typing import Any

from tasks.sweep.bounds import Bounds
from tasks.sweep.networks import Network, checkpoint_name
from tasks.sweep.tables import load_tables
from tasks.sweep.tracking.runs import SweepRecord
from tasks.sweep.training import Training


def sweep_record(bounds: Bounds, **common: Any) -> SweepRecord:
    """The shift sweep, with its laws as data sets and the networks of the last epoch."""
    last = {network: checkpoint_name(network.kept[-1]) for network in bounds.networks}
    return SweepRecord(
        tables=load_tables(bounds.result.folder),
        data_set=Path(source).name if "/" in (source := bounds.config["data"]["source"]) else source,
        law_digests={name: law.result.manifest["files"]["law.parquet"]["sha256"] for name, law in bounds.laws.items()},
        training={network.title: _trained(network) for network in bounds.networks},
        checkpoints={f"{unit.label.replace('/', '_')}_{name}": unit.file(name) for unit, name in last.items()},
        **common,
    )


def _trained(network: Network) -> dict[str, str]:
    """How a network came to its weights: settings of its training that differ between sweeps, as text."""
    if not isinstance(network, Training):
        return {"training": "none"}
    schedule, split = network.schedule, network.split
    said = {
        **{name: getattr(schedule, name) for name in ("epochs", "optimizer", "learning_rate", "batch_size", "loss")},
        **{name: getattr(schedule, name) for name in ("momentum", "weight_decay", "orthonormal")},
        **{"final_learning_rate": schedule.final_learning_rate or schedule.learning_rate},
        **{"objective": schedule.objective, "radius": schedule.radius, "train_fraction": split.fraction},
        "training_shift": schedule.shift
        and f"{schedule.shift.family} {schedule.shift.size:g} x {schedule.shift.share:g}",
        **{"activation": network.design.activation, "initial_weights": network.design.initial_weights},
    }
    return {name: "none" if value is None or value == "" else str(value) for name, value in said.items()}
