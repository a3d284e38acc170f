"""No activation: the layer is affine."""

from torch import Tensor

from ib_core.networks.activation import Activation


def _identity(x: Tensor) -> Tensor:
    return x


linear = Activation(_identity, half_width=None)
