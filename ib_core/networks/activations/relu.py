"""The rectifier max(0, x)."""

import torch

from ib_core.networks.activation import Activation

relu = Activation(torch.relu, half_width=None)
