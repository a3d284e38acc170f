"""A layer under many laws: its pooled passes, atoms of much weight apart, and densities at points of known atoms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import host
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.density import log_totals
from ib_core.mixture.kernels.groups import Groups
from ib_core.mixture.order import spatial_order
from ib_core.mixture.own_passes import OwnPasses, heavy_passes, log_mixture
from ib_core.sampling.draws import Draws, most_seen, seen
from ib_core.sampling.until import LEAST_SHARE, Sampler, planned_units

# Atoms of at least so many times the mean weight, or all where they are few, get more passes: their events count most.
HEAVY, MOST_HEAVY, HEAVY_PASSES, MOST_HEAVY_PASSES = 4.0, 64, 2**15, 4096
MOST_APART = (
    32.0  # an atom that is lighter by more than this than the heaviest is not one of them: its events are small
)

FIRST = 0.6  # of a variance that was measured without controls: what they may leave of it


class Logs(NamedTuple):
    """Log-densities at points, less one constant, of the pooled passes."""

    own: Any  # (m,) ln B_i of the own atom
    total: Any  # (m, K) ln sum_j w_j B_j
    label: Any  # (m, K) likewise of the own label's atoms, over the label's weight; None without labels


class Heavy(NamedTuple):
    """Atoms of much weight, which have pooled and own passes of another number than all others, in units of beta.

    Attributes:
        place: (N,) where among them an atom stands, -1 for others.
        pooled, own: (h, n, d) signals, independent of each other; on the device, where there is one.
    """

    place: np.ndarray
    pooled: Any
    own: Any


class Pool(NamedTuple):
    """What the sum over all atoms runs over: their pooled passes in parts of equal size, one for each light atom.

    Attributes:
        atoms: the mixtures of the parts.
        groups: their labels and weights.
        part: (N,) the part of an atom, for a heavy one the first of its parts.
    """

    atoms: Atoms
    groups: Groups
    part: np.ndarray


class There(NamedTuple):
    """What the densities at points of known atoms take, where these points are."""

    laws: Any  # (N, K)
    # (N, K) whether a density counts: where the own atom has weight in the law, and under the first one everywhere, as
    # others are held against it. Elsewhere it may lie so deep in a tail that only the slow exact way could give it.
    counts: Any
    part: Any  # (N,) of the pool
    pool_group: Any  # (parts,)
    group: Any  # (N,)
    log_law: Any  # (N, K) ln P(Y) of each atom's label
    place: Any  # (N,) among heavy atoms, -1 for others


@dataclass(frozen=True)
class Layer:
    """The densities of one layer under all laws, at points that come from a known atom; atoms in the order of `atoms`.

    Attributes:
        atoms: the pooled passes.
        laws: (N, K).
        groups: atoms of one label, under all laws.
        order: (N,) which of the caller's atoms each one is.
        labelled: whether labels were given.
        targets: (K,) standard errors to reach.
        max_draws: most points for each end.
        pointwise_draws: least draws of each atom for the upper end.
        seed: key of the draws.
        proven: whether lower ends must be bounded variables without controls.
        device: where torch computes.
        pool: what the kernel sums over.
        heavy: atoms of much weight, where they have further passes.
    """

    atoms: Atoms
    laws: np.ndarray
    groups: Groups
    order: np.ndarray
    labelled: bool
    targets: np.ndarray
    max_draws: int
    pointwise_draws: int
    seed: int
    proven: bool
    device: str | None
    pool: Pool
    heavy: Heavy | None = None

    @cached_property
    def entropies(self) -> np.ndarray:
        """(K,) of H(X)."""
        laws, xp = self.there.laws, self.atoms.xp
        return host(abs((laws * xp.log(xp.where(laws > 0, laws, 1.0))).sum(0)))

    @property
    def label_laws(self) -> np.ndarray:
        """(C, K) of P(Y)."""
        return np.stack([self.laws[part].sum(0) for part in self.groups.slices])

    @property
    def label_entropies(self) -> np.ndarray:
        """(K,) of H(Y)."""
        laws = self.label_laws
        return -np.sum(laws * np.log(np.where(laws > 0, laws, 1.0)), axis=0)

    def with_heavy(self, own: OwnPasses) -> "Layer":
        """The same with passes of their own number for atoms of much weight."""
        largest = self.laws.max(1)
        few = (largest > 0).sum() <= MOST_HEAVY
        relative = largest * (largest > 0).sum()
        chosen = np.flatnonzero(relative >= (0.0 if few else max(HEAVY, relative.max() / MOST_APART)))
        chosen = chosen[largest[chosen] > 0]
        chosen = np.sort(chosen[np.argsort(-largest[chosen], kind="stable")][:MOST_HEAVY])
        n_passes = min(HEAVY_PASSES // max(len(chosen), 1), MOST_HEAVY_PASSES)
        if not len(chosen) or own.n_passes < 2 * self.atoms.n_passes:
            return self
        size = self.atoms.n_passes
        xp, count = self.atoms.xp, -(-n_passes // size) * size
        pooled, further = heavy_passes(own, self.order[chosen], count, self.atoms.n, self.atoms.d, xp)
        pooled = pooled[:, : pooled.shape[1] // size * size]
        place = np.full(self.atoms.n, -1)
        place[chosen] = np.arange(len(chosen))
        heavy = Heavy(place, self.atoms.scaled(pooled), self.atoms.scaled(further))
        return replace(self, heavy=heavy, pool=self._pool(heavy))

    def _pool(self, heavy: Heavy) -> Pool:
        """Parts of `n_passes` passes each: one for a light atom, several for a heavy one, which share its weight."""
        n, size, d = self.atoms.centres.shape
        light, members = np.flatnonzero(heavy.place < 0), np.flatnonzero(heavy.place >= 0)
        parts = heavy.pooled.shape[1] // size
        owner = np.concatenate([light, np.repeat(members, parts)])
        share = np.concatenate([np.ones(len(light)), np.full(len(members) * parts, 1 / parts)])
        centres = np.concatenate([self.atoms.centres[light], host(heavy.pooled).reshape(-1, size, d)])
        group_of = self.groups.group_of[owner]
        order = spatial_order(centres.mean(1), group_of)
        owner, group_of = owner[order], group_of[order]
        bounds = np.searchsorted(group_of, np.arange(len(self.groups.slices) + 1))
        slices = [slice(a, b) for a, b in pairwise(bounds)]
        atoms = Atoms(self.atoms.unscaled(centres[order]), self.atoms.beta, device=self.device)
        part = np.empty(n, int)
        part[owner] = np.arange(len(owner))
        return Pool(atoms, Groups(self.laws[owner] * share[order][:, None], slices, group_of), part)

    def passes_of(self, pooled: int, heavy: Any) -> np.ndarray:
        """(N,) of the number of passes of every atom: `pooled`, or that of the family (h, n, d) for heavy ones."""
        counts = np.full(self.atoms.n, pooled)
        if self.heavy is not None and heavy is not None:
            counts[self.heavy.place >= 0] = heavy.shape[1]
        return counts

    @cached_property
    def there(self) -> There:
        """What densities at points take, on the device, where there is one."""
        xp, law = self.atoms.xp, self.label_laws
        # A class without weight has no density; its draws count for nothing.
        log_law = np.log(np.where(law > 0, law, 1.0))
        place = np.full(self.atoms.n, -1) if self.heavy is None else self.heavy.place
        given = self.laws, self.pool.part, self.pool.groups.group_of, self.groups.group_of, log_law, place
        laws, part, pool_group, group, log_law, place = (xp.asarray(each) for each in given)
        counts = laws > 0
        counts[:, 0] = True
        return There(laws, counts, part, pool_group, group, log_law[group], place)

    def logs(self, points: Any, atom: Any) -> Logs:
        """At points (m, d) of the atoms (m,)."""
        pool, passes, there, xp = self.pool, math.log(self.atoms.n_passes), self.there, self.atoms.xp
        at, part = points, there.part[atom]
        if self.heavy is not None:  # the pool has an origin of its own
            at = pool.atoms.scaled(self.atoms.unscaled(points))
        own = pool.atoms.own(at, part, there.pool_group[part])
        logs = log_totals(pool.atoms, at, pool.groups, own, there.counts[atom]) - passes
        log_own = xp.log(own.kernel) - own.offset - passes
        if self.heavy is not None:
            place = there.place[atom]
            heavy = xp.flatnonzero(place >= 0)
            log_own[heavy] = log_mixture(points[heavy], place[heavy], self.heavy.pooled)
        label = None
        if self.labelled:
            label = logs[-1] - there.log_law[atom]
            label = xp.where(xp.isfinite(label), label, logs[0])
        return Logs(log_own, logs[0], label)

    @property
    def share(self) -> np.ndarray:
        """(K,) how much a law counts where heavy atoms are given more draws."""
        return self.targets.min() / self.targets

    def most_units(self, passes: np.ndarray, least: int) -> int:
        """How many draws of every atom there may be around passes (N,)."""
        active = self.laws.any(1)
        return min(max(int(self.max_draws // active.sum()), least), int(passes[active].min()))

    def seen(self, passes: np.ndarray, least: int) -> np.ndarray:
        """(N,) around how many of its passes (N,) an atom is drawn for one draw of others, at least."""
        most = most_seen((self.laws * self.share).max(1))
        return np.maximum(seen(passes, most, self.most_units(passes, least)), 1)

    def sampler(
        self,
        name: str,
        passes: np.ndarray,
        variables: int,
        *,
        sampled: bool = True,
        variance: np.ndarray | None = None,
        least: int = 2,
        lower: Sequence[int] | slice = (),
        width: float = 1.0,
        besides: np.ndarray | None = None,
    ) -> Sampler:
        """Draws of that name around passes (N,) of each atom, for variables of which the first ones are judged.

        The rows `lower` are lower ends; `width` is what errors are widened by. Where the `variance` that one unit
        leaves is known, hardly more units than it asks for will be drawn. See `Sampler`.
        """
        share, targets = self.share, self.targets / width
        active = self.laws.any(1)
        most_units = self.most_units(passes, least)
        if variance is not None and sampled:
            allowed = np.square(targets)
            if besides is not None:
                allowed = np.maximum(allowed - np.square(besides).max(0), allowed * LEAST_SHARE)
            units = range(min(least, most_units), most_units + 1)
            allowed = np.sqrt(allowed)
            laws, xp = self.laws[active], self.atoms.xp
            most_units = planned_units(laws, passes[active], allowed, share, variance, units, xp)
            variance = FIRST * variance
        draws = Draws(self.atoms, passes, self.laws, sampled, self.seed, name, share=share, most_units=most_units)
        options: dict[str, Any] = {"variance": variance, "least": least, "lower": lower, "besides": besides}
        return Sampler(draws, 1, variables, targets, self.max_draws, **options)
