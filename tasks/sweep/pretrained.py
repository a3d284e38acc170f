"""Stage `training` where there is nothing to train: the user's network with the weights that it has."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from tasks.engine.recipe import NOT_IDENTITY, Cost
from tasks.points.weights import load_weights
from tasks.store.parquet import write_table
from tasks.sweep.data import Split, points_of
from tasks.sweep.networks import Network, checked, checkpoint_name, levels_of, noisy, probes, untrained, write_facts
from tasks.sweep.training import certified, judged


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Attributes:
        epoch: that it stands for.
        sha256: of the file.
        file: its path.
    """

    epoch: int
    sha256: str
    file: str = field(kw_only=True, metadata=NOT_IDENTITY)


@dataclass(frozen=True, eq=False)
class Pretrained(Network):
    """A network as it is, at one or more checkpoints.

    Attributes:
        weights: the checkpoints, in the order of their epochs; none for the network as its function returns it, which
            is then epoch 0.
        split: which points it has seen in training; None where nobody knows, then all count as not seen.
    """

    weights: tuple[Weights, ...]
    split: Split | None

    @property
    def kept(self) -> list[int]:
        return [each.epoch for each in self.weights] or [0]

    def cost(self) -> Cost:
        return Cost(5.0 * len(self.kept), 1e6 * len(self.kept))

    def build(self, out: Path) -> None:
        """Write a safetensors checkpoint per epoch, history.parquet and network.json."""
        torch.set_num_threads(1)
        points = points_of(self.data)
        parts = {"train": np.arange(0), "test": np.arange(len(points.y))}
        if self.split is not None:
            parts = dict(zip(("train", "test"), self.split.rows(points), strict=True))
        known = parts["train"] if len(parts["train"]) else parts["test"]
        module, _ = untrained(self.design, self.seed)
        for each in reversed(self.weights[-1:]):
            _load(module, each)
        levels = levels_of(self, module, points, known)  # of the last checkpoint, for all of them
        network = noisy(self, module, levels, probes(points, known).numpy())
        facts = checked(network, points, known)
        rows = []
        for k, epoch in enumerate(self.kept):
            for each in self.weights[k : k + 1]:
                _load(module, each)
            found = judged(network, points, parts, self.seed, epoch)
            rows.append(found | {"lipschitz": certified(network)})
            state = {f"network.{name}": value.clone().contiguous() for name, value in module.state_dict().items()}
            save_file(state, out / checkpoint_name(epoch))
        write_table(out / "history.parquet", pd.DataFrame(rows))
        write_facts(facts, probes(points, known), out)


def weight_files(pattern: str) -> tuple[Weights, ...]:
    """The files of a path or a glob, by epoch: the last number in a name, or the place in their order.

    Raises:
        ValueError: there are none.
    """
    path = Path(pattern)
    found = [path]
    if not path.exists() and set(path.name) & set("*?["):
        found = sorted(path.parent.glob(path.name))
    if not found or not all(each.is_file() for each in found):
        raise ValueError(f"found no file {pattern}")
    numbers = [re.findall(r"\d+", each.stem) for each in found]
    epochs = [int(each[-1]) for each in numbers if each]
    if len(set(epochs)) < len(found):
        epochs = list(range(1, len(found) + 1)) if len(found) > 1 else [0]
    weights = [Weights(epoch, _sha256(each), file=str(each)) for epoch, each in zip(epochs, found, strict=True)]
    return tuple(sorted(weights, key=lambda each: each.epoch))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(module: torch.nn.Module, weights: Weights) -> None:
    if _sha256(Path(weights.file)) != weights.sha256:
        raise RuntimeError(f"{weights.file} changed while the run was going on: start it again")
    load_weights(module, Path(weights.file))
