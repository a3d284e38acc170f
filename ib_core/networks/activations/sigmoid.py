"""The logistic function 1 / (1 + exp(-x)), between 0 and 1."""

import torch

from ib_core.networks.activation import Activation

sigmoid = Activation(torch.sigmoid, half_width=0.5, lipschitz=0.25)
