"""Very many cheap draws that both ends share: the means of what a coarse mixture says at points of own passes.

An end is the mean of ln p_i(t) / p(t) for a p that is dear. With a cheap control c(t) it is the mean of
ln p_i / p - b c over few points, plus b times the mean of c over very many: a control variate whose mean is estimated.
Where outputs overlap, next to no variance is left to the few.

Source: Giles, Multilevel Monte Carlo path simulation, Operations Research 56 (2008), with two levels; Pasupathy,
Schmeiser, Taaffe and Wang, Control-variate estimation using estimated control means, IIE Transactions 44 (2012).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import copied, host, namespace, normals
from ib_core.estimators.coarse_mixture import WIDEST, CoarseMixture, coarse_mixture
from ib_core.estimators.gaussian_decoder import GaussianDecoder
from ib_core.estimators.layer import Layer
from ib_core.mixture.own_passes import OwnPasses, log_mixture
from ib_core.sampling.strata import widening

LEAST_CENTRES = 2**14  # passes in the pooled sum from which on points are dear
LEAST_DRAWS = 8  # of each atom
FITTED = 2**16  # passes that the coarse mixture is made of, in all
MOST_FITTED = 32  # of each atom
SHARE = 0.5  # of a target that the error of these draws may be
SPREAD = 0.6  # nats: what a control's standard deviation is planned as
PRICE = 16  # draws that cost as much as one against all pooled passes
MOST_BYTES = 2**28  # of points
TILE = 2**22  # numbers of one step

# Rows of controls: of the information, label information, D(P' || P), -ln p and -ln p_i.
INFORMATION, LABEL, DIVERGENCE, SURPRISE, OWN_SURPRISE = range(5)
LOWER = 5  # the information once more, for the lower end


class Means(NamedTuple):
    """Means of controls over many draws, with A_i, the mixture of an atom's own passes, as it is for the upper end.

    For the lower end t has to be independent of A_i, which then lacks the pass that t lies around: that mean is not
    above the one with all passes, so a lower end stays one.

    Attributes:
        values: (5, K), under the laws.
        errors: (5, K) standard errors.
        lower: (K,) of the information for the lower end.
        lower_errors: (K,).
        stratum_values, stratum_variances: (5, active atoms, K), where the draws were.
        stratum_lower: (active atoms, K), there too.
        covariance: (K, K) of the information for the upper end.
        left_out: (K,) standard error of what the information for the lower end differs by from that.
        widening: (K,) for few degrees of freedom.
        draws: how many there were.
    """

    values: np.ndarray
    errors: np.ndarray
    lower: np.ndarray
    lower_errors: np.ndarray
    stratum_values: Any
    stratum_variances: Any
    stratum_lower: Any
    covariance: np.ndarray
    left_out: np.ndarray
    widening: np.ndarray
    draws: int


class Shared(NamedTuple):
    """What the two ends of the information owe to the same draws.

    Attributes:
        means: of the controls.
        above, below: (K,) slopes b of the upper end and of the lower one.
        upper_errors, lower_errors: (K,) standard errors of the ends but for these draws.
    """

    means: Means
    above: np.ndarray
    below: np.ndarray
    upper_errors: np.ndarray
    lower_errors: np.ndarray

    def without_strata(self) -> "Shared":
        """The same for sums over laws: strata are large, and may lie on a device."""
        none = np.empty((0, len(self.above)))
        means = self.means._replace(stratum_values=none[None], stratum_variances=none[None], stratum_lower=none)
        return self._replace(means=means)

    def error(self, upper: np.ndarray, lower: np.ndarray) -> float:
        """What these draws add to the standard error of the sum of `upper` (K,) times upper and `lower` lower ends."""
        share = upper * self.above + lower * self.below
        variance = float(share @ self.means.covariance @ share)
        used = (upper != 0) | (lower != 0)
        widening = float(self.means.widening[used].max(initial=1.0))
        return (math.sqrt(max(variance, 0.0)) + float(np.abs(lower * self.below) @ self.means.left_out)) * widening


class _Family(NamedTuple):
    """The points of some atoms, as many of each."""

    atom: np.ndarray  # (b,)
    points: Any  # (b, c, d)
    log_own: Any  # (b, c) with all passes of the atom
    log_others: Any  # (b, c) without the one that the point lies around


class CoarseDraws:
    """Draws around own passes that no other draws lie around, one for each, gathered block by block.

    Of the own passes of an atom the first `fitted` make the coarse mixture, the next `window` are left to the dear
    draws, and these draws lie around the last `each`.

    Args:
        layer: with its heavy atoms.
        own: its passes.
    """

    def __init__(self, layer: Layer, own: OwnPasses) -> None:
        self.layer = layer
        n, heavy = layer.atoms.n, layer.heavy
        self.active = np.asarray(layer.laws.any(1))
        self.light = self.active.copy()
        if heavy is not None:
            self.light[heavy.place >= 0] = False
        self.fitted = min(max(FITTED // n, 1), MOST_FITTED)
        counts = layer.passes_of(own.n_passes, None if heavy is None else heavy.own)
        most = layer.most_units(counts, max(layer.pointwise_draws, 2))
        wanted = (SPREAD / (SHARE * float(layer.targets.min()))) ** 2 if layer.targets.min() > 0 else np.inf
        wanted = min(wanted, PRICE * layer.max_draws, MOST_BYTES / (8 * layer.atoms.d))
        each = max(int(-(-wanted // max(int(self.active.sum()), 1))), LEAST_DRAWS, PRICE * layer.pointwise_draws)
        first = np.where(self.light, self.fitted, 0)
        self.window = np.minimum(most, (counts - first) // 2)
        left = counts - first - self.window
        self.each = int(min(each, left[self.light].min(initial=own.n_passes)))
        self.each_heavy = 0
        if heavy is not None:  # whose dear draws lie around as many passes as there are, as each shows its events
            count = heavy.own.shape[1]
            self.each_heavy = int(min(count // 2, max(each, wanted // len(heavy.own))))
            self.window[heavy.place >= 0] = count - self.each_heavy
        pool = layer.pool.atoms
        self.worth = bool(
            layer.atoms.d <= WIDEST
            and self.light.any()  # else all atoms have passes of their own, each of which should show its events
            and pool.n * pool.n_passes >= LEAST_CENTRES
            and min(self.each, self.each_heavy if heavy is not None else self.each) >= LEAST_DRAWS
            and (self.fitted <= own.n_passes // 8)
        )
        self.families: list[_Family] = []
        if self.worth:
            self.passes = layer.atoms.xp.zeros((n, self.fitted, layer.atoms.d))

    def offsets(self) -> np.ndarray:
        """(N,) the first pass of each atom that dear draws may lie around."""
        return np.where(self.light, self.fitted, 0)

    def meet(self, atoms: np.ndarray, signals: Any, block: int) -> None:
        """Draw around own passes (b, n_own, d) of some atoms (b,), which are a block of that number."""
        self.passes[namespace(signals).asarray(atoms)] = signals[:, : self.fitted]
        rows = np.flatnonzero(self.light[atoms])
        self._draw(atoms, rows, signals, self.each, ("light", block))

    def meet_heavy(self) -> None:
        """Draw around the further passes of heavy atoms."""
        heavy = self.layer.heavy
        if heavy is not None:
            atoms = np.flatnonzero(heavy.place >= 0)
            for row in range(len(atoms)):  # keyed by the atom: others that are heavy make no difference
                key = ("heavy", int(self.layer.order[atoms[row]]))
                one = slice(row, row + 1)
                self._draw(atoms[one], np.zeros(1, int), heavy.own[one], self.each_heavy, key)

    def _draw(self, atoms: np.ndarray, rows: np.ndarray, signals: Any, each: int, key: tuple[str, int]) -> None:
        first = signals.shape[1] - each
        xp = namespace(signals)
        noise = normals(xp, (len(atoms), each, signals.shape[2]), self.layer.seed, "coarse", *key, bulk=True)
        if not len(rows):
            return
        chosen, count = xp.asarray(rows), signals.shape[1]
        noise = noise[chosen]
        points = signals[chosen, first : first + each] + noise
        row, without = xp.repeat(chosen, each), xp.tile(xp.arange(first, first + each), len(rows))
        log_others = log_mixture(points.reshape(-1, points.shape[2]), row, signals, without).reshape(len(rows), each)
        others = log_others + math.log((count - 1) / count)
        log_own = xp.logaddexp(others, -xp.square(noise).sum(2) / 2 - math.log(count))
        self.families.append(_Family(atoms[rows], points, log_own, log_others))

    def mixture(self) -> CoarseMixture:
        """The coarse mixture of the passes that were set aside for it."""
        return coarse_mixture(self.passes, self.layer.groups.group_of, self.layer.there.laws)

    def means(self, mixture: CoarseMixture, support: GaussianDecoder | None) -> Means:
        """What all draws say, with Gaussians beside the own passes for the lower end."""
        found = _Moments(self.layer)
        for family in self.families:
            each = family.points.shape[1]
            found.degrees[family.atom] = each - 1
            size = max(1, TILE // (each * self.layer.laws.shape[1]))
            for start in range(0, len(family.atom), size):
                tile = _Family(*(field[start : start + size] for field in family))
                if support is not None:
                    points, atom = tile.points.reshape(-1, self.layer.atoms.d), np.repeat(tile.atom, each)
                    log_others = support.supporting(points, atom, tile.log_others.reshape(-1))
                    tile = tile._replace(log_others=log_others.reshape(tile.log_others.shape))
                found.add(mixture, tile)
        return found.means(
            np.flatnonzero(self.active), sum(math.prod(family.log_own.shape) for family in self.families)
        )


class _Moments:
    """Means of the controls in each atom, and variances of these means, as far as families were added."""

    def __init__(self, layer: Layer) -> None:
        self.layer, xp = layer, layer.atoms.xp
        n, columns = layer.laws.shape
        self.values, self.variances = xp.zeros((6, n, columns)), xp.zeros((6, n, columns))
        self.left_out = xp.zeros(n)  # variance of what the pass that a point lies around adds to its own density
        self.degrees = np.zeros(n)
        self.covariance = xp.zeros((columns, columns))

    def add(self, mixture: CoarseMixture, family: _Family) -> None:
        """Some atoms, none of which was there before."""
        layer, values, variances, xp = self.layer, self.values, self.variances, self.layer.atoms.xp
        atom, own, others = xp.asarray(family.atom), family.log_own, family.log_others
        each, columns, size = own.shape[1], layer.laws.shape[1], math.prod(own.shape)
        group = xp.repeat(layer.there.group[atom], each) if layer.labelled else None
        totals, parts = mixture.logs(family.points.reshape(size, -1), group)
        scale = 1 / (each * (each - 1))
        if parts is not None:
            parts -= totals
            parts = parts.reshape(*own.shape, columns)
            values[LABEL, atom] = parts.mean(1)
            parts -= parts.mean(1, keepdims=True)
            variances[LABEL, atom] = scale * xp.einsum("ack,ack->ak", parts, parts)
        totals = totals.reshape(*own.shape, columns)
        means = totals.mean(1)
        means_own, means_others = own.mean(1, keepdims=True), others.mean(1, keepdims=True)
        values[INFORMATION, atom], values[LOWER, atom] = means_own - means, means_others - means
        values[DIVERGENCE, atom], values[SURPRISE, atom] = means - means[:, :1], -means
        values[OWN_SURPRISE, atom] = -xp.broadcast_to(means_own, means.shape)
        totals -= means[:, None]
        own, others = own - means_own, others - means_others
        squares = xp.einsum("ack,ack->ak", totals, totals)
        for row, part in ((INFORMATION, own), (LOWER, others), (DIVERGENCE, copied(totals[:, :, 0]))):
            products = xp.einsum("ac,ack->ak", part, totals)
            variances[row, atom] = squares - 2 * products + xp.square(part).sum(1, keepdims=True)
        variances[SURPRISE, atom] = squares
        variances[OWN_SURPRISE, atom] = xp.broadcast_to(xp.square(own).sum(1, keepdims=True), squares.shape)
        for row in (INFORMATION, LOWER, DIVERGENCE, SURPRISE, OWN_SURPRISE):
            variances[row, atom] = scale * xp.maximum(variances[row, atom], 0.0)
        self.left_out[atom] = scale * xp.square(others - own).sum(1)
        totals = own[:, :, None] - totals
        totals *= layer.there.laws[atom][:, None]
        flat = totals.reshape(-1, columns)
        self.covariance += scale * (flat.T @ flat)

    def means(self, active: np.ndarray, draws: int) -> Means:
        """Over the active atoms, under the laws."""
        xp, there = self.layer.atoms.xp, self.layer.atoms.xp.asarray(active)
        weights = self.layer.there.laws[there]
        values, variances = self.values[:, there], self.variances[:, there]
        squares = variances * xp.square(weights)
        wide = widening(squares, self.degrees[active])
        errors = np.sqrt(host(squares.sum(1))) * wide
        means = host((values * weights).sum(1))
        return Means(
            values=means[:LOWER],
            errors=errors[:LOWER],
            lower=means[LOWER],
            lower_errors=errors[LOWER],
            stratum_values=values[:LOWER],
            stratum_variances=variances[:LOWER],
            stratum_lower=values[LOWER],
            covariance=host(self.covariance),
            left_out=np.sqrt(host(self.left_out[there] @ xp.square(weights))),
            widening=wide[[INFORMATION, LOWER]].max(0),
            draws=draws,
        )


def controls(layer: Layer, mixture: CoarseMixture, points: Any, atom: Any, log_own: Any) -> Any:
    """(5, m, K) controls at points (m, d) of the atoms (m,) with ln A_i there."""
    xp = namespace(points)
    totals, parts = mixture.logs(points, layer.there.group[atom] if layer.labelled else None)
    label = xp.zeros_like(totals) if parts is None else parts - totals
    own = xp.broadcast_to(log_own[:, None], totals.shape)
    return xp.stack([own - totals, label, totals - totals[:, :1], -totals, -own])
