"""Weights of a network from a file of a user's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ib_core.networks.foreign import fitted
from ib_core.networks.hooks import NetworkError
from tasks.store.errors import said

WRAPPERS = ("state_dict", "model_state_dict")  # what other tools put around a state_dict


def load_weights(module: nn.Module, path: Path) -> None:
    """Load parameters and buffers from a file, all of them, as `fitted` makes them fit.

    Raises:
        NetworkError: the file cannot be read, or does not fit.
    """
    module.load_state_dict(fitted(module, weights_from(path), str(path)), strict=False)


def weights_from(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a .pt or .pth file that holds a state_dict and no code.

    Raises:
        NetworkError: it is neither, or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise NetworkError(f"weights must be a file, got {path}: there is none")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if path.suffix in (".pt", ".pth"):
            return _unwrapped(torch.load(path, map_location="cpu", weights_only=True), path)
    except NetworkError:
        raise
    except Exception as error:  # a torn file raises all kinds
        hint = "" if path.suffix == ".safetensors" else "; save module.state_dict(), which needs no code to be read"
        problem = f"{type(error).__name__}: {said(error)}"
        raise NetworkError(f"weights cannot be read from {path}: {problem}{hint}") from error
    raise NetworkError(f"weights must be a .safetensors, .pt or .pth file, got {path}")


def _unwrapped(found: Any, path: Path) -> dict[str, Tensor]:
    for _ in WRAPPERS:
        for wrapper in WRAPPERS:
            if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
                found = found[wrapper]
    if not isinstance(found, Mapping) or not all(isinstance(each, Tensor) for each in found.values()):
        kind = type(found).__name__
        raise NetworkError(
            f"weights must be a state_dict of tensors, or lie under {' or '.join(WRAPPERS)} in a dict, "
            f"got a {kind} in {path}"
        )
    return dict(found)
