"""Stage `training`: one noisy network for each beta and seed, with checkpoints at log-spaced epochs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from ib_core.networks.epochs import log_spaced_epochs
from ib_core.networks.mlp import NoisyNetwork
from ib_core.networks.training import evaluate, split, train_epoch
from tasks.store import Result, copy_file
from tasks.tables import read_law, write_table

ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


def checkpoint_name(epoch: int) -> str:
    return f"epoch_{epoch:07d}.safetensors"


def load_network(path: Path, settings: dict[str, Any]) -> NoisyNetwork:
    """The network of a checkpoint; `settings` are those of the training unit."""
    network = NoisyNetwork(settings["widths"], settings["activation"], settings["beta"], settings["seed"])
    state = load_file(path)
    network.load_state_dict({name: state[f"network.{name}"] for name in network.state_dict()})
    return network


def build(settings: dict[str, Any], inputs: Mapping[str, Result], out: Path, scratch: Path) -> None:
    """Write a safetensors checkpoint per kept epoch and history.parquet; go on from the last one in `scratch`."""
    torch.set_num_threads(1)
    law, seed = read_law(inputs["law"].file("law.parquet")), settings["seed"]
    x, y = torch.tensor(law.atoms, dtype=torch.float32), torch.tensor(law.labels)
    train, test = (torch.from_numpy(part) for part in split(len(x), settings["train_fraction"], seed))
    network = NoisyNetwork(settings["widths"], settings["activation"], settings["beta"], seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings["learning_rate"], fused=True)
    kept = log_spaced_epochs(settings["epochs"], settings["checkpoints"])
    scratch.mkdir(parents=True, exist_ok=True)
    done = 0
    for epoch in kept:
        path = scratch / checkpoint_name(epoch)
        if path.exists() and _restore(path, network, optimizer):
            done = epoch
            continue
        for step in range(done + 1, epoch + 1):
            train_epoch(network, optimizer, x[train], y[train], settings["batch_size"], seed, step)
        done = epoch
        _save(path, network, optimizer)
    rows = []
    for epoch in kept:
        _restore(scratch / checkpoint_name(epoch), network, optimizer)
        row: dict[str, Any] = {"epoch": epoch}
        for name, part in (("train", train), ("test", test)):
            row[f"{name}_loss"], row[f"{name}_accuracy"] = evaluate(network, x[part], y[part], seed, epoch)
        rows.append({**row, "lipschitz": network.lipschitz()})
        copy_file(scratch / checkpoint_name(epoch), out / checkpoint_name(epoch))
    write_table(out / "history.parquet", pd.DataFrame(rows))


def _save(path: Path, network: NoisyNetwork, optimizer: torch.optim.Optimizer) -> None:
    """Weights and optimizer state in one atomic file."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
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
    network.load_state_dict({name: tensors[f"network.{name}"] for name in network.state_dict()})
    state = optimizer.state_dict()
    n_parameters = len(list(network.parameters()))
    state["state"] = {i: {key: tensors[f"adam.{i}.{key}"] for key in ADAM_STATE} for i in range(n_parameters)}
    optimizer.load_state_dict(state)
    return True
