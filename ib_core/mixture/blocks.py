"""Centres as the loops on a CPU read them: in blocks of neighbours, each about its own middle."""

import numpy as np

BLOCK = 128  # neighbouring atoms of one inner loop, skipped together
DEPTH = 32  # coordinates of one product; several such, summed, err less than one over all
MANY = 0.75  # share of lanes in use from which lanes are passes
STEP = 4  # coordinates of one turn of the loop over differences
FAR = 1e15  # of lanes that hold no centre
# From this coordinate on (in units of the kernel, from the middle of a block) differences need float64.
FLOAT32_REACH = 16.0
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
        chunks = -(-d // DEPTH)
        self.depth = -(-d // chunks)
        width = chunks * self.depth  # coordinates beyond d are 0
        self.low, self.high, self.origins = np.zeros((3, self.turns, self.blocks, width))
        for k in range(self.turns):
            lanes = self._lanes(centres, k)
            self.low[k, :, :d] = np.fmin.reduce(lanes, axis=2)
            self.high[k, :, :d] = np.fmax.reduce(lanes, axis=2)
        nothing = np.isnan(self.low)
        self.low[nothing] = self.high[nothing] = FAR
        self.origins[:] = (self.low + self.high) / 2
        if dtype is None:
            dtype = np.float32 if np.max(self.high - self.low) / 2 <= FLOAT32_REACH else np.float64
        self.radii = np.empty((self.turns, self.blocks))
        self.norms = np.empty((self.turns, self.blocks, BLOCK), dtype)
        stored = width if d < STEP else -(-width // STEP) * STEP
        self.centres = np.zeros((self.turns, self.blocks, stored, BLOCK), dtype)
        for k in range(self.turns):
            offsets = self._lanes(centres, k) - self.origins[k, :, :d, None]
            squares = np.square(offsets).sum(1)
            self.radii[k] = np.sqrt(np.fmax.reduce(squares, axis=1, initial=0.0))
            self.norms[k] = np.where(np.isnan(squares), FAR**2, squares)
            self.centres[k, :, :d] = np.where(np.isnan(offsets), FAR, offsets)
        self.low, self.high = self.low.astype(np.float32), self.high.astype(np.float32)

    def _lanes(self, centres: np.ndarray, turn: int) -> np.ndarray:
        """Centres (blocks, d, BLOCK) of one turn in the units of the kernel, NaN in lanes without one."""
        n, passes, d = centres.shape
        lanes = np.full((self.blocks, BLOCK, d), np.nan)
        if self.by_atom:
            atom, part = divmod(turn, self.parts)
            length = -(-passes // self.parts)
            found = centres[atom::BLOCK, part * length : (part + 1) * length]
            lanes[: len(found), : found.shape[1]] = found
        else:
            lanes.reshape(-1, d)[:n] = centres[:, turn]
        return (lanes * EXP2_UNIT).swapaxes(1, 2)
