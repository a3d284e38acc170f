"""Stage `training`: one noisy network for each beta and seed, with checkpoints at log-spaced epochs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from ib_core.estimators.cost import passing_seconds
from ib_core.laws.input_law import InputLaw
from ib_core.laws.points import Points
from ib_core.networks.deformation import KEPT_BYTES, Deformation
from ib_core.networks.epochs import log_spaced_epochs
from ib_core.networks.losses import LOSSES, LossName
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.objective import OBJECTIVES
from ib_core.networks.training import evaluate, geometric, optimizer, train_epoch
from ib_core.streams import stream
from tasks.engine.device import device_here
from tasks.engine.fingerprint import Definition
from tasks.engine.recipe import Cost
from tasks.store.parquet import write_table
from tasks.store.store import copy_file
from tasks.sweep.data import Split, points_of
from tasks.sweep.laws import family_place
from tasks.sweep.networks import (
    Network,
    checked,
    checkpoint_name,
    inputs,
    levels_of,
    noisy,
    probes,
    untrained,
    write_facts,
)

SECONDS_PER_STEP, SECONDS_PER_VALUE = 0.8e-3, 1e-9  # one minibatch, and one hidden value in one of three passes
SECONDS_OF_A_MOVE = 5.0  # of moving the inputs of a batch, in units of a step
PROCESS_BYTES = 4e8
JUDGED = 10_000  # points of a part, at most, that loss and accuracy are measured on


@dataclass(frozen=True)
class TrainingShift:
    """A shift that training sees, see `Deformation`."""

    family: str
    size: float
    parameters: Mapping[str, Any]
    share: float


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        epochs: passes over the training part.
        checkpoints: log-spaced epochs that are kept, the last among them.
        untrained: whether the initial weights are kept, too, as epoch 0.
        loss: "cross_entropy" or "squared".
        objective, radius: what is descended on, of the losses of a batch, and the radius of its ball.
        shift: that training sees.
        optimizer: "adam" or "sgd".
        learning_rate, final_learning_rate: of the first and the last epoch, falling geometrically between them.
        momentum: of "sgd".
        weight_decay: of either.
        orthonormal: strength of the orthonormal regularisation after every step.
        batch_size: inputs per step.
    """

    epochs: int
    checkpoints: int
    untrained: bool
    loss: LossName
    objective: str
    radius: float | None
    shift: TrainingShift | None
    optimizer: Literal["adam", "sgd"]
    learning_rate: float
    final_learning_rate: float | None
    momentum: float
    weight_decay: float
    orthonormal: float
    batch_size: int


@dataclass(frozen=True, eq=False)
class Training(Network):
    """A noisy network, trained on the loss of noisy passes.

    Attributes:
        split: which points it is trained on.
        schedule: how.
        device: "cuda" where a card trains it, with noise of its own.
    """

    split: Split
    schedule: Schedule
    device: str | None = None

    @property
    def on_card(self) -> bool:
        return self.device is not None

    @property
    def members(self) -> tuple[Definition, ...]:
        shift = self.schedule.shift
        families = () if shift is None else (family_place(shift.family),)
        return *super().members, OBJECTIVES.place(self.schedule.objective), *families

    @property
    def kept(self) -> list[int]:
        return [0] * self.schedule.untrained + log_spaced_epochs(self.schedule.epochs, self.schedule.checkpoints)

    def cost(self) -> Cost:
        fraction = self.split.fraction or (self.data.official or 0) / self.data.n
        seen = self.schedule.epochs * fraction * self.data.n
        seconds = SECONDS_PER_STEP * seen / self.schedule.batch_size
        # Forward, and backward to what comes in and to the weights.
        seconds += passing_seconds(3 * seen, self.hidden, self.design.products, SECONDS_PER_VALUE)
        moves = OBJECTIVES.find(self.schedule.objective).move is not None
        seconds *= 1 + moves * SECONDS_OF_A_MOVE
        # The points as they are stored and read, and once more for the part that is trained on.
        memory = PROCESS_BYTES + 3 * 4.0 * self.data.n * self.data.width
        if self.schedule.shift is not None:  # in float64: the law, its shift, and the points of an epoch
            memory += 2 * KEPT_BYTES + 4 * 8.0 * self.data.n * self.data.width
        return Cost(seconds, 1e4 * len(self.kept), memory, "the number of points of data.source")

    def build(self, out: Path) -> None:
        """Write a safetensors checkpoint per kept epoch, history.parquet and network.json; go on from the last one in
        `scratch`."""
        torch.set_num_threads(1)
        points, plan = points_of(self.data), self.schedule
        train, test = self.split.rows(points)
        x, y = inputs(points, train), torch.from_numpy(points.y[train])
        seen = None
        if plan.shift is not None:
            seen = Deformation(training_law(points, train), **vars(plan.shift), seed=self.seed)
        module, _ = untrained(self.design, self.seed)
        here = noisy(self, module, levels_of(self, module, points, train), probes(points, train).numpy())
        checked(here, points, train)
        device = device_here(self.device)
        network = here if device is None else here.on(device)
        descent = optimizer(
            plan.optimizer,
            list(network.module.parameters()),
            plan.learning_rate,
            momentum=plan.momentum,
            weight_decay=plan.weight_decay,
        )
        done, scratch = 0, self.scratch
        for epoch in self.kept:
            path = scratch / checkpoint_name(epoch)
            if not (path.exists() and _restore(path, network, descent)):
                for step in range(done + 1, epoch + 1):
                    ends = plan.learning_rate, plan.final_learning_rate or plan.learning_rate
                    rate = geometric(*ends, step, plan.epochs)
                    if seen is not None:
                        atoms, classes = seen.points(step)
                        x, y = torch.from_numpy(atoms.astype(np.float32)), torch.from_numpy(classes)
                    train_epoch(
                        network,
                        descent,
                        x,
                        y,
                        plan.batch_size,
                        self.seed,
                        step,
                        learning_rate=rate,
                        orthonormal=plan.orthonormal,
                        loss=LOSSES[plan.loss],
                        objective=OBJECTIVES.find(plan.objective),
                        radius=plan.radius or 0.0,
                    )
                _save(path, network, descent)
            done = epoch
        rows = []
        for epoch in self.kept:
            _restore(scratch / checkpoint_name(epoch), network, descent)
            module.load_state_dict(network.module.state_dict())
            found = judged(network, points, {"train": train, "test": test}, self.seed, epoch)
            rows.append(found | {"lipschitz": certified(here)})
            copy_file(scratch / checkpoint_name(epoch), out / checkpoint_name(epoch))
        write_table(out / "history.parquet", pd.DataFrame(rows))
        write_facts(checked(here, points, train), probes(points, train), out)


def training_law(points: Points, rows: np.ndarray) -> InputLaw:
    """The points for training as training takes them, all alike."""
    x = points.x[rows].reshape(len(rows), -1)
    return InputLaw(x, np.full(len(rows), 1 / len(rows)), points.y[rows], points.shape)


def judged(network: NoisyNetwork, points: Points, parts: dict[str, np.ndarray], seed: int, epoch: int) -> dict:
    """Loss and accuracy of each part, noisy, and accuracy without noise."""
    row: dict = {"epoch": epoch}
    for name, rows in parts.items():
        some = rows
        if len(rows) > JUDGED:
            some = np.sort(stream(seed, "judged", name).choice(rows, JUDGED, replace=False))
        columns = [f"{name}_{what}" for what in ("loss", "accuracy", "clean_accuracy")]
        row |= dict.fromkeys(columns, float("nan"))
        if len(some):
            found = evaluate(network, inputs(points, some), torch.from_numpy(points.y[some]), seed, epoch)
            row |= zip(columns, (found.loss, found.accuracy, found.clean_accuracy), strict=True)
    return row


def certified(network: NoisyNetwork) -> list[float]:
    """Lipschitz constants of the layers, NaN where unknown."""
    return [float("nan") if each is None else each for each in network.lipschitz()]


def _save(path: Path, network: NoisyNetwork, descent: torch.optim.Optimizer) -> None:
    """Weights and optimizer state in one atomic file."""
    tensors = {f"network.{name}": value for name, value in network.module.state_dict().items()}
    for index, state in descent.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items() if value is not None}
    temporary = path.with_suffix(".writing")
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, temporary)
    temporary.replace(path)


def _restore(path: Path, network: NoisyNetwork, descent: torch.optim.Optimizer) -> bool:
    """Load what `_save` wrote; False when the file is damaged, which a full disk or a power cut can leave behind."""
    try:
        tensors = load_file(path)
    except Exception:  # safetensors raises its own and several built-in types for a torn file
        path.unlink()
        return False
    network.module.load_state_dict({name: tensors[f"network.{name}"] for name in network.module.state_dict()})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    descent.load_state_dict(descent.state_dict() | {"state": state})
    return True
