"""Stratified draws from the atoms of a mixture, with controls whose means are known."""

from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import namespace, normals, sums_from
from ib_core.mixture.atoms import Atoms
from ib_core.streams import stream

BLOCK_POINTS = 2048  # of one block at least, so that few atoms do not mean many small blocks
DEVICE_POINTS, DEVICE_VALUES = 2**16, 2**21  # on a device, which many points fill, and so many of their values
HEAVY = 4.0  # an atom with more than so many times the mean weight gets more draws
VERY_HEAVY = 128.0
MOST_CELLS = 2**12  # signals that all become strata: two draws around each are then cheap
MATRICES = 2**14  # that are inverted at a time
SHAPE_BYTES = 2**27  # of the atoms' own covariance matrices, beyond which a control is left out


class Chosen(NamedTuple):
    """Which signals the points of one block lie around, and how far from them; in order (unit, repeat, copy).

    On the device of the atoms, where these have one.
    """

    atom: Any  # (m,)
    signal: Any  # (m,) which of the atom's signals
    noise: Any  # (m, d)


class Draws:
    """Draws t = s + z around signals s of each atom, in units of beta, block after block.

    A *unit* is one draw, or the mean of some, from every stratum; a block is some units. The signals of an atom come in
    turn from a random first one on, all of them before one comes again.

    Where the signals are the channel itself (`sampled` is false), every copy of a heavy atom is a stratum of its own,
    and so is every signal of each copy if there are few: a unit is then all of them. With more signals than that, the
    spread between units counts signals as if they came back at random, which errs on the safe side.

    Where the signals are a sample of the channel, a stratum is an atom, no unit sees a signal that another one saw, and
    the spread between units therefore counts the signals' randomness with that of the noise. A unit averages `repeat`
    draws around each of the signals that it sees; heavy atoms show several signals to each unit.

    Antithetic pairs (z, -z) were tried: at equal cost they are worse than independent draws with these controls on
    noisy layers, since a pair uses up two draws on one signal.

    Args:
        atoms: the mixtures; coordinates are theirs.
        signals: (N,) how many there are for each atom, independent and of one law where they are a sample.
        weights: (N, K); atoms without weight in any column are not drawn.
        sampled: whether the signals are a sample of the channel, or the channel.
        seed, name: key of the random streams.
        law: (N,) under which the output has the shape that one of the controls follows; equal weights by default. With
            several columns it may not be one of them: each would depend on which others it is evaluated with.
        share: (K,) or one for all: how much a column counts where heavy atoms are given more draws.
        most_units: as many units as will be drawn at most, which leaves so many signals for each copy of a heavy atom.
    """

    def __init__(
        self,
        atoms: Atoms,
        signals: np.ndarray,
        weights: np.ndarray,
        sampled: bool,
        seed: int,
        name: str,
        *,
        law: np.ndarray | None = None,
        share: float | np.ndarray = 1.0,
        most_units: int = 1,
    ) -> None:
        self.atoms, self.key, self.sampled, self.xp = atoms, (seed, name), sampled, atoms.xp
        self.active = np.flatnonzero(weights.any(1))
        n, signals = len(self.active), signals[self.active]
        largest = (weights[self.active] * share).max(1)
        self.copies = most_seen(largest) if sampled else np.maximum(1, (largest * n / HEAVY).astype(int))
        cells = not sampled and int(self.copies @ signals) <= MOST_CELLS
        if cells:
            self.copies *= signals
        self.atom, self.signals = np.repeat(self.active, self.copies), np.repeat(signals, self.copies)
        copy = np.arange(len(self.atom)) - np.repeat(np.cumsum(self.copies) - self.copies, self.copies)
        rng = stream(*self.key, "order")
        points = BLOCK_POINTS
        if self.xp is not np:
            points = max(points, min(DEVICE_POINTS, DEVICE_VALUES // weights.shape[1]))
        self.units, self.repeat, self.max_units = max(1, points // len(self.atom)), 1, None
        self.seen = np.ones_like(self.copies)  # signals of an atom in each unit
        if sampled:
            self.seen = seen(signals, self.copies, most_units)
            self.max_units = int((signals // self.seen).min())
            self.repeat = max(1, points // (len(self.atom) * self.max_units))
            self.units = min(self.max_units, max(1, self.units // self.repeat))
            self.step = np.repeat(self.seen, self.copies)
            self.first = np.repeat(rng.integers(signals), self.copies) + copy % self.step
        else:
            self.step = np.full(len(self.atom), 0 if cells else 1)
            self.first = copy % self.signals if cells else rng.integers(self.signals)
        self.there = [self.xp.asarray(each) for each in (self.first, self.step, self.signals, self.atom)]
        self.points = self.units * self.repeat * len(self.atom)  # in a block
        # Strata of the estimate, with their weights where the points are.
        self.stratum_atom = self.active if sampled else self.atom
        part = np.ones(n) if sampled else np.repeat(1 / self.copies, self.copies)
        self.weights = self.xp.asarray(weights[self.stratum_atom] * part[:, None])
        # What one independent event of a unit weighs, (atoms, K): a draw, or a signal.
        events = self.seen if sampled else self.copies
        self.shares = weights[self.active] / events[:, None]
        self._shape_controls(np.full(atoms.n, 1 / atoms.n) if law is None else law)

    def _shape_controls(self, law: np.ndarray) -> None:
        """Precision matrices of the output under a law (N,) and, where they fit into memory, of each atom's."""
        centres, xp = self.atoms.there, self.xp
        identity = xp.eye(self.atoms.d)
        means = centres.mean(1)  # (N, d)
        law = xp.asarray(law)
        self.middle = law @ means
        offsets = (centres - self.middle).reshape(-1, self.atoms.d)
        share = xp.repeat(law / centres.shape[1], centres.shape[1])
        self.precision = _inverse((share * offsets.T) @ offsets + identity)
        self.trace = xp.einsum("ii->", self.precision)
        self.own_precision = None
        if centres.shape[1] > 1 and 8 * len(centres) * self.atoms.d**2 <= SHAPE_BYTES:
            offsets = centres - means[:, None]
            spread = offsets.swapaxes(1, 2) @ offsets / centres.shape[1]
            self.own_middle, self.own_precision = means, _inverse(spread + identity)
            self.own_trace = xp.einsum("nii->n", self.own_precision)

    def block(self, block: int) -> Chosen:
        """The points of a block; the last one may have fewer units than others."""
        unit = np.arange(block * self.units, (block + 1) * self.units)
        xp, shape = self.xp, (self.units, self.repeat, len(self.atom), self.atoms.d)
        noise = normals(xp, shape, *self.key, "noise", block)
        if self.max_units is not None:
            unit = unit[unit < self.max_units]
            noise = noise[: len(unit)]
        first, step, signals, atom = self.there
        signal = (first + step * xp.asarray(unit)[:, None]) % signals
        signal = xp.broadcast_to(signal[:, None], noise.shape[:3]).reshape(-1)
        return Chosen(xp.tile(atom, len(unit) * self.repeat), signal, noise.reshape(-1, self.atoms.d))

    def controls(self, chosen: Chosen, centres: Any) -> Any:
        """(m, 2 or 3) for points around centres (m, d); in every stratum and unit each has mean 0."""
        xp, noise, d = self.xp, chosen.noise, self.atoms.d
        controls = [(xp.square(noise).sum(1) - d) / 2]
        stretched = noise @ self.precision
        controls.append(_excess(noise, stretched, centres - self.middle) - self.trace / 2)
        if self.own_precision is not None:
            stretched, size = xp.empty_like(noise), max(1, SHAPE_BYTES // (8 * d * d))
            given, wanted = (each.reshape(-1, len(self.atom), d).swapaxes(0, 1) for each in (noise, stretched))
            for first in range(0, len(self.atom), size):
                part = slice(first, first + size)
                wanted[part] = given[part] @ self.own_precision[self.there[3][part]]
            trace = self.own_trace[chosen.atom]
            controls.append(_excess(noise, stretched, centres - self.own_middle[chosen.atom]) - trace / 2)
        return xp.stack(controls, axis=1)

    def by_unit(self, values: Any) -> list[Any]:
        """Values (..., m, K) of a block as one (..., strata, K) for each unit."""
        *before, _, columns = values.shape
        values = values.reshape(*before, -1, self.repeat, len(self.atom), columns)
        if self.sampled:
            values = values.mean(-3, keepdims=True)
            if len(self.atom) > len(self.active):
                starts = np.cumsum(self.copies) - self.copies
                values = sums_from(values, starts) / self.xp.asarray(self.copies)[:, None]
        return [values[..., unit, 0, :, :] for unit in range(values.shape[-4])]


def most_seen(largest: np.ndarray) -> np.ndarray:
    """How many signals a unit shows at most of atoms (n,) of that weight: more of heavy ones.

    Of very heavy ones as many as they weigh. Their events count most, and draws around few atoms cost little.
    """
    relative = largest * len(largest)
    return np.maximum(1, np.where(relative >= VERY_HEAVY, relative, relative / HEAVY).astype(int))


def seen(signals: np.ndarray, most: np.ndarray, units: int) -> np.ndarray:
    """(n,) how many signals of atoms with so many each unit shows, where there will be so many units."""
    return np.clip(signals // units, 1, most)


def _inverse(matrices: Any) -> Any:
    """Of positive matrices; where float64 loses what is small beside what is large, the pseudo-inverse."""
    xp = namespace(matrices)
    if matrices.ndim == 3 and len(matrices) > MATRICES:
        parts = [matrices[first : first + MATRICES] for first in range(0, len(matrices), MATRICES)]
        return xp.concatenate([_inverse(part) for part in parts])
    try:
        inverse = xp.linalg.inv(matrices)
    except xp.linalg.LinAlgError:
        inverse = xp.full(matrices.shape, np.nan)
    return inverse if xp.isfinite(inverse).all() else xp.linalg.pinv(matrices, hermitian=True)


def _excess(noise: Any, stretched: Any, offsets: Any) -> Any:
    """z A (s - mean) + z A z / 2, what noise adds to the Mahalanobis form; its mean is tr(A) / 2."""
    return namespace(noise).einsum("md,md->m", stretched, offsets + noise / 2)
