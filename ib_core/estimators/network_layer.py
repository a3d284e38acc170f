"""The information of one layer of a network: which passes serve what, and how a layer is measured that is too wide."""

from typing import Any

import numpy as np

from ib_core.estimators.layer_information import LayerInformation
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.wide import informative_directions, wide_information
from ib_core.mixture.own_passes import OwnPasses
from ib_core.mixture.signal_blocks import SignalBlocks
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.networks.passes import own_signals

# Times the target of the reference law, which all changes are held against: of laws on its atoms, whose changes share
# draws with it, and of moved ones.
SHIFTED, MOVED = 3.0, 2.0
WIDE_PASSES = 32  # own passes of a wide layer, at most: its projections need few
DIRECTION_PASSES, DIRECTION_ATOMS = 8, 2048  # that directions are found from


def network_layer_information(
    network: NoisyNetwork,
    layer: int,
    atoms: np.ndarray,
    stored: SignalBlocks,
    *,
    own_passes: int,
    passes_seed: int,
    directions: np.ndarray | None = None,
    **options: Any,
) -> LayerInformation:
    """I(X; T_l) and I(T_l; Y) of a layer of a network, in nats.

    Args:
        network: the layer's.
        layer: l, from 1.
        atoms: (N, d_0).
        stored: the layer's signals of some passes of these atoms, all independent of those of the purposes "own" and
            "directions".
        own_passes: further passes of each atom.
        passes_seed: key of the noise of the network's passes.
        directions: (k, d_l), of a layer that is so wide that a projection has to stand for it, see `layer_directions`;
            None measures it as a whole.
        options: of `layer_information`, or of `wide_information`.
    """
    beta = network.levels[layer - 1]
    wide = directions is not None
    own = further_passes(network, layer, atoms, own_passes, passes_seed, "own", wide, options.get("device"))
    options = {"own": own, "deterministic": layer == 1, **options}
    if directions is None:
        return layer_information(stored.of(0, stored.shape[0]), beta, **options)
    return wide_information(stored, beta, directions, **options)


def layer_directions(
    network: NoisyNetwork, layer: int, atoms: np.ndarray, *, passes_seed: int, seed: int
) -> np.ndarray:
    """Directions (k, d_l) that tell a wide layer's inputs apart, the same for all laws that are measured of it.

    Args:
        network: the layer's.
        layer: l, from 1.
        atoms: (N, d_0) of the reference law.
        passes_seed: key of the noise of the network's passes.
        seed: key of the draws that choose how many there are.
    """
    other = direction_passes(network, layer, atoms, passes_seed)
    return informative_directions(other, network.levels[layer - 1], seed=seed)


def further_passes(
    network: NoisyNetwork,
    layer: int,
    atoms: np.ndarray,
    n_passes: int,
    seed: int,
    purpose: str,
    wide: bool,
    device: str | None = None,
) -> OwnPasses | None:
    """Passes that are independent of those of every other purpose; none in the first layer, which is deterministic."""
    if layer == 1:
        return None
    return own_signals(network, atoms, layer, min(n_passes, WIDE_PASSES) if wide else n_passes, seed, purpose, device)


def passes_by_block(
    network: NoisyNetwork,
    layer: int,
    atoms: np.ndarray,
    n_passes: int,
    seed: int,
    purpose: str,
    device: str | None = None,
) -> SignalBlocks:
    """Passes of some atoms up to a layer, propagated anew whenever a block of them is asked for."""
    made = own_signals(network, atoms, layer, n_passes, seed, purpose, device)
    return SignalBlocks((len(atoms), n_passes, network.widths[layer - 1]), made.of, made.size)


def direction_passes(network: NoisyNetwork, layer: int, atoms: np.ndarray, seed: int) -> SignalBlocks:
    """Passes that directions are found from, of `direction_atoms`, which serve nothing else. In the first layer signals
    are a function of X, and knowing them tells nothing of the noise."""
    passes = 1 if layer == 1 else DIRECTION_PASSES
    return passes_by_block(network, layer, atoms[direction_atoms(len(atoms))], passes, seed, "directions")


def direction_atoms(n: int) -> np.ndarray:
    """Which of n atoms directions are found from."""
    return np.unique(np.linspace(0, n - 1, min(n, DIRECTION_ATOMS)).astype(int))
