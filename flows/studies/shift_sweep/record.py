"""What MLflow shows of a sweep, from its stored results."""

from pathlib import Path
from typing import Any

from tasks.sweep.bounds import Bounds
from tasks.sweep.networks import checkpoint_name
from tasks.sweep.tables import load_tables
from tasks.sweep.tracking.runs import SweepRecord


def sweep_record(bounds: Bounds, **common: Any) -> SweepRecord:
    """The shift sweep, with its laws as data sets and the networks of the last epoch."""
    last = {network: checkpoint_name(network.kept[-1]) for network in bounds.networks}
    return SweepRecord(
        tables=load_tables(bounds.result.folder),
        data_set=Path(source).name if "/" in (source := bounds.config["data"]["source"]) else source,
        law_digests={name: law.result.manifest["files"]["law.parquet"]["sha256"] for name, law in bounds.laws.items()},
        checkpoints={f"{unit.label.replace('/', '_')}_{name}": unit.file(name) for unit, name in last.items()},
        **common,
    )
