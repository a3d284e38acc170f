"""Certified Lipschitz constants of X -> S_l, as products over the modules on the way."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from ib_core.networks.activation import ActivationLayer
from ib_core.networks.hooks import mode

if TYPE_CHECKING:
    from ib_core.networks.noisy_network import NoisyNetwork

FREQUENCY_WORK = 5e7  # coefficients of a kernel over all frequencies, up to which its norm is found there


@torch.no_grad()
def lipschitz(network: "NoisyNetwork") -> list[float | None]:
    """A constant of X -> S_l without noise, in Euclidean norms, for each layer; None where none is certified.

    One pass is traced. What a module gives has the product of the constants on the way if all its modules are known and
    each is given the very tensor that the one before it returned, or the same numbers in another shape. Anything that
    happens between modules (a sum, a function of torch.nn.functional) ends what is known.
    """
    known: dict[tuple[int, int], tuple[float, int, Tensor]] = {}  # constant, version and the tensor, which is kept

    def key(tensor: Tensor) -> tuple[int, int]:
        return tensor.data_ptr(), tensor.numel()

    def constant_of(tensor: Any) -> float | None:
        if not isinstance(tensor, Tensor) or not tensor.is_contiguous() or tensor.is_inference():
            return None
        constant, version, kept = known.get(key(tensor), (None, 0, tensor))
        return constant if version == tensor._version and kept.dtype == tensor.dtype else None

    def note(tensor: Any, constant: float | None) -> None:
        if isinstance(tensor, Tensor):
            known.pop(key(tensor), None)
            if constant is not None and tensor.is_contiguous() and not tensor.is_inference():
                known[key(tensor)] = constant, tensor._version, tensor

    below: dict[nn.Module, float | None] = {}  # of a module's input, as it was before the module might change it

    def before(module: nn.Module, args: tuple, options: dict) -> None:
        below[module] = constant_of(args[0]) if len(args) == 1 and not options else None

    def after(module: nn.Module, args: tuple, options: dict, output: Any) -> None:
        constant, own = below[module], None
        if constant is not None and isinstance(output, Tensor):
            own = module_constant(module, tuple(args[0].shape[1:]), tuple(output.shape[1:]))
        note(output, None if constant is None or own is None else constant * own)

    found: list[float | None] = [None] * network.hidden

    def reached(layer: int) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, args: Any, output: Any) -> None:
            found[layer] = constant_of(output)

        return look

    x = network.inputs(torch.zeros(1, *network.input_shape))
    note(x, 1.0)
    leaves = [each for each in network.module.modules() if _is_leaf(each)]
    handles: list[Any] = []
    try:
        for leaf in leaves:
            handles.append(leaf.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(leaf.register_forward_hook(after, with_kwargs=True))
        for layer, tap in enumerate(network.places):
            handles.append(tap.module.register_forward_hook(reached(layer)))
        with mode(network.module, training=False):
            network.module(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _is_leaf(module: nn.Module) -> bool:
    """Whether it is all that happens when it is called: what a user's own hooks do to its output is unknown."""
    return not (set(dict(module.named_children())) - {"parametrizations"} or module._forward_hooks)


def module_constant(module: nn.Module, given: tuple[int, ...], returned: tuple[int, ...]) -> float | None:
    """A Lipschitz constant of a module in eval mode between inputs and outputs of these shapes; None if not known.

    Classes that are derived from a known one are not known: they may do anything.
    """
    kind = type_before_parametrizations(module)
    if module.training or "forward" in vars(module):
        return None
    if kind is ActivationLayer:
        return module.activation.lipschitz  # type: ignore[union-attr, return-value]
    if kind in _SLOPES:
        return _SLOPES[kind]
    rule = _RULES.get(kind)
    return None if rule is None else rule(module, given, returned)


# The largest slopes of SiLU (1.0998), GELU (1.1290, or 1.1289 with tanh) and Hardsigmoid (1/6) are rounded up.
_SLOPES: dict[type, float] = {
    **dict.fromkeys(
        (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout, nn.ReLU), 1.0
    ),
    **dict.fromkeys((nn.ReLU6, nn.Tanh, nn.Hardtanh, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.CELU), 1.0),
    **{nn.Sigmoid: 0.25, nn.Hardsigmoid: 0.1667, nn.SiLU: 1.1, nn.GELU: 1.13, nn.ZeroPad2d: 1.0},
}


def _linear(layer: Any, given: Any, returned: Any) -> float:
    return _norm(layer.weight)


def _norm(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix.detach().double(), 2))


def _batch_norm(layer: Any, given: Any, returned: Any) -> float | None:
    if layer.running_var is None:
        return None  # it takes the statistics of the batch
    scale = (layer.running_var.double() + layer.eps).rsqrt()
    return float((scale if layer.weight is None else scale * layer.weight.detach().double().abs()).max())


def _overlap(size: int, stride: int, dilation: int) -> int:
    """In how many windows a place stands at most, along one axis."""
    return int(np.bincount(np.arange(size) * dilation % stride).max())


def _dimensions(layer: nn.Module) -> int:
    """2 for MaxPool2d."""
    return int(type_before_parametrizations(layer).__name__[-2])


def _axes(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n


def convolution_norm(layer: Any, size: tuple[int, ...]) -> float:
    """An upper bound of the spectral norm of a convolution with zeros around, the least of several.

    One writes the output as one matrix R (out, in x kernel) times patches: |y|^2 <= |R|^2 sum |patch|^2, and a place
    stands in at most m patches, which gives sqrt(m) |R|; without the stride the adjoint and the two mixed foldings of
    the kernel hold as well [Singla and Feizi, Fantastic four, ICLR 2021]. Another one is the largest norm over all
    frequencies of a torus in which the padded images do not overlap [Sedghi, Gupta and Long, ICLR 2019], of which the
    layer is a part.

    Args:
        layer: Conv1d, Conv2d or Conv3d.
        size: of the images, without channels.
    """
    n = len(size)
    dilation, stride = _axes(layer.dilation, n), _axes(layer.stride, n)
    multiplicity = math.prod(map(_overlap, layer.kernel_size, stride, dilation))
    taps = math.prod(layer.kernel_size)
    norms = []
    for kernel in layer.weight.detach().double().chunk(layer.groups):
        whole = [_norm(kernel.flatten(1)) * math.sqrt(multiplicity / taps), _norm(kernel.transpose(0, 1).flatten(1))]
        if n == 2:
            whole += [_norm(kernel.permute(0, 2, 1, 3).flatten(2).flatten(0, 1))]
            whole += [_norm(kernel.permute(0, 3, 1, 2).flatten(2).flatten(0, 1))]
        least = math.sqrt(taps) * min(whole)
        torus = [a + (k - 1) * d for a, k, d in zip(size, layer.kernel_size, dilation, strict=True)]
        if kernel.shape[0] * kernel.shape[1] * math.prod(torus) <= FREQUENCY_WORK:
            spread = torch.zeros(*kernel.shape[:2], *torus, dtype=torch.float64)
            places = [np.arange(k) * d for k, d in zip(layer.kernel_size, dilation, strict=True)]
            spread[np.ix_(*map(np.arange, kernel.shape[:2]), *places)] = kernel
            symbols = torch.fft.rfftn(spread, dim=tuple(range(2, 2 + n))).flatten(2).permute(2, 0, 1)
            least = min(least, float(torch.linalg.matrix_norm(symbols, 2).max()))
        norms.append(least)
    return max(norms)


def _convolution(layer: Any, given: tuple[int, ...], returned: Any) -> float | None:
    # Other paddings repeat places of the input.
    return convolution_norm(layer, given[-len(layer.kernel_size) :]) if layer.padding_mode == "zeros" else None


def _max_pool(layer: Any, given: tuple[int, ...], returned: Any) -> float | None:
    if layer.return_indices:
        return None
    n = _dimensions(layer)
    size, dilation = _axes(layer.kernel_size, n), _axes(layer.dilation, n)
    return math.sqrt(math.prod(map(_overlap, size, _axes(layer.stride, n), dilation)))


def _avg_pool(layer: Any, given: tuple[int, ...], returned: Any) -> float:
    n = _dimensions(layer)
    size = _axes(layer.kernel_size, n)
    m, places = math.prod(map(_overlap, size, _axes(layer.stride, n), (1,) * n)), math.prod(size)
    divisor = getattr(layer, "divisor_override", None)
    if divisor:
        return math.sqrt(m * places) / abs(divisor)
    # Windows that reach over the edge may be the mean of fewer places, of one at least.
    whole = not layer.ceil_mode and (layer.count_include_pad or not any(_axes(layer.padding, n)))
    return math.sqrt(m / places if whole else m)


def _adaptive_avg_pool(layer: Any, given: tuple[int, ...], returned: tuple[int, ...]) -> float | None:
    n = _dimensions(layer)
    ratios = [divmod(a, b) for a, b in zip(given[-n:], returned[-n:], strict=True)]
    return None if any(rest for _, rest in ratios) else 1 / math.sqrt(math.prod(whole for whole, _ in ratios))


def _leaky(layer: Any, given: Any, returned: Any) -> float:
    return max(1.0, abs(layer.negative_slope))


def _elu(layer: Any, given: Any, returned: Any) -> float:
    return max(1.0, abs(layer.alpha))


def _prelu(layer: Any, given: Any, returned: Any) -> float:
    return max(1.0, float(layer.weight.detach().abs().max()))


_RULES: dict[type, Callable[[Any, tuple[int, ...], tuple[int, ...]], float | None]] = {
    nn.Linear: _linear,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _avg_pool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d), _adaptive_avg_pool),
    **{nn.LeakyReLU: _leaky, nn.ELU: _elu, nn.PReLU: _prelu},
}
