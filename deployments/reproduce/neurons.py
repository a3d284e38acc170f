"""One or two neurons on a few inputs, after Goldfeld et al. (arXiv:1810.05728): the last one is the output."""

import numpy as np
import torch
from torch import Tensor, nn


def four_points():
    """X uniform on -3, -1, 1, 3 with targets -1, -1, -1, 1; all are trained on and measured."""
    return {"x": np.array([[-3.0], [-1.0], [1.0], [3.0]]), "y": np.array([0, 0, 0, 1]), "train": np.ones(4, bool)}


def eight_points():
    """X uniform on 1, ..., 8 with targets 0 for the first four and 1/4 for the others."""
    return {"x": np.arange(1.0, 9.0)[:, None], "y": np.repeat([0, 1], 4), "train": np.ones(8, bool)}


class Neuron(nn.Linear):
    """w x + b of one unit, from given w and b on."""

    def __init__(self, weight: float, bias: float) -> None:
        super().__init__(1, 1)
        with torch.no_grad():
            self.weight.fill_(weight)
            self.bias.fill_(bias)


class Signed(nn.Module):
    """The logits (-u, u) with u = (t - middle) / half: their squared loss to targets -1 and 1 is that of t to the two
    values middle -+ half, over half^2."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.middle, self.half = (low + high) / 2, (high - low) / 2

    def forward(self, t: Tensor) -> Tensor:
        u = (t - self.middle) / self.half
        return torch.cat([-u, u], dim=1)


def one_neuron() -> nn.Sequential:
    """T = tanh(w x + b) + Z from w = b = 0."""
    return nn.Sequential(Neuron(0.0, 0.0), nn.Tanh(), Signed(-1.0, 1.0))


def two_neurons() -> nn.Sequential:
    """Two leaky ReLUs of slope .1 in a row, from w_1 = 0, b_1 = 4.5, w_2 = -1, b_2 = 0."""
    leaky = [nn.LeakyReLU(0.1), nn.LeakyReLU(0.1)]
    return nn.Sequential(Neuron(0.0, 4.5), leaky[0], Neuron(-1.0, 0.0), leaky[1], Signed(0.0, 0.25))
