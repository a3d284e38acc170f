"""A user's own network: a function of theirs that builds a module, and weights that fit it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ib_core.members import listed, own_member
from ib_core.networks.hooks import NetworkError

# What other tools put before the names of a state_dict.
PREFIXES = ("module.", "network.", "model.", "_orig_mod.")


def foreign_module(place: str, seed: int = 0, parameters: Mapping[str, Any] | None = None) -> nn.Module:
    """What the function of "module:function" returns.

    Args:
        place: "my_nets:build".
        seed: of torch's stream while it runs, which is as before afterwards.
        parameters: by name, what the function is called with.

    Raises:
        NetworkError: there is no such function, it fails, or it returns no module.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            build = own_member(place)
        except KeyError as error:
            raise NetworkError(f"a network of your own must be {error.args[0]}") from error
        if not callable(build):
            raise NetworkError(f"{place!r} must name a function, got {type(build).__name__}")
        try:
            module = build(**(parameters or {}))
        except (Exception, SystemExit) as error:
            raise NetworkError(f"{place!r} must build a network, got {_line(error)}") from error
    if not isinstance(module, nn.Module):
        raise NetworkError(f"{place!r} must return a torch.nn.Module, got {type(module).__name__}")
    return module


def fitted(module: nn.Module, state: Mapping[str, Tensor], origin: str = "the weights") -> dict[str, Tensor]:
    """The tensors of a state_dict by the names of a module, without a prefix that all of them share if they fit so.

    Args:
        module: that they are for.
        state: by name.
        origin: what an error calls them.

    Raises:
        NetworkError: some are missing, too many or of another shape.
    """
    own, trials = module.state_dict(), [dict(state)]
    while trials[-1].keys() != own.keys():
        prefix = next((each for each in PREFIXES if all(name.startswith(each) for name in trials[-1])), None)
        if prefix is None or not trials[-1]:
            break
        trials.append({name.removeprefix(prefix): each for name, each in trials[-1].items()})
    found = min(trials, key=lambda trial: len(trial.keys() ^ own.keys()))
    # Tied parameters are often stored once.
    stored = {own[name].data_ptr() for name in found if name in own}
    missing = [name for name in own if name not in found and own[name].data_ptr() not in stored]
    unexpected = [name for name in found if name not in own]
    if missing or unexpected:
        sides = ("lack", missing), ("have besides", unexpected)
        parts = [f"{what} {listed(names, 5)}" for what, names in sides if names]
        raise NetworkError(f"{origin} must fit the network, but {' and '.join(parts)}")
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            wanted, got = tuple(own[name].shape), tuple(tensor.shape)
            raise NetworkError(f"{origin} must fit the network: {name} must have shape {wanted}, got {got}")
    return found


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".split("\n")[0]
