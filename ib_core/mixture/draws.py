"""Stratified draws from the atoms of a mixture, with controls whose means are known."""

import numpy as np

from ib_core.mixture.atoms import Atoms
from ib_core.streams import stream

BLOCK_POINTS = 2048  # of one block at least, so that few atoms do not mean many small blocks
HEAVY = 4.0  # an atom with more than so many times the mean weight gets more draws
MOST_CELLS = 2**12  # signals that all become strata: two draws around each are then cheap
SHAPE_BYTES = 2**27  # of the atoms' own covariance matrices, beyond which a control is left out


class Draws:
    """Draws t = s + z around signals s of each atom, in units of beta, block after block.

    A *unit* is one signal of each atom with the noise around it; the signals of an atom come in a random order, all
    of them before one comes again. Where the signals are the channel itself (`sample` is false), every copy of a heavy
    atom is a stratum of its own, and so is every signal of each copy if there are few: a unit is then all of them.
    With more signals than that, the spread between units counts signals as if they came back at random, which errs on
    the safe side. Where the signals are a sample of the channel, a unit averages `repeat` draws and all copies of the
    atom, and there are no more units than signals.

    Antithetic pairs (z, -z) were tried: at equal cost they are worse than independent draws with these controls on
    noisy layers, since a pair uses up two draws on one signal.

    Args:
        atoms: the mixtures.
        signals: (N, passes, d) in units of beta.
        weights: (N, K); atoms without weight in any column are not drawn.
        sample: whether the signals are a sample of the channel, or the channel.
        seed, name: key of the random streams.
        law: (N,) under which the output has the shape that one of the controls follows; equal weights by default. With
            several columns it may not be one of them: each would depend on which others it is evaluated with.
        share: (K,) or one for all: how much a column counts where heavy atoms are given more draws.
    """

    def __init__(
        self,
        atoms: Atoms,
        signals: np.ndarray,
        weights: np.ndarray,
        sample: bool,
        seed: int,
        name: str,
        *,
        law: np.ndarray | None = None,
        share: float | np.ndarray = 1.0,
    ) -> None:
        self.atoms, self.signals, self.key = atoms, signals, (seed, name)
        self.active = np.flatnonzero(weights.any(1))
        n, passes = len(self.active), signals.shape[1]
        largest = (weights[self.active] * share).max(1)
        self.copies = np.maximum(1, (largest * n / HEAVY).astype(int))
        cells = not sample and self.copies.sum() * passes <= MOST_CELLS
        if cells:
            self.copies *= passes
        self.atom = np.repeat(self.active, self.copies)
        self.sample = sample
        self.max_units = passes if sample else None
        self.units = max(1, BLOCK_POINTS // len(self.atom))
        if sample:
            self.units = passes if self.units >= passes else 1
        self.repeat = max(1, BLOCK_POINTS // (len(self.atom) * self.units)) if sample and self.units == passes else 1
        self.points = self.units * self.repeat * len(self.atom)  # in a block
        # Strata of the estimate, with their weights.
        self.stratum_atom = self.active if sample else self.atom
        part = np.ones(n) if sample else np.repeat(1 / self.copies, self.copies)
        self.weights = weights[self.stratum_atom] * part[:, None]
        # What one independent event of a unit weighs, (atoms, K): a draw, or a signal that all draws of the unit share.
        self.shares = weights[self.active] / (1 if sample else self.copies[:, None] * self.repeat)

        rng = stream(*self.key, "order")
        self.order = rng.permutation(passes)
        self.first = rng.integers(passes, size=len(self.atom))
        self.step = 0 if cells else 1  # signals from unit to unit
        if cells:
            self.first = np.arange(len(self.atom)) % passes
        elif sample:
            self.first = np.repeat(self.first[:n], self.copies)
        self._shape_controls(np.full(atoms.n, 1 / atoms.n) if law is None else law)

    def _shape_controls(self, law: np.ndarray) -> None:
        """Precision matrices of the output under a law (N,) and, where they fit into memory, of each atom's."""
        centres, identity = self.atoms.centres, np.eye(self.atoms.d)
        means = centres.mean(1)  # (N, d)
        self.middle = law @ means
        offsets = (centres - self.middle).reshape(-1, self.atoms.d)
        share = np.repeat(law / centres.shape[1], centres.shape[1])
        self.precision = _inverse((share * offsets.T) @ offsets + identity)
        self.own_precision = None
        if centres.shape[1] > 1 and 8 * len(centres) * self.atoms.d**2 <= SHAPE_BYTES:
            offsets = centres - means[:, None]
            spread = offsets.swapaxes(1, 2) @ offsets / centres.shape[1]
            self.own_middle, self.own_precision = means, _inverse(spread + identity)

    def block(self, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (m, d), their atoms (m,) and controls (m, 2 or 3), in order (unit, repeat, copy of an atom)."""
        passes = self.signals.shape[1]
        unit = np.arange(block * self.units, (block + 1) * self.units)
        noise = stream(*self.key, "noise", block).standard_normal(
            (self.units, self.repeat, len(self.atom), self.atoms.d)
        )
        centres = self.signals[self.atom, self.order[(self.first + self.step * unit[:, None]) % passes]]
        centres = np.broadcast_to(centres[:, None], noise.shape).reshape(-1, self.atoms.d)
        noise = noise.reshape(centres.shape)
        atom = np.tile(self.atom, self.units * self.repeat)
        controls = [(np.square(noise).sum(1) - self.atoms.d) / 2]
        stretched = noise @ self.precision
        controls.append(_excess(noise, stretched, centres - self.middle) - np.trace(self.precision) / 2)
        if self.own_precision is not None:
            stretched, size = np.empty_like(noise), max(1, SHAPE_BYTES // self.own_precision[0].nbytes)
            given, wanted = (
                each.reshape(-1, len(self.atom), self.atoms.d).swapaxes(0, 1) for each in (noise, stretched)
            )
            for first in range(0, len(self.atom), size):
                part = slice(first, first + size)
                wanted[part] = given[part] @ self.own_precision[self.atom[part]]
            trace = np.trace(self.own_precision, axis1=1, axis2=2)[atom]
            controls.append(_excess(noise, stretched, centres - self.own_middle[atom]) - trace / 2)
        return centres + noise, atom, np.stack(controls, axis=1)

    def by_unit(self, values: np.ndarray) -> list[np.ndarray]:
        """Values (..., m, K) of a block as one (..., strata, K) for each unit."""
        *before, _, columns = values.shape
        values = values.reshape(*before, self.units, self.repeat, len(self.atom), columns)
        if self.sample:
            values = values.mean(-3, keepdims=True)
            if len(self.atom) > len(self.active):
                starts = np.cumsum(self.copies) - self.copies
                values = np.add.reduceat(values, starts, axis=-2) / self.copies[:, None]
        return [values[..., unit, 0, :, :] for unit in range(self.units)]


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Of positive matrices; where float64 loses what is small beside what is large, the pseudo-inverse."""
    try:
        inverse = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        inverse = np.full_like(matrices, np.nan)
    return inverse if np.isfinite(inverse).all() else np.linalg.pinv(matrices, hermitian=True)


def _excess(noise: np.ndarray, stretched: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """z A (s - mean) + z A z / 2, what noise adds to the Mahalanobis form; its mean is tr(A) / 2."""
    return np.einsum("md,md->m", stretched, offsets + noise / 2)
