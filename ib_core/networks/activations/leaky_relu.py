"""The leaky rectifier max(x, .01 x)."""

from torch.nn.functional import leaky_relu as leaky

from ib_core.networks.activation import Activation

leaky_relu = Activation(leaky, half_width=None)
