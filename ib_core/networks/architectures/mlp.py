"""The multilayer perceptron: S_l = activation(W_l T_{l-1} + b_l)."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.networks.activation import ACTIVATIONS
from ib_core.networks.network import Architecture, NoisyNetwork
from ib_core.streams import stream


class MLP(NoisyNetwork):
    """A multilayer perceptron with Gaussian noise after every hidden activation and none after the read-out.

    Args:
        widths: (d_0, d_1, ..., d_L, classes): input, hidden layers, read-out.
        activation: name of one, see `ib_core.networks.activation`.
        beta: standard deviation of the noise.
        seed: seed of the initial weights.

    Example:
        >>> network = MLP((12, 4, 3, 2), "tanh", beta=0.1, seed=0)
        >>> network(torch.zeros(5, 12), torch.Generator().manual_seed(0)).shape
        torch.Size([5, 2])
    """

    def __init__(self, widths: Sequence[int], activation: str, beta: float, seed: int) -> None:
        super().__init__(len(widths) - 2, beta)
        self.activation = ACTIVATIONS.find(activation).apply
        linears = [nn.Linear(a, b) for a, b in pairwise(widths)]
        self.layers = nn.ModuleList(linears)
        rng = stream(seed, "weights")
        with torch.no_grad():
            for layer in linears:
                bound = math.sqrt(6 / (layer.in_features + layer.out_features))  # Glorot and Bengio 2010
                layer.weight.copy_(torch.from_numpy(rng.uniform(-bound, bound, layer.weight.shape)))
                layer.bias.zero_()

    def signal(self, layer: int, below: Tensor) -> Tensor:
        return self.activation(self.layers[layer - 1](below))

    def read_out(self, top: Tensor) -> Tensor:
        return self.layers[-1](top)

    def lipschitz(self) -> list[float]:
        """A Lipschitz constant of X -> S_l for each hidden layer: products of spectral norms (activations have 1)."""
        weights = [weight.detach().double() for name, weight in self.named_parameters() if name.endswith("weight")]
        return list(np.cumprod([float(torch.linalg.matrix_norm(weight, 2)) for weight in weights[:-1]]))


mlp = Architecture(MLP, "affine maps, each with the activation behind it", bounded=True)
