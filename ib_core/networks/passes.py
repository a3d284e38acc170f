"""Noisy passes of every atom through a network: T_0 = X, S_l = f_l(T_{l-1}), T_l = S_l + Z_l."""

from typing import NamedTuple

import numpy as np
import torch

from ib_core.mixture.own_passes import OwnPasses
from ib_core.networks.network import NoisyNetwork
from ib_core.streams import bulk_stream

# Noise streams and matrix products run over fixed blocks of atoms: the bits do not depend on how many atoms there are.
ATOM_BLOCK = 512


class Passes(NamedTuple):
    """Noisy passes of every atom through a network.

    Attributes:
        signals: S_l for l = 1..L, each (N, n_passes, d_l) float32; (N, 1, d_1) for l = 1, a function of X.
        logits: (N, n_passes, classes) float32.
    """

    signals: list[np.ndarray]
    logits: np.ndarray


@torch.no_grad()
def noisy_passes(network: NoisyNetwork, atoms: np.ndarray, n_passes: int, seed: int, purpose: str) -> Passes:
    """Propagate every atom `n_passes` times with independent noise.

    The noise of an atom depends on (seed, purpose, layer, block of atoms) alone, so laws that move the atoms meet the
    same noise as the reference.

    Args:
        network: the trained network.
        atoms: (N, d_0).
        n_passes: noisy passes per atom.
        seed: key of the noise streams.
        purpose: names the family of passes: "stored" and "fresh" are independent.

    Example:
        >>> from ib_core.networks.architectures.mlp import MLP
        >>> network = MLP((12, 4, 3, 2), "tanh", beta=0.1, seed=0)
        >>> passes = noisy_passes(network, np.eye(12), n_passes=5, seed=0, purpose="stored")
        >>> [signals.shape for signals in passes.signals]  # S_1 is a function of X: one pass is enough
        [(12, 1, 4), (12, 5, 3)]
    """
    blocks = [
        _propagate(network, atoms[start : start + ATOM_BLOCK], n_passes, seed, purpose, start // ATOM_BLOCK)
        for start in range(0, len(atoms), ATOM_BLOCK)
    ]
    signals = [np.concatenate(parts) for parts in zip(*(block.signals for block in blocks), strict=True)]
    return Passes(signals, np.concatenate([block.logits for block in blocks]))


def _propagate(
    network: NoisyNetwork,
    atoms: np.ndarray,
    n_passes: int,
    seed: int,
    purpose: str,
    block: int,
    size: int = ATOM_BLOCK,
    layers: int | None = None,
) -> Passes:
    """The passes of one block of atoms through the first `layers` (all by default) hidden layers and the read-out."""
    n = len(atoms)
    padded = np.zeros((size, 1, atoms.shape[1]), np.float32)
    padded[:n, 0] = atoms
    hidden, signals = torch.from_numpy(padded), []
    for layer in range(1, network.hidden + 1):
        signal = network.signal(layer, hidden)
        signals.append(signal[:n].numpy())
        if layer == layers:
            return Passes(signals, np.empty((n, n_passes, 0), np.float32))
        rng = bulk_stream(seed, "passes", purpose, layer, block)
        noise = rng.standard_normal((size, n_passes, signal.shape[-1]), np.float32)
        hidden = signal + network.beta * torch.from_numpy(noise)
    return Passes(signals, network.read_out(hidden)[:n].numpy())


@torch.no_grad()
def own_signals(
    network: NoisyNetwork, atoms: np.ndarray, layer: int, n_passes: int, seed: int, purpose: str = "own"
) -> OwnPasses:
    """Passes of every atom up to one layer, propagated anew whenever a block of them is asked for, with the same bits.

    Those of heavy atoms are keyed by the atom, so that they do not depend on which others are heavy.

    Args:
        network: the trained network.
        atoms: (N, d_0).
        layer: l >= 2, whose signals S_l they are; the first layer needs one pass.
        n_passes: noisy passes of every atom.
        seed: key of the noise streams.
        purpose: names the family of passes, which is independent of every other one.

    Raises:
        ValueError: `layer` is no hidden layer behind the first, or `n_passes` is not positive.
    """
    if not 2 <= layer <= network.hidden:
        raise ValueError(f"layer must be one of the hidden layers 2 to {network.hidden}, got {layer}")
    if n_passes < 1:
        raise ValueError(f"n_passes must be at least 1, got {n_passes}")

    @torch.no_grad()
    def block(first: int, last: int) -> np.ndarray:
        number, rest = divmod(first, ATOM_BLOCK)
        found = _propagate(network, atoms[first - rest : last], n_passes, seed, purpose, number, layers=layer)
        return found.signals[-1][rest:]

    @torch.no_grad()
    def heavy(chosen: np.ndarray, count: int, family: int) -> np.ndarray:
        key = f"{purpose}, heavy {family}"
        parts = [_propagate(network, atoms[k : k + 1], count, seed, key, int(k), size=1, layers=layer) for k in chosen]
        return np.concatenate([part.signals[-1] for part in parts])

    return OwnPasses(n_passes, block, heavy, ATOM_BLOCK)
