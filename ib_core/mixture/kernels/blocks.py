"""Centres as the loops on a CPU read them: in blocks of neighbours, each about its own middle."""

from collections.abc import Iterator

import numpy as np

from ib_core.mixture.kernels.numba_loops import BLOCK, DEPTH, STEP, WHOLE, Turns

MANY = 0.75  # share of lanes in use from which lanes are passes
FAR = 1e15  # of lanes that hold no centre
# From this coordinate on (in units of the kernel, from the middle of a block) differences need float64.
FLOAT32_REACH = 16.0
OUTWARDS = 2.0**-22  # of a corner's coordinates; float32 rounds by 2^-24
EXP2_UNIT = np.sqrt(0.5 * np.log2(np.e))  # |x|^2 / 2 in nats = |EXP2_UNIT x|^2 in bits


class Blocks:
    """Centres in blocks of BLOCK lanes, each about its own middle; a block has some turns, one after the other.

    With few passes a lane is an atom and a turn a pass. With many a turn is one atom (or a part of its passes) and a
    lane a pass: the passes of an atom lie near each other, so that more can be skipped, and less digits are needed.

    Args:
        centres: (N, n_x, d) float64, in units of beta.
        dtype: of the blocked centres; None takes float32 where it gives differences their digits, else float64.
    """

    def __init__(self, centres: np.ndarray, dtype: type | None) -> None:
        n, passes, d = centres.shape
        self.blocks = -(-n // BLOCK)
        self.parts = -(-passes // BLOCK)
        self.by_atom = passes >= MANY * self.parts * BLOCK
        self.turns = BLOCK * self.parts if self.by_atom else passes
        self.atoms = np.arange(self.turns) // self.parts  # of a block, by turn, where lanes are passes
        self.stored = d if d < WHOLE else -(-d // STEP) * STEP  # coordinates beyond d are 0
        self.low, self.high, self.origins = np.zeros((3, self.turns, self.blocks, d))
        self.radii = np.empty((self.turns, self.blocks))
        self._fill(centres, np.float32 if dtype is None else dtype)
        if dtype is None and np.max(self.high - self.low) / 2 > FLOAT32_REACH:
            self._fill(centres, np.float64)
        # Outwards, by what the rounding of a corner and of a point near it comes to.
        self.low = (self.low - OUTWARDS * np.abs(self.low)).astype(np.float32)
        self.high = (self.high + OUTWARDS * np.abs(self.high)).astype(np.float32)

    def parts_of(self, size: int) -> Iterator[Turns]:
        """So many turns at a time."""
        fields = self.low, self.high, self.origins, self.radii, self.atoms, self.centres, self.norms
        for first in range(0, self.turns, size):
            yield Turns(*(field[first : first + size] for field in fields))

    def _fill(self, centres: np.ndarray, dtype: type) -> None:
        """Everything that has turns."""
        d = centres.shape[2]
        self.norms = np.empty((self.turns, self.blocks, BLOCK), dtype)
        self.centres = np.zeros((self.turns, self.blocks, self.stored, BLOCK), dtype)
        for k in range(self.turns):
            lanes, empty = self._lanes(centres, k)
            low, high = lanes.min(2), lanes.max(2)
            origin = (low + high) / 2
            self.low[k], self.high[k], self.origins[k] = low, high, origin
            lanes -= origin[:, :, None]
            parts = [lanes[:, first : first + DEPTH] for first in range(0, d, DEPTH)]
            squares = sum(np.einsum("bdj,bdj->bj", part, part) for part in parts)
            self.radii[k] = np.sqrt(squares.max(1))
            self.norms[k], self.centres[k, :, :d] = squares, lanes
            if empty.any():
                self.norms[k][empty] = FAR**2
                self.centres[k, :, :d].swapaxes(1, 2)[empty] = FAR

    def _lanes(self, centres: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
        """Centres (blocks, d, BLOCK) of one turn in the units of the kernel, and (blocks, BLOCK) where there is none.

        A block that is not full repeats a centre of its own; one without any is far from everything.
        """
        n, passes, d = centres.shape
        lanes, empty = np.full((self.blocks, d, BLOCK), FAR), np.ones((self.blocks, BLOCK), np.bool_)
        if self.by_atom:
            atom, part = divmod(turn, self.parts)
            length = -(-passes // self.parts)
            found = centres[atom::BLOCK, part * length : (part + 1) * length].swapaxes(1, 2)
            lanes[: len(found), :, : found.shape[2]] = found
            lanes[: len(found), :, found.shape[2] :] = found[:, :, :1]
            empty[: len(found), : found.shape[2]] = False
        else:
            whole, rest = divmod(n, BLOCK)
            lanes[:whole] = centres[: n - rest, turn].reshape(whole, BLOCK, d).swapaxes(1, 2)
            empty.reshape(-1)[:n] = False
            if rest:
                lanes[whole] = centres[n - rest, turn][:, None]
                lanes[whole, :, :rest] = centres[n - rest :, turn].T
        lanes *= EXP2_UNIT
        return lanes, empty
