"""What the submodules of a network give, and which of them can be noised."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.networks.activation import ActivationLayer
from ib_core.networks.half_width import half_width
from ib_core.networks.hooks import NetworkError, as_inputs, mode

ACTIVATIONS = (
    *(ActivationLayer, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Softplus, nn.Softsign, nn.Softmax),
)


class ModuleRow(NamedTuple):
    """One tensor that a submodule gives.

    Attributes:
        name: as a layer of a network is named: "act1", or "rnn[0]" for one of several tensors.
        kind: class of the submodule.
        shape: of one signal, without the batch; None where there is no tensor.
        width: coordinates of a signal.
        half_width: every coordinate lies in an interval of twice this length; None where that is not known.
        calls: how often it is called in a pass.
        problem: why it cannot be noised; empty where it can.
        suggested: whether it is an activation that can be noised; in a network without activations of its own, whether
            it has parameters and can be noised.
    """

    name: str
    kind: str
    shape: tuple[int, ...] | None
    width: int | None
    half_width: float | None
    calls: int
    problem: str
    suggested: bool


@torch.no_grad()
def module_table(module: nn.Module, x: Tensor | np.ndarray) -> list[ModuleRow]:
    """A row for every submodule, in the order in which they return, those that are not called last.

    Args:
        module: maps inputs to logits.
        x: (n, *input_shape), at least 2 inputs.

    Raises:
        NetworkError: the module fails on these inputs.
    """
    x = as_inputs(module, x)
    names = {each: name for name, each in module.named_modules() if name}
    calls: dict[nn.Module, int] = {}
    outputs: dict[nn.Module, Any] = {}

    def seen(each: nn.Module, args: Any, output: Any) -> None:
        calls[each] = calls.get(each, 0) + 1
        outputs[each] = output

    handles = [each.register_forward_hook(seen) for each in names]
    try:
        with mode(module, training=False):
            logits = module(x)
    except Exception as error:  # whatever a user's module raises
        problem = f"{type(error).__name__}: {error}".split("\n")[0]
        raise NetworkError(f"the network fails on inputs of shape {tuple(x.shape)}: {problem}") from error
    finally:
        for handle in handles:
            handle.remove()
    rows, origins = [], []
    for each in [*outputs, *(other for other in names if other not in outputs)]:
        name, kind, count = names[each], type(each).__name__, calls.get(each, 0)
        for part, tensor in _parts(outputs.get(each)):
            shape = tuple(tensor.shape[1:]) if isinstance(tensor, Tensor) else None
            rows.append(
                ModuleRow(
                    name=name + part,
                    kind=kind,
                    shape=shape,
                    width=None if shape is None else int(np.prod(shape)),
                    half_width=None if part else half_width(each),
                    calls=count,
                    problem=_problem(tensor, len(x), count, logits),
                    suggested=False,
                )
            )
            origins.append(each)
    possible = [(k, each) for k, each in enumerate(origins) if not rows[k].problem]
    chosen = [k for k, each in possible if isinstance(each, ACTIVATIONS)]
    if not chosen:
        chosen = [k for k, each in possible if any(True for _ in each.parameters(recurse=False))]
    return [row._replace(suggested=k in chosen) for k, row in enumerate(rows)]


def suggested_layers(rows: list[ModuleRow]) -> list[str]:
    """Names of the layers that are suggested, in the order of the forward pass."""
    return [row.name for row in rows if row.suggested]


def _parts(output: Any) -> list[tuple[str, Any]]:
    """The tensors of an output with their indices; the tensor itself has none."""
    if isinstance(output, Mapping):
        return [(f"[{name}]", each) for name, each in output.items()]
    if isinstance(output, tuple | list):
        return [(f"[{k}]", each) for k, each in enumerate(output)]
    return [("", output)]


def _problem(tensor: Any, n: int, calls: int, logits: Any) -> str:
    if calls == 0:
        return "not called in a pass"
    if calls > 1:
        return f"called {calls} times in a pass"
    if not isinstance(tensor, Tensor):
        return f"gives a {type(tensor).__name__}, no tensor"
    if tensor.dtype not in (torch.float32, torch.float64):
        return f"{str(tensor.dtype).removeprefix('torch.')}, not float32 or float64"
    if tensor.ndim == 0 or len(tensor) != n:
        return "the batch is not its first dimension"
    return "the read-out, which has no noise" if tensor is logits else ""
