"""What the kernel sums are multiplied with: K laws over atoms in groups, and what is known of each point's own atom."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ib_core.arrays import namespace

CHUNK = 256  # atoms of one product: enough for the full speed of a matrix product, few enough to skip where all is far


class Groups(NamedTuple):
    """Consecutive atoms that share a label, under K laws."""

    weights: np.ndarray  # (N, K)
    slices: list[slice]  # of the atoms, in order and complete
    group_of: np.ndarray  # (N,)


def ungrouped(weights: np.ndarray) -> Groups:
    """All N atoms as one group."""
    return Groups(weights, [slice(0, len(weights))], np.zeros(len(weights), dtype=np.int64))


class OwnAtom(NamedTuple):
    """How points see the atoms that they were drawn from, exactly."""

    atom: Any  # (m,) index of that atom
    group: Any  # (m,) index of its group
    offset: Any  # (m,) half the squared distance to its nearest centre, in units of beta
    kernel: Any  # (m,) sum_k exp(offset - |t - s_k|^2 / 2), in [1, n_x]

    def rows(self, index: np.ndarray) -> "OwnAtom":
        """The points with these indices."""
        return OwnAtom(*(field[index] for field in self))

    def value(self, offset: Any) -> Any:
        """(m,) of sum_k exp(offset - |t - s_k|^2 / 2)."""
        return namespace(offset).exp(offset - self.offset) * self.kernel


class Trial(NamedTuple):
    """One way to evaluate totals, of several that are tried in turn."""

    cutoff: float  # in bits, see the kernel that skips by it
    smallest: float  # total that it gives well
    reach: float  # with a nearest centre further than this (in nats), totals are not accurate to 1e-5
    exact: bool = True  # in float64


class Product:
    """Kernel sums times the weights of K laws, over all atoms and over those of the own atom's group."""

    def __init__(self, groups: Groups) -> None:
        self.parts = []  # (group, its slice of at most CHUNK atoms, their weights)
        for group, part in enumerate(groups.slices):
            for first in range(part.start, part.stop, CHUNK):
                atoms = slice(first, min(first + CHUNK, part.stop))
                # Column after column: the product is then up to twice as fast.
                self.parts.append((group, atoms, torch.from_numpy(groups.weights[atoms].T.copy()).T))
        self.n_groups, self.n_laws = len(groups.slices), groups.weights.shape[1]

    def totals(self, sums: torch.Tensor, own: OwnAtom | None, near: np.ndarray | None = None) -> np.ndarray:
        """(2, m, K), or (1, m, K) without own atoms or with one group, from sums (m, at least N).

        Args:
            sums: of the kernel within each atom.
            own: each point's atom.
            near: (tiles, N) whether the sums of a tile of points, all of one height, are not all 0; None is all.
        """
        by_group = sums.new_zeros((self.n_groups, len(sums), self.n_laws))
        for group, atoms, weights in self.parts:
            for rows in [slice(None)] if near is None else _runs(near[:, atoms].max(1), len(sums) // len(near)):
                by_group[group, rows].addmm_(sums[rows, atoms], weights)
        total = by_group.sum(0, keepdim=True) if self.n_groups > 1 else by_group
        if own is not None and self.n_groups > 1:
            m = len(own.group)
            chosen = by_group[torch.from_numpy(own.group), torch.arange(m)]
            total = torch.stack([total[0, :m], chosen])
        return total.numpy()


def _runs(chosen: np.ndarray, height: int) -> list[slice]:
    """The rows of neighbouring tiles that are chosen."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]])))
    return [slice(start * height, end * height) for start, end in ends.reshape(-1, 2)]
