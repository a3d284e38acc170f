"""What MLflow shows of a sweep, from its stored results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.sweep.bounds import Bounds
from tasks.sweep.networks import Network, checkpoint_name
from tasks.sweep.tables import load_tables
from tasks.sweep.tracking.runs import SweepRecord
from tasks.sweep.training import Training
from tasks.tracking.names import text
from tasks.tracking.record import Span


def sweep_record(bounds: Bounds, *, made: Mapping[str, Span], **common: Any) -> SweepRecord:
    """The shift sweep, with its laws as data sets and the networks of the last epoch."""
    last = {network: checkpoint_name(network.kept[-1]) for network in bounds.networks}
    return SweepRecord(
        tables=load_tables(bounds.result.folder),
        data_set=Path(source).name if "/" in (source := bounds.config["data"]["source"]) else source,
        law_digests={name: law.result.manifest["files"]["law.parquet"]["sha256"] for name, law in bounds.laws.items()},
        training={network.title: shown_training(network) for network in bounds.networks},
        checkpoints={f"{unit.label.replace('/', '_')}_{name}": unit.file(name) for unit, name in last.items()},
        spans=_spans(bounds, made),
        made=made,
        **common,
    )


def _spans(bounds: Bounds, made: Mapping[str, Span]) -> dict[tuple[str, float, int, str | int], Span]:
    """When the estimates of each network were made, under each law and in each layer."""

    found: dict[tuple[str, float, int, str | int], Span] = {}
    for cell in bounds.cells:
        network = cell.activations.network
        places: list[str | int] = [*cell.laws, cell.layer]
        for key in [(network.title, network.beta, network.seed, place) for place in places]:
            spans = [span for span in (found.get(key), made.get(cell.name)) if span]
            if spans:
                found[key] = Span(min(span.began for span in spans), max(span.ended for span in spans))
    return found


def shown_training(network: Network) -> dict[str, str]:
    """How a network came to its weights: settings of its training that differ between sweeps, as text."""
    design = network.design
    made = {
        **{"network": design.source, "widths": design.widths, "channels": design.channels, "layers": design.layers},
        "checkpoints": network.kept,
        **{"batch_norm": design.batch_norm, "parameters": design.parameters, "noise": network.noise},
    }
    if not isinstance(network, Training):
        return {name: text(value) for name, value in made.items()} | {"training": "none"}
    schedule, split = network.schedule, network.split
    said = {
        **made,
        **{name: getattr(schedule, name) for name in ("epochs", "optimizer", "learning_rate", "batch_size", "loss")},
        **{name: getattr(schedule, name) for name in ("momentum", "weight_decay", "orthonormal")},
        **{"final_learning_rate": schedule.final_learning_rate or schedule.learning_rate},
        **{"objective": schedule.objective, "radius": schedule.radius, "train_fraction": split.fraction},
        "training_shift": schedule.shift
        and f"{schedule.shift.family} {schedule.shift.size:g} x {schedule.shift.share:g}",
        **{"activation": design.activation, "initial_weights": design.initial_weights},
    }
    return {name: text(value) for name, value in said.items()}
