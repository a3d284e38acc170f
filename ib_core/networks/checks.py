"""Whether a module is a network whose layers can be noised: whatever stands against it is one line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.networks.hooks import LayerError, NetworkError, Tap, as_inputs, mode, taps, tensor_of
from ib_core.networks.noisy_network import NoisyNetwork

FLOAT32_STEP = 2.0**-23
ROWS = 8  # inputs that are tried
# Of the largest value of a layer: by so much may a row alone differ from the same row in a batch, as products of other
# sizes are rounded otherwise.
ROUNDING = 1e-4


class _Pass(NamedTuple):
    """What one clean pass gave."""

    calls: list[int]  # numbers of the layers, in the order of the forward pass
    outputs: list[Any]  # of their modules, copied
    logits: Any


@torch.no_grad()
def check(module: nn.Module, layers: Sequence[str], x: Tensor | np.ndarray, classes: int | None = None) -> None:
    """Refuse a module whose named layers cannot be noised and measured; it is left as it was.

    In eval mode every layer is called once in a pass, in the given order, and gives a finite tensor (n, ...) of float32
    or float64; passes without noise are equal to the bit and change no buffer, and a row gives the same alone and among
    others, within rounding.

    Args:
        module: maps inputs to logits (n, classes).
        layers: names of its submodules in the order of the forward pass.
        x: (n, *input_shape), some inputs that differ, two at least.
        classes: that the logits must have at least, one more than the largest label.

    Raises:
        NetworkError: what the first fault is.
    """
    if not isinstance(module, nn.Module):
        raise NetworkError(f"a network must be a torch.nn.Module, got {type(module).__name__}")
    places = taps(module, layers)
    x = as_inputs(module, x[:: max(len(x) // ROWS, 1)][:ROWS])
    if len(x) < 2:
        raise NetworkError(f"x must hold at least 2 inputs, got shape {tuple(x.shape)}")
    buffers = {name: each.clone() for name, each in module.named_buffers()}
    try:
        with mode(module, training=False):
            whole = _run(module, places, x)
            _check_calls(places, whole.calls)
            outputs = _tensors(places, whole, len(x))
            _check_classes(whole.logits, classes)
            _check_repeated(outputs, _run(module, places, x), places)
            _check_buffers(module, buffers)
            for rows in (slice(1, None), slice(0, 1)):
                _check_rows(outputs, rows, _run(module, places, x[rows]), places)
    finally:
        for name, each in module.named_buffers():
            each.copy_(buffers[name])


def _run(module: nn.Module, places: list[Tap], x: Tensor) -> _Pass:
    calls: list[int] = []
    outputs: list[Any] = [None] * len(places)

    def look(layer: int) -> Callable[[nn.Module, Any, Any], None]:
        def seen(module: nn.Module, args: Any, output: Any) -> None:
            calls.append(layer)
            outputs[layer] = _copied(output)

        return seen

    handles = [tap.module.register_forward_hook(look(layer)) for layer, tap in enumerate(places)]
    try:
        logits = module(x)
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        problem = f"{type(error).__name__}: {error}".split("\n")[0]
        raise NetworkError(f"the network fails on inputs of shape {tuple(x.shape)}: {problem}") from error
    finally:
        for handle in handles:
            handle.remove()
    return _Pass(calls, outputs, logits)


def _copied(output: Any) -> Any:
    """Tensors may be changed in place by what comes behind."""
    if isinstance(output, Tensor):
        return output.clone()
    if isinstance(output, Mapping):
        return {name: _copied(each) for name, each in output.items()}
    return tuple(map(_copied, output)) if isinstance(output, tuple | list) else output


def _check_calls(places: list[Tap], calls: list[int]) -> None:
    for layer, tap in enumerate(places):
        count = calls.count(layer)
        if count == 0:
            raise LayerError(f"layer {tap.name!r} is not called in a pass, so that there is nothing to noise")
        if count > 1:
            raise LayerError(
                f"layer {tap.name!r} must be called once in a pass, got {count} calls: give each place a submodule of "
                "its own"
            )
    if calls != sorted(calls):
        order = ", ".join(places[layer].name for layer in calls)
        raise LayerError(f"layers must be in the order of the forward pass, {order}")


def _tensors(places: list[Tap], found: _Pass, n: int) -> list[tuple[str, Tensor]]:
    """Name and tensor of each layer and of the read-out."""
    if not isinstance(found.logits, Tensor) or found.logits.ndim != 2:
        got = tuple(found.logits.shape) if isinstance(found.logits, Tensor) else f"a {type(found.logits).__name__}"
        raise NetworkError(f"a network must return logits (n, classes), got {got} for {n} inputs")
    named = [(f"layer {tap.name!r}", tensor_of(tap, each)) for tap, each in zip(places, found.outputs, strict=True)]
    named.append(("the read-out", found.logits))
    for name, tensor in named:
        fault = NetworkError if tensor is found.logits else LayerError
        if tensor.dtype not in (torch.float32, torch.float64):
            raise fault(f"{name} must be float32 or float64 to be noised, got {tensor.dtype}")
        if tensor.ndim == 0 or len(tensor) != n:
            raise fault(f"{name} must have the batch as its first dimension, got {tuple(tensor.shape)} for {n}")
        if not tensor.isfinite().all():
            raise fault(f"{name} must be finite, got NaN or infinity")
    return named


def _check_classes(logits: Tensor, classes: int | None) -> None:
    if classes is not None and logits.shape[1] < classes:
        raise NetworkError(
            f"the network must have an output for each of the {classes} classes of the labels, got {logits.shape[1]}"
        )


def _check_repeated(outputs: list[tuple[str, Tensor]], again: _Pass, places: list[Tap]) -> None:
    repeated = _tensors(places, again, len(outputs[0][1]))
    for (name, first), (_, second) in zip(outputs, repeated, strict=True):
        if not torch.equal(first, second):
            raise NetworkError(
                f"{name} differs between two passes without noise in eval mode: the network draws random numbers "
                "(functional dropout needs training=self.training) or remembers what it has seen"
            )


def _check_buffers(module: nn.Module, before: Mapping[str, Tensor]) -> None:
    for name, each in module.named_buffers():
        if not torch.equal(each, before[name]):
            raise NetworkError(f"buffer {name!r} changes in a pass in eval mode: is batch norm kept in train mode?")


def _check_rows(outputs: list[tuple[str, Tensor]], rows: slice, alone: _Pass, places: list[Tap]) -> None:
    found = _tensors(places, alone, len(outputs[0][1][rows]))
    for (name, whole), (_, part) in zip(outputs, found, strict=True):
        same = whole.shape[1:] == part.shape[1:]
        if not same or (whole[rows] - part).abs().max() > ROUNDING * whole.abs().max():
            raise NetworkError(
                f"{name} gives a row other values alone than among others: does batch norm use the statistics of the "
                "batch, or is the batch not the first dimension?"
            )


@torch.no_grad()
def check_digits(network: NoisyNetwork, x: Tensor) -> None:
    """Refuse signals whose float32 digits end near the noise: what these round off would be taken for sameness.

    Args:
        network: whose levels are the noise.
        x: (n, ...) some inputs.

    Raises:
        NetworkError: a signal is so large that steps of float32 are more than a hundredth of its layer's noise.
    """

    def looked_at(layer: int, signal: Tensor) -> Tensor:
        largest, level = float(signal.abs().max()), network.levels[layer - 1]
        step = largest * FLOAT32_STEP
        if step > level / 100:
            raise NetworkError(
                f"layer {network.names[layer - 1]!r} reaches {largest:.3g}, where float32 goes in steps of {step:.1g}: "
                f"not far below its noise {level:g}; centre or scale it"
            )
        return signal

    network.propagate(x, looked_at)
