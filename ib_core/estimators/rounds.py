"""Points of one round of draws, held against the own passes of their atoms as those are made, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import argsort, host, namespace
from ib_core.estimators.layer import Layer
from ib_core.mixture.own_passes import OwnPasses, blocks, log_mixture
from ib_core.sampling.draws import Chosen


class Met(NamedTuple):
    """Own passes of some atoms.

    Attributes:
        part: which of the caller's atoms; those of heavy atoms once more, behind all of them.
        atoms: (b,) the same atoms in the order of the layer.
        signals: (b, n_own, d) in units of beta.
        heavy: whether they are the further passes of heavy atoms.
    """

    part: slice
    atoms: np.ndarray
    signals: Any
    heavy: bool


def met(layer: Layer, own: OwnPasses) -> Iterator[Met]:
    """All own passes, made anew and forgotten block by block; those of heavy atoms last."""
    atoms, heavy, xp = layer.atoms, layer.heavy, layer.atoms.xp
    place = np.argsort(layer.order)  # where each of the caller's atoms stands
    for part, given in blocks(own, atoms.n, atoms.d, xp=xp):
        yield Met(part, place[part], atoms.scaled(given), False)
    if heavy is not None:
        part = slice(atoms.n, atoms.n + len(heavy.own))
        yield Met(part, np.flatnonzero(heavy.place >= 0), heavy.own, True)


@dataclass
class Round:
    """The points of one family in one round: where their centres are, and what their own passes say of them."""

    chosen: list[Chosen]
    offsets: np.ndarray  # (N,) which of an atom's own passes is its first one here
    around_own: bool  # the centres are own passes, which are not known yet

    def __post_init__(self) -> None:
        xp = self.xp = namespace(self.chosen[0].noise)
        self.atom = xp.concatenate([block.atom for block in self.chosen])
        self.signal = xp.concatenate([block.signal for block in self.chosen])
        if self.around_own:
            self.signal = self.signal + xp.asarray(self.offsets)[self.atom]
        self.log_own = xp.empty(len(self.atom))

    def place(self, layer: Layer) -> None:
        """Set the centres, if they are pooled passes, and sort the points by the caller's atoms, heavy ones last."""
        heavy, atoms, xp = layer.heavy, layer.atoms, self.xp
        place = xp.asarray(np.full(atoms.n, -1) if heavy is None else heavy.place)[self.atom]
        self.points = xp.concatenate([block.noise for block in self.chosen])
        self.centres = xp.empty_like(self.points)
        if not self.around_own:
            light = xp.flatnonzero(place < 0)
            self.centres[light] = atoms.there[self.atom[light], self.signal[light]]
            if heavy is not None:
                at = xp.flatnonzero(place >= 0)
                self.centres[at] = heavy.pooled[place[at], self.signal[at]]
            self.points += self.centres
        outer = xp.where(place >= 0, atoms.n + place, xp.asarray(layer.order)[self.atom])
        self.sorted = argsort(outer)
        self.outer = outer[self.sorted]
        self.ends = host(self.outer)  # sorted, for the places of each block of own passes

    def meet(self, part: slice, signals: Any) -> None:
        """Hold the points of some atoms against their own passes (atoms, n_own, d)."""
        found = slice(*np.searchsorted(self.ends, [part.start, part.stop]).tolist())
        rows, within = self.sorted[found], self.outer[found] - part.start
        if self.around_own:
            self.centres[rows] = signals[within, self.signal[rows]]
            self.points[rows] += self.centres[rows]
        self.log_own[rows] = log_mixture(self.points[rows], within, signals)

    def pieces(self) -> list[slice]:
        """The points of each block."""
        ends = np.cumsum([0, *(len(block.atom) for block in self.chosen)])
        return [slice(a, b) for a, b in pairwise(ends)]
