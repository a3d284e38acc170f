"""What MLflow shows of a sweep, from its stored results."""

from typing import Any

from tasks.sweep.bounds import Bounds
from tasks.sweep.data import REFERENCE
from tasks.sweep.tables import load_tables
from tasks.sweep.tracking.runs import SweepRecord
from tasks.sweep.training import checkpoint_name


def sweep_record(bounds: Bounds, **common: Any) -> SweepRecord:
    """The shift sweep, with its laws as data sets and the networks of the last epoch."""
    last = {network: checkpoint_name(network.kept[-1]) for network in bounds.networks}
    return SweepRecord(
        tables=load_tables(bounds.result.folder),
        data_set=bounds.laws[REFERENCE].source,
        law_digests={name: law.result.manifest["files"]["law.parquet"]["sha256"] for name, law in bounds.laws.items()},
        checkpoints={f"{unit.label.replace('/', '_')}_{name}": unit.file(name) for unit, name in last.items()},
        **common,
    )
