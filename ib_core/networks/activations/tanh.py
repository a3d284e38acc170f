"""The hyperbolic tangent."""

import torch

from ib_core.networks.activation import Activation

tanh = Activation(torch.tanh, half_width=1.0)
