"""How far the outputs of a submodule reach."""

from torch import nn

from ib_core.networks.activation import ActivationLayer

# Softmax and what else lies in [0, 1] has half-width .5, wherever the middle of its interval is.
_BOUNDED = {nn.Tanh: 1.0, nn.Softsign: 1.0, nn.Sigmoid: 0.5, nn.Hardsigmoid: 0.5, nn.Softmax: 0.5, nn.ReLU6: 3.0}
# Their outputs are among their inputs.
_UNCHANGED = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)


def half_width(module: nn.Module) -> float | None:
    """Every output lies in an interval of twice this length, whatever the input is; None where that is not known."""
    if any(each._forward_hooks or "forward" in vars(each) for each in module.modules()):
        return None  # hooks and methods of a user's own may do anything
    if type(module) is nn.Sequential:
        behind = [each for each in module if type(each) not in _UNCHANGED]
        return half_width(behind[-1]) if behind else None
    if isinstance(module, ActivationLayer):
        return module.activation.half_width
    if type(module) is nn.Hardtanh:
        return (module.max_val - module.min_val) / 2
    return _BOUNDED.get(type(module))  # a class derived from these may do anything
