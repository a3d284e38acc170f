"""Noisy passes of every atom through a network: T_0 = X, S_l = f_l(T_{l-1}), T_l = S_l + Z_l."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ib_core.arrays import arrays_of, normals
from ib_core.mixture.own_passes import OwnPasses
from ib_core.networks.noisy_network import NoisyNetwork
from ib_core.streams import bulk_stream

# Noise streams and matrix products run over fixed blocks of atoms: the bits do not depend on how many atoms there are.
ATOM_BLOCK = 512
NOISE_BYTES = 2**26  # of one layer in one block, as far as a single atom's are not more


class Passes(NamedTuple):
    """Noisy passes of every atom through a network.

    Attributes:
        signals: S_l for l = 1..L, flattened, each (N, n_passes, d_l) float32; (N, 1, d_1) for l = 1, a function of X.
        logits: (N, n_passes, classes) float32.
    """

    signals: list[np.ndarray]
    logits: np.ndarray


class PassBlock(NamedTuple):
    """The passes of some successive atoms.

    Attributes:
        first: number of the first of them.
        signals, logits: as of `Passes`, of these atoms and the layers that were asked for.
    """

    first: int
    signals: list[np.ndarray]
    logits: np.ndarray


def atom_block(network: NoisyNetwork, n_passes: int, layers: int | None = None) -> int:
    """Atoms that are propagated together: at most 512, and so few that the noise of a layer takes 64 MiB at most.

    It is a function of the passes and the widths alone, and so are the bits.

    Args:
        network: whose layers they pass.
        n_passes: of each atom.
        layers: the first so many of its layers; all by default.
    """
    return block_of(n_passes, network.widths[: layers or network.hidden])


def block_of(n_passes: int, widths: Sequence[int]) -> int:
    """The same of layers of these widths."""
    return min(max(NOISE_BYTES // (4 * n_passes * max(widths)), 1), ATOM_BLOCK)


def noisy_passes(
    network: NoisyNetwork, atoms: np.ndarray, n_passes: int, seed: int, purpose: str, device: str | None = None
) -> Passes:
    """Propagate every atom `n_passes` times with independent noise.

    The noise of an atom depends on (seed, purpose, layer, block of atoms) alone, so laws that move the atoms meet the
    same noise as the reference.

    Args:
        network: the trained network.
        atoms: (N, d_0).
        n_passes: noisy passes per atom.
        seed: key of the noise streams.
        purpose: names the family of passes: "stored" and "fresh" are independent.
        device: where they are propagated, with noise of its own; None is the CPU. They come back from there.

    Example:
        >>> from ib_core.networks.architecture import Spec
        >>> from ib_core.networks.architectures.mlp import build_mlp
        >>> module, layers = build_mlp(Spec((12,), 2, (4, 3), "tanh"), seed=0)
        >>> network = NoisyNetwork(module, layers, (12,), levels=[0.1, 0.1])
        >>> passes = noisy_passes(network, np.eye(12), n_passes=5, seed=0, purpose="stored")
        >>> [signals.shape for signals in passes.signals]  # S_1 is a function of X: one pass is enough
        [(12, 1, 4), (12, 5, 3)]
    """
    n, found = len(atoms), None
    for first, signals, logits in pass_blocks(network, atoms, n_passes, seed, purpose, device):
        if found is None:
            found = Passes(
                [np.empty((n, *part.shape[1:]), np.float32) for part in signals],
                np.empty((n, *logits.shape[1:]), np.float32),
            )
        for whole, part in zip((*found.signals, found.logits), (*signals, logits), strict=True):
            whole[first : first + len(part)] = part
    if found is None:
        raise ValueError(f"atoms must have shape (N, d_0) with N at least 1, got {np.shape(atoms)}")
    return found


def pass_blocks(
    network: NoisyNetwork, atoms: np.ndarray, n_passes: int, seed: int, purpose: str, device: str | None = None
) -> Iterator[PassBlock]:
    """The same passes block by block, so that they are never held together.

    Args:
        network, atoms, n_passes, seed, purpose, device: as of `noisy_passes`.
    """
    size, xp = atom_block(network, n_passes), arrays_of(device)
    if device is not None and xp is not np:
        network = network.on(device)
    for first in range(0, len(atoms), size):
        part = atoms[first : first + size]
        yield PassBlock(first, *_propagate(network, part, n_passes, seed, purpose, first // size, size, xp=xp))


def own_signals(
    network: NoisyNetwork,
    atoms: np.ndarray,
    layer: int,
    n_passes: int,
    seed: int,
    purpose: str = "own",
    device: str | None = None,
) -> OwnPasses:
    """Passes of every atom up to one layer, propagated anew whenever a block of them is asked for, with the same bits.

    Those of heavy atoms are keyed by the atom, so that they do not depend on which others are heavy. On a device the
    passes are made and stay there, with noise of its own.

    Args:
        network: the trained network.
        atoms: (N, d_0).
        layer: l, whose signals S_l they are.
        n_passes: noisy passes of every atom; 1 for the first layer, whose signals are a function of X.
        seed: key of the noise streams.
        purpose: names the family of passes, which is independent of every other one.
        device: where they are made; None is the CPU.

    Raises:
        ValueError: `layer` is no hidden layer, or `n_passes` is not positive, or not 1 for the first layer.
    """
    if not 1 <= layer <= network.hidden:
        raise ValueError(f"layer must be one of the hidden layers 1 to {network.hidden}, got {layer}")
    if n_passes < 1 or (layer == 1 and n_passes > 1):
        raise ValueError(f"n_passes must be at least 1, and 1 for the first layer, got {n_passes} for layer {layer}")
    size, xp = atom_block(network, n_passes, layer), arrays_of(device)
    if device is not None and xp is not np:
        network = network.on(device)

    def block(first: int, last: int) -> Any:
        number, rest = divmod(first, size)
        found = _propagate(network, atoms[first - rest : last], n_passes, seed, purpose, number, size, layer, xp)
        return found.signals[-1][rest:]

    def heavy(chosen: np.ndarray, count: int, family: int) -> Any:
        key, most = f"{purpose}, heavy {family}", max(NOISE_BYTES // (4 * max(network.widths[:layer])), 1)
        found = xp.empty((len(chosen), count, network.widths[layer - 1]), dtype=xp.float32)
        for row, k in enumerate(chosen):
            for piece, first in enumerate(range(0, count, most)):
                some = min(most, count - first)
                part = _propagate(network, atoms[k : k + 1], some, seed, f"{key}, {piece}", int(k), 1, layer, xp)
                found[row, first : first + some] = part.signals[-1][0]
        return found

    return OwnPasses(n_passes, block, heavy, size)


class _Reached(BaseException):
    """Ends a pass behind the last layer that is wanted; no error that a module might handle."""


@torch.no_grad()
def _propagate(
    network: NoisyNetwork,
    atoms: np.ndarray,
    n_passes: int,
    seed: int,
    purpose: str,
    block: int,
    size: int,
    layers: int | None = None,
    xp: Any = np,
) -> Passes:
    """The passes of one block of atoms through the first `layers` (all by default) hidden layers and the read-out.

    Signals are on the host; where `xp` is that of a device they stay there.
    """
    n, signals = len(atoms), list[Any]()
    padded = np.zeros((size, int(np.prod(network.input_shape))), np.float32)
    padded[:n] = atoms.reshape(n, -1)
    # What passes the first layer by is needed once for every pass.
    repeated = 1 if network.grows else n_passes
    x = torch.from_numpy(padded).repeat_interleave(repeated, 0)

    def noisy(layer: int, signal: Tensor) -> Tensor:
        passes = repeated if layer == 1 else n_passes
        flat = signal.reshape(size, passes, -1)
        kept = flat[:n, :1] if layer == 1 else flat[:n]
        if layer == layers:
            signals.append(kept.float().cpu().numpy().copy() if xp is np else kept.float().clone())
            raise _Reached
        if layers is None:
            signals.append(kept.float().cpu().numpy().copy())
        shape, key = (size, n_passes, flat.shape[-1]), ("passes", purpose, layer, block)
        if xp is np:
            noise = torch.from_numpy(bulk_stream(seed, *key).standard_normal(shape, np.float32)).to(flat)
        else:
            noise = normals(xp, shape, seed, *key).to(flat)
        noise.mul_(network.levels[layer - 1]).add_(flat)
        return noise.reshape(size * n_passes, *signal.shape[1:])

    try:
        logits = network.propagate(x, noisy)
    except _Reached:
        return Passes(signals, np.empty((n, n_passes, 0), np.float32))
    return Passes(signals, logits.reshape(size, n_passes, -1)[:n].float().cpu().numpy())
