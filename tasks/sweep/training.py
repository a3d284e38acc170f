"""Stage `training`: one noisy network for each beta and seed, with checkpoints at log-spaced epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from ib_core.members import place
from ib_core.networks.activation import ROOM as ACTIVATIONS
from ib_core.networks.architecture import ROOM as ARCHITECTURES
from ib_core.networks.architecture import Spec, architecture
from ib_core.networks.epochs import log_spaced_epochs
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.training import evaluate, split, train_epoch
from ib_core.networks.training import optimizer as adam
from tasks.engine.fingerprint import Definition
from tasks.engine.recipe import Cost, Recipe
from tasks.store.parquet import read_table, write_table
from tasks.store.store import copy_file
from tasks.sweep.data import Law, law_of

ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")
SECONDS_PER_STEP = 0.8e-3  # one minibatch


@dataclass(frozen=True, eq=False)
class Training(Recipe):
    """A noisy network, trained by Adam on the cross-entropy of noisy passes.

    Attributes:
        law: of the inputs and labels.
        architecture: its kind.
        widths: of all layers, from the inputs to the classes.
        activation: of the hidden layers.
        beta: standard deviation of the noise after each hidden layer.
        seed: key of weights, batches, split and noise.
        epochs: passes over the training part.
        checkpoints: log-spaced epochs that are kept, the last among them.
        learning_rate: step size of Adam.
        batch_size: inputs per step.
        train_fraction: part of the atoms to train on.
    """

    stage: ClassVar[str] = "training"
    law: Law
    architecture: str
    widths: tuple[int, ...]
    activation: str
    beta: float
    seed: int
    epochs: int
    checkpoints: int
    learning_rate: float
    batch_size: int
    train_fraction: float

    @property
    def label(self) -> str:
        return f"b{self.beta!r}/s{self.seed}"

    @property
    def members(self) -> tuple[Definition, ...]:
        return place(ARCHITECTURES, self.architecture), place(ACTIVATIONS, self.activation)

    @property
    def title(self) -> str:
        """Name of the network: "tanh-12-10-7-5-4-3-2", for other kinds than an MLP with the kind before it."""
        kind = [] if self.architecture == "mlp" else [self.architecture]
        return "-".join([*kind, self.activation, *map(str, self.widths)])

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the layers T_1 to T_L."""
        return self.widths[1:-1]

    @property
    def kept(self) -> list[int]:
        """Epochs with a checkpoint."""
        return log_spaced_epochs(self.epochs, self.checkpoints)

    def cost(self) -> Cost:
        steps = self.epochs * self.train_fraction * self.law.of.n_atoms / self.batch_size
        return Cost(SECONDS_PER_STEP * steps, 1e4 * self.checkpoints)

    def build(self, out: Path) -> None:
        """Write a safetensors checkpoint per kept epoch and history.parquet; go on from the last one in `scratch`."""
        torch.set_num_threads(1)
        law = law_of(self.law)
        x, y = torch.tensor(law.atoms, dtype=torch.float32), torch.tensor(law.labels)
        train, test = (torch.from_numpy(part) for part in split(len(x), self.train_fraction, self.seed))
        network = untrained(self)
        optimizer = adam("adam", network.module.parameters(), self.learning_rate)
        done, scratch = 0, self.scratch
        for epoch in self.kept:
            path = scratch / checkpoint_name(epoch)
            if not (path.exists() and _restore(path, network, optimizer)):
                for step in range(done + 1, epoch + 1):
                    train_epoch(network, optimizer, x[train], y[train], self.batch_size, self.seed, step)
                _save(path, network, optimizer)
            done = epoch
        rows = []
        for epoch in self.kept:
            _restore(scratch / checkpoint_name(epoch), network, optimizer)
            row: dict[str, Any] = {"epoch": epoch}
            for name, part in (("train", train), ("test", test)):
                found = evaluate(network, x[part], y[part], self.seed, epoch)
                row[f"{name}_loss"], row[f"{name}_accuracy"] = found.loss, found.accuracy
            rows.append({**row, "lipschitz": network.lipschitz()})
            copy_file(scratch / checkpoint_name(epoch), out / checkpoint_name(epoch))
        write_table(out / "history.parquet", pd.DataFrame(rows))


def checkpoint_name(epoch: int) -> str:
    return f"epoch_{epoch:07d}.safetensors"


def checkpoint(training: Training, epoch: int) -> NoisyNetwork:
    """The stored network at an epoch."""
    network, state = untrained(training), load_file(training.file(checkpoint_name(epoch)))
    network.module.load_state_dict({name: state[f"network.{name}"] for name in network.module.state_dict()})
    return network


def history_of(training: Training) -> pd.DataFrame:
    """Loss and accuracy by epoch."""
    return read_table(training.file("history.parquet")).to_pandas()


def untrained(training: Training) -> NoisyNetwork:
    """The network with its first weights."""
    return noisy_network(training.architecture, training.widths, training.activation, training.beta, training.seed)


def noisy_network(kind: str, widths: Sequence[int], activation: str, beta: float, seed: int) -> NoisyNetwork:
    """One of an architecture with the same noise in every hidden layer."""
    spec = Spec((widths[0],), widths[-1], tuple(widths[1:-1]), activation)
    module, layers = architecture(kind).build(spec, seed)
    return NoisyNetwork(module, layers, spec.input_shape, [beta] * len(layers))


def _save(path: Path, network: NoisyNetwork, optimizer: torch.optim.Optimizer) -> None:
    """Weights and optimizer state in one atomic file."""
    tensors = {f"network.{name}": value for name, value in network.module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{key}": state[key] for key in ADAM_STATE}
    temporary = path.with_suffix(".writing")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    temporary.replace(path)


def _restore(path: Path, network: NoisyNetwork, optimizer: torch.optim.Optimizer) -> bool:
    """Load what `_save` wrote; False when the file is damaged, which a full disk or a power cut can leave behind."""
    try:
        tensors = load_file(path)
    except Exception:  # safetensors raises its own and several built-in types for a torn file
        path.unlink()
        return False
    network.module.load_state_dict({name: tensors[f"network.{name}"] for name in network.module.state_dict()})
    state = optimizer.state_dict()
    n_parameters = len(list(network.module.parameters()))
    state["state"] = {i: {key: tensors[f"adam.{i}.{key}"] for key in ADAM_STATE} for i in range(n_parameters)}
    optimizer.load_state_dict(state)
    return True
