"""Outputs of named submodules, seen and replaced by forward hooks while a module runs."""

import copy
import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.members import listed


class NetworkError(ValueError):
    """A network whose layers cannot be noised or measured as asked; the message is one line."""


class LayerError(NetworkError):
    """What stands against the layers that are named, and not against the network."""


class Tap(NamedTuple):
    """Where a layer is read.

    Attributes:
        name: of the layer: "act1", or "rnn[0]" where a module gives several tensors.
        module: whose output it is.
        part: position or key of the tensor among the outputs; None where there is one.
    """

    name: str
    module: nn.Module
    part: int | str | None


def taps(module: nn.Module, names: Sequence[str]) -> list[Tap]:
    """The places of the named layers.

    Raises:
        NetworkError: there are none, one is named twice, or has no module.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise LayerError(f"layers must be a list of names of submodules, got {names!r}")
    if not names:
        raise LayerError("layers must name at least one submodule, got none")
    known = dict(module.named_modules(remove_duplicate=False))
    found = []
    for name in names:
        if list(names).count(name) > 1:
            raise LayerError(f"layers must be distinct, got {name!r} twice")
        path, index = _parsed(name)
        if path not in known or not path:
            raise LayerError(f"layers must name submodules, got {name!r}{_hint(path, list(known))}")
        found.append(Tap(name, known[path], index))
    return found


def _parsed(name: str) -> tuple[str, int | str | None]:
    """The module's name and the index: "rnn[0]", "block[hidden]"."""
    match = re.fullmatch(r"(.*)\[([^\[\]]+)\]", name)
    if match is None:
        return name, None
    path, index = match.groups()
    return path, int(index) if re.fullmatch(r"-?\d+", index) else index


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, [each for each in known if each], 1)
    return f": did you mean {close[0]}?" if close else f"; it has {listed(filter(None, known))}"


def tensor_of(tap: Tap, output: Any) -> Tensor:
    """The layer's tensor among what its module gives.

    Raises:
        NetworkError: an index is missing or there is nothing to index, or it is no tensor.
    """
    found = output
    if isinstance(output, tuple | list | Mapping):
        parts = list(output) if isinstance(output, Mapping) else list(range(len(output)))
        example = f"{tap.name}[{parts[0]}]" if parts else "none"
        kind = f"a {type(output).__name__} of {len(parts)}"
        if tap.part is None:
            raise LayerError(f"layer {tap.name!r} gives {kind}: name one of its tensors, as {example}")
        try:
            found = output[tap.part]  # type: ignore[index]
        except (KeyError, IndexError, TypeError) as error:
            raise LayerError(f"layer {tap.name!r} gives {kind}, whose tensors are {parts}") from error
    elif tap.part is not None:
        raise LayerError(f"layer {tap.name!r} has an index, but its module gives one {type(output).__name__}")
    if not isinstance(found, Tensor):
        raise LayerError(f"layer {tap.name!r} must give a tensor, got {type(found).__name__}")
    return found


def with_tensor(tap: Tap, output: Any, tensor: Tensor) -> Any:
    """The output of a module with the layer's tensor replaced."""
    if tap.part is None:
        return tensor
    if isinstance(output, tuple):
        parts = list(output)
        parts[tap.part] = tensor  # type: ignore[index]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    changed = copy.copy(output)
    changed[tap.part] = tensor
    return changed


class _Hook:
    """Hands a copy of a layer's tensor to a function, and puts what it returns in its place."""

    def __init__(self, layer: int, tap: Tap, seen: Callable[[int, Tensor], Tensor]) -> None:
        self.layer, self.tap, self.seen = layer, tap, seen

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        # A copy, because a module behind may change its input in place.
        signal = tensor_of(self.tap, output).clone()
        hidden = self.seen(self.layer, signal)
        return None if hidden is signal else with_tensor(self.tap, output, hidden)


@contextmanager
def hooked(module: nn.Module, places: Sequence[Tap], seen: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """While inside, every output of a layer is handed to `seen` and replaced by what that returns.

    Args:
        module: the whole network.
        places: its layers.
        seen: maps the number of a layer, from 1, and a copy of its tensor to what stands in its place.

    Raises:
        NetworkError: a module has such hooks already: noise would be added twice.
    """
    for name, each in module.named_modules():
        if any(isinstance(hook, _Hook) for hook in each._forward_hooks.values()):
            raise NetworkError(f"the network is noised already, at {name!r}: passes with noise cannot be nested")
    handles = []
    try:
        for layer, tap in enumerate(places, 1):
            handles.append(tap.module.register_forward_hook(_Hook(layer, tap, seen)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def as_inputs(module: nn.Module, x: Tensor | np.ndarray) -> Tensor:
    """Inputs on the device and with the digits of the module's parameters."""
    like = next((each for each in module.parameters() if each.is_floating_point()), torch.empty(0))
    return torch.as_tensor(x).to(like.device, like.dtype)


@contextmanager
def mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Train or eval mode while inside; every submodule is as before afterwards."""
    before = [(each, each.training) for each in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for each, was in before:
            each.training = was
