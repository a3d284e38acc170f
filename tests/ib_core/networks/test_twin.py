import numpy as np
import pytest
import torch

from ib_core.networks import twin
from ib_core.networks.architecture import Spec
from ib_core.networks.architectures.mlp import build_mlp
from ib_core.networks.noisy_network import NoisyNetwork


@pytest.mark.parametrize("block", [64, 2**26])
def test_no_layer_of_the_twin_is_noised(monkeypatch, block):
    monkeypatch.setattr(twin, "BLOCK_BYTES", block)
    module, layers = build_mlp(Spec((12,), 2, (5, 3), "tanh"), seed=1)
    network = NoisyNetwork(module, layers, (12,), levels=[0.5, 0.5])
    atoms = np.random.default_rng(0).normal(size=(23, 12))
    affine = [each for each in module.modules() if isinstance(each, torch.nn.Linear)]
    expected = atoms
    for layer, (map_, width) in enumerate(zip(affine, (5, 3), strict=False), start=1):
        expected = np.tanh(expected @ map_.weight.detach().double().numpy().T + map_.bias.detach().double().numpy())
        found = twin.clean_signals(network, atoms, layer)
        assert found.shape == (23, width) and found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)
