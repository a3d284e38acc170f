"""Both ends of a layer's information from own passes: pooled ones in the sum over all atoms, own ones beside it."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ib_core.estimate import Estimate
from ib_core.estimators import coarse_draws
from ib_core.estimators.coarse_draws import CoarseDraws, Means, Shared
from ib_core.estimators.coarse_mixture import CoarseMixture
from ib_core.estimators.gaussian_decoder import GaussianDecoder, Moments, gaussian_decoders
from ib_core.estimators.layer import Layer, Logs
from ib_core.estimators.layer_ends import (
    INFORMATION,
    LABEL,
    LEAST_PASSES,
    Ends,
    choice_width,
    draws_controls,
    plug_in_variables,
    row,
)
from ib_core.mixture.own_passes import OwnPasses, blocks, kept, log_mixture
from ib_core.sampling.draws import Chosen, Draws
from ib_core.sampling.until import Sampled
from ib_core.streams import stream

# Draws that choose the form of the lower end and the slopes of controls, and are then thrown away: two of many atoms,
# some more of the heaviest.
PILOT_ATOMS, PILOT_HEAVY, PILOT_DRAWS = 512, 32, 16
WORTH = 1e-3  # nats by which a dearer form has to be better
LEAST_CORRELATION = 0.7  # with a control, from which on it is used
STEEPEST = 2.0  # slope of a control
ENOUGH = 0.25  # of a variance that a control may leave if its means are to stand for draws of every atom
FITTED = 256  # own passes of an atom that the moments of Gaussian decoders come from
ABOVE = 5  # variables at points of own passes, without labels


@dataclass
class _Round:
    """The points of one family in one round: where their centres are, and what their own passes say of them."""

    chosen: list[Chosen]
    offsets: np.ndarray  # (N,) which of an atom's own passes is its first one here
    around_own: bool  # the centres are own passes, which are not known yet

    def __post_init__(self) -> None:
        self.atom = np.concatenate([block.atom for block in self.chosen])
        self.signal = np.concatenate([block.signal for block in self.chosen])
        if self.around_own:
            self.signal = self.signal + self.offsets[self.atom]
        self.log_own = np.empty(len(self.atom))

    def place(self, layer: Layer) -> None:
        """Set the centres, if they are pooled passes, and sort the points by the caller's atoms, heavy ones last."""
        heavy, atoms = layer.heavy, layer.atoms
        place = np.full(len(self.atom), -1) if heavy is None else heavy.place[self.atom]
        self.points = np.concatenate([block.noise for block in self.chosen])
        self.centres = np.empty_like(self.points)
        if not self.around_own:
            light = np.flatnonzero(place < 0)
            self.centres[light] = atoms.centres[self.atom[light], self.signal[light]]
            if heavy is not None:
                at = np.flatnonzero(place >= 0)
                self.centres[at] = heavy.pooled[place[at], self.signal[at]]
            self.points += self.centres
        outer = np.where(place >= 0, atoms.n + place, layer.order[self.atom])
        self.sorted = np.argsort(outer, kind="stable")
        self.outer = outer[self.sorted]

    def meet(self, part: slice, signals: np.ndarray) -> None:
        """Hold the points of some atoms against their own passes (atoms, n_own, d)."""
        found = slice(*np.searchsorted(self.outer, [part.start, part.stop]))
        rows, within = self.sorted[found], self.outer[found] - part.start
        if self.around_own:
            self.centres[rows] = signals[within, self.signal[rows]]
            self.points[rows] += self.centres[rows]
        self.log_own[rows] = log_mixture(self.points[rows], within, signals)

    def pieces(self) -> list[slice]:
        """The points of each block."""
        ends = np.cumsum([0, *(len(block.atom) for block in self.chosen)])
        return [slice(a, b) for a, b in pairwise(ends)]


def own_ends(layer: Layer, own: OwnPasses) -> Ends:
    """Both ends from own passes, which are made anew in each round of draws and forgotten block by block."""
    own = kept(own, layer.atoms.n, layer.atoms.d)
    layer = layer.with_heavy(own)
    atoms, labelled, heavy = layer.atoms, layer.labelled, layer.heavy
    own_counts = layer.passes_of(own.n_passes, None if heavy is None else heavy.own)
    pooled_counts = layer.passes_of(atoms.n_passes, None if heavy is None else heavy.pooled)
    place = np.argsort(layer.order)  # where each of the caller's atoms stands
    log_weights = np.full(layer.laws.shape, -np.inf)
    np.log(layer.laws, out=log_weights, where=layer.laws > 0)
    coarse: CoarseDraws | None = CoarseDraws(layer, own)
    offsets = np.zeros(atoms.n, int)
    if coarse is not None and coarse.worth:
        own_counts, offsets = coarse.window, coarse.offsets()
    else:
        coarse = None

    # The form is chosen on the pooled passes that its end is averaged over, though on draws of its own.
    moments, decoders = Moments(atoms.n, atoms.d), []
    pilot = _Round([_pilot(layer, pooled_counts)], offsets, False)
    pilot.place(layer)
    for part, given in blocks(own, atoms.n, atoms.d):
        signals = atoms.scaled(given)
        moments.add(place[part], signals[:, :FITTED])
        pilot.meet(part, signals)
        if coarse is not None:
            coarse.meet(place[part], signals, part.start)
    if heavy is not None:  # whose draws may lie around some of the passes above
        pilot.meet(slice(atoms.n, atoms.n + len(heavy.own)), heavy.own)
        moments.add(np.flatnonzero(heavy.place >= 0), heavy.own)
        if coarse is not None:
            coarse.meet_heavy()
    if own.n_passes >= LEAST_PASSES:
        decoders = gaussian_decoders(moments, layer.device)
    width = choice_width(1 + len(decoders))
    piloted = _piloted(layer, pilot, decoders)
    forms = _choose(piloted, decoders)
    decoders = [decoder for decoder in decoders if (forms == decoder.name).any()]
    control = None if coarse is None else _control(layer, coarse, piloted, forms)
    coarse = None
    label, least = [LABEL] if labelled else [], layer.pointwise_draws
    if control is not None:
        drawn = [_variances(layer, piloted, forms, each, True, np.ones(atoms.n, int))[0, 0] for each in (control, None)]
        if drawn[0] < ENOUGH * drawn[1]:  # the cheap draws of every atom say what it knows
            least = 2
    seen = layer.seen(own_counts, least), layer.seen(pooled_counts, 2)
    variances = [_variances(layer, piloted, forms, control, k == 0, each) for k, each in enumerate(seen)]
    besides = [None if control is None else control.means_of(above)[1][: 1 + labelled] for above in (True, False)]

    options: list[dict[str, Any]] = [
        {"variables": 1 + labelled, "variance": variance, "besides": more}
        for variance, more in zip(variances, besides, strict=True)
    ]
    above = layer.sampler("own", own_counts, least=least, lower=label, **options[0])
    below = layer.sampler("pooled", pooled_counts, lower=[INFORMATION], width=width, **options[1])
    while True:
        families = [(above, _Round(chosen, offsets, True)) for chosen in [above.chosen()] if chosen]
        families += [(below, _Round(chosen, offsets, False)) for chosen in [below.chosen()] if chosen]
        if not families:
            break
        for _, found in families:
            found.place(layer)
        for part, given in blocks(own, atoms.n, atoms.d):
            signals = atoms.scaled(given)
            for _, found in families:
                found.meet(part, signals)
        for sampler, found in families:
            if heavy is not None:
                found.meet(slice(atoms.n, atoms.n + len(heavy.own)), heavy.own)
            for piece, block in zip(found.pieces(), found.chosen, strict=True):
                points, atom, log_own = found.points[piece], block.atom, found.log_own[piece]
                logs = layer.logs(points, atom)
                if sampler is above:
                    values = _above(layer, logs, log_own, log_weights[atom], atom)
                else:
                    values = _below(layer, logs, log_own, log_weights[atom], points, atom, decoders, forms)
                if control is not None:
                    control.subtract(layer, values, sampler is above, points, atom, log_own)
                sampler.add(values, draws_controls(layer, sampler.draws, block, found.centres[piece]))
    upper, lower = above.result(), below.result()
    plug_in = 1 + labelled
    shared, n_draws = None, upper.draws + lower.draws
    pooled_error = _pooled_error(pooled_counts, below.draws, lower, plug_in + 1)
    if control is not None:
        apart = np.hypot(upper.errors[INFORMATION], pooled_error), width * lower.errors[INFORMATION]
        shared = Shared(control.means, control.above[INFORMATION], control.below[INFORMATION], *apart)
        upper, lower = control.added(upper, True), control.added(lower, False)
        n_draws += control.means.draws
    return Ends(
        upper=upper,
        draws=above.draws,
        pooled_passes=pooled_counts,
        pooled_error=pooled_error,
        plug_in=row(lower, plug_in),
        label_upper=row(lower, LABEL) if labelled else None,
        lower=Estimate(lower.means[INFORMATION], width * lower.errors[INFORMATION]),
        lower_form=forms,
        lower_atoms=lower.stratum_means[INFORMATION],
        label_lower=row(upper, LABEL) if labelled else None,
        n_draws=n_draws,
        remainder=layer.pool.atoms.kernel.remainder,
        shared=shared,
    )


def _pilot(layer: Layer, passes: np.ndarray) -> Chosen:
    """Draws around pooled passes: several of each of the heaviest atoms, and two of others at equal steps in space."""
    active = np.flatnonzero(layer.laws.any(1))
    heaviest = np.argsort(-layer.laws[active].max(1), kind="stable")[:PILOT_HEAVY]
    evenly = np.linspace(0, len(active) - 1, min(len(active), PILOT_ATOMS)).astype(int)
    atom = np.concatenate([np.repeat(active[heaviest], PILOT_DRAWS), np.repeat(active[evenly], 2)])
    rng = stream(layer.seed, "pilot")
    return Chosen(atom, rng.integers(passes[atom]), rng.standard_normal((len(atom), layer.atoms.d)))


class _Pilot(NamedTuple):
    """What the pilot's points say."""

    drawn: _Round
    logs: Logs
    ratios: dict[str, np.ndarray]  # of each form, (m, K)
    share: np.ndarray  # (m, K) of a point in the mean over atoms

    def lower(self, forms: np.ndarray) -> np.ndarray:
        """(m, K) of the forms (K,) that were chosen."""
        return np.stack([self.ratios[form][:, k] for k, form in enumerate(forms)], axis=1)


def _piloted(layer: Layer, pilot: _Round, decoders: list[GaussianDecoder]) -> _Pilot:
    logs = layer.logs(pilot.points, pilot.atom)
    ratios = {"split": pilot.log_own[:, None] - logs.total}
    for decoder in decoders:
        ratios[decoder.name] = decoder.log_ratios(pilot.points, pilot.atom, layer.laws)
    count = np.bincount(pilot.atom, minlength=layer.atoms.n)[pilot.atom]
    share = layer.laws[pilot.atom] / count[:, None]
    # Atoms that are drawn at steps stand for their neighbours; the heaviest stand for themselves.
    share[count <= 2] *= max(1.0, layer.laws.any(1).sum() / PILOT_ATOMS)
    return _Pilot(pilot, logs, ratios, share)


def _choose(piloted: _Pilot, decoders: list[GaussianDecoder]) -> np.ndarray:
    """(K,) the form of the lower end that is the largest one at the pilot's points."""
    ratios, share = piloted.ratios, piloted.share
    names, gains = ["split"], [np.zeros(share.shape[1])]
    for decoder in decoders:
        excess = ratios[decoder.name] - ratios["split"]
        excess = np.where(np.isfinite(excess), excess, 0.0)
        names.append(decoder.name)
        mean = (share * excess).sum(0) / share.sum(0)
        error = np.sqrt((np.square(share) * np.square(excess - mean)).sum(0)) / share.sum(0)
        # More components take more time, and an excess that may be chance is none.
        gains.append(mean - error - WORTH * (decoder.components - 1))
    return np.array(names, dtype=object)[np.stack(gains).argmax(0)]


class _Control(NamedTuple):
    """The coarse mixture as a control, and the slopes of the variables of both ends on it, found by the pilot."""

    mixture: CoarseMixture
    means: Means
    above: np.ndarray  # (V, K), see `_above`
    below: np.ndarray  # (V, K), see `_below`

    def rows(self, above: bool) -> list[int]:
        """Which control each variable has; those without any have slope 0."""
        labels = [coarse_draws.LABEL] if len(self.above) > ABOVE else []
        if not above:
            return [coarse_draws.INFORMATION, *labels, coarse_draws.INFORMATION, coarse_draws.INFORMATION]
        others = [coarse_draws.DIVERGENCE, coarse_draws.SURPRISE, coarse_draws.OWN_SURPRISE]
        return [coarse_draws.INFORMATION, *labels, coarse_draws.INFORMATION, *others]

    def subtract(
        self, layer: Layer, values: np.ndarray, above: bool, points: np.ndarray, atom: np.ndarray, log_own: np.ndarray
    ) -> None:
        """Take the controls off the values (V, m, K), in place."""
        found = coarse_draws.controls(layer, self.mixture, points, atom, log_own)
        for value, slope, control in zip(values, self.above if above else self.below, self.rows(above), strict=True):
            if slope.any():
                value -= slope * found[control]

    def means_of(self, above: bool) -> tuple[np.ndarray, ...]:
        """The controls' part in each variable: means and errors (V, K), and of atoms (V, n, K) means and variances."""
        means, rows, slopes = self.means, self.rows(above), self.above if above else self.below
        values, errors, parts = means.values[rows], means.errors[rows], means.stratum_values[rows]
        if not above:
            for v in np.flatnonzero(np.array(rows) == coarse_draws.INFORMATION):
                values[v], errors[v], parts[v] = means.lower, means.lower_errors, means.stratum_lower
        variances = np.square(slopes)[:, None] * means.stratum_variances[rows]
        return slopes * values, np.abs(slopes) * errors, slopes[:, None] * parts, variances

    def added(self, sampled: Sampled, above: bool) -> Sampled:
        """The means with what was taken off their values."""
        values, errors, parts, variances = self.means_of(above)
        return replace(
            sampled,
            means=sampled.means + values,
            errors=np.hypot(sampled.errors, errors),
            stratum_means=sampled.stratum_means + parts,
            stratum_variances=sampled.stratum_variances + variances,
        )


def _control(layer: Layer, coarse: CoarseDraws, piloted: _Pilot, forms: np.ndarray) -> _Control | None:
    """None where the coarse mixture tells too little of the information under every law."""
    mixture, drawn = coarse.mixture(), piloted.drawn
    found = coarse_draws.controls(layer, mixture, drawn.points, drawn.atom, drawn.log_own)

    def slopes(values: np.ndarray, control: int) -> np.ndarray:
        values, controls = (piloted.share * _within(part, drawn.atom)[0] for part in (values, found[control]))
        squares, products = np.square(controls).sum(0), (values * controls).sum(0)
        slope = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
        known = np.square(products) >= LEAST_CORRELATION**2 * squares * np.square(values).sum(0)
        return np.where(known, np.clip(slope, 0.0, STEEPEST), 0.0)

    total, logs = piloted.logs.total, piloted.logs
    label = [] if logs.label is None else [slopes(logs.label - total, coarse_draws.LABEL)]
    none, whole = np.zeros(len(forms)), np.ones(len(forms))
    information = slopes(piloted.ratios["split"], coarse_draws.INFORMATION)
    divergence = slopes(total - total[:, :1], coarse_draws.DIVERGENCE)
    above = [information, *label, none, divergence, slopes(-total, coarse_draws.SURPRISE), whole]
    plug_in = slopes(logs.own[:, None] - total, coarse_draws.INFORMATION)
    below = [slopes(piloted.lower(forms), coarse_draws.INFORMATION), *label, plug_in, none]
    if not (information.any() or below[0].any()):
        return None
    return _Control(mixture, coarse.means(mixture), np.stack(above), np.stack(below))


def _variances(
    layer: Layer, piloted: _Pilot, forms: np.ndarray, control: _Control | None, above: bool, seen: np.ndarray
) -> np.ndarray:
    """(1 or 2, K) of the means of the information and of that of the label, if `seen` (N,) points are drawn of each."""
    drawn, logs = piloted.drawn, piloted.logs
    labels = [] if logs.label is None else [logs.label - logs.total]
    values = np.stack([piloted.ratios["split"] if above else piloted.lower(forms), *labels])
    if control is not None:
        values = np.concatenate([values, np.zeros((len(control.rows(above)) - len(values), *values.shape[1:]))])
        control.subtract(layer, values, above, drawn.points, drawn.atom, drawn.log_own)
    found = []
    for value in values[: 1 + len(labels)]:
        deviations, count = _within(value, drawn.atom)
        # share sums to the atom's weight, or to that of its neighbours, whose variances add.
        stands = (piloted.share * count[:, None]) / np.where(layer.laws[drawn.atom] > 0, layer.laws[drawn.atom], 1.0)
        weight = np.square(layer.laws[drawn.atom]) * stands / (np.maximum(count - 1, 1) * seen[drawn.atom])[:, None]
        found.append((weight * np.square(deviations)).sum(0))
    return np.stack(found)


def _within(values: np.ndarray, atom: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Deviations of values (m, K) from the means of their atoms (m,), and how many points each point's atom has."""
    count = np.bincount(atom)
    values = np.where(np.isfinite(values), values, 0.0)
    sums = np.zeros((len(count), values.shape[1]))
    np.add.at(sums, atom, values)
    return values - (sums / np.maximum(count, 1)[:, None])[atom], count[atom]


def _above(layer: Layer, logs: Logs, log_own: np.ndarray, log_weight: np.ndarray, atom: np.ndarray) -> np.ndarray:
    """Variables at points of own passes: `plug_in_variables` with A_i for B_i, but the label's, which are held out."""
    # The others' sum is what is left of the total without B_i. Where B_i dominates, that keeps 1e-16 of the total, and
    # A_i is of the size of B_i there.
    log_pooled = log_weight + logs.own[:, None]
    share = np.minimum(np.exp(np.minimum(log_pooled - logs.total, 0.0)), 1.0)
    with np.errstate(divide="ignore"):
        others = logs.total + np.log1p(-share)
    total = np.logaddexp(others, log_weight + log_own[:, None])
    return plug_in_variables(layer, logs, log_own, total, atom)


def _below(
    layer: Layer,
    logs: Logs,
    log_own: np.ndarray,
    log_weight: np.ndarray,
    points: np.ndarray,
    atom: np.ndarray,
    decoders: list[GaussianDecoder],
    forms: np.ndarray,
) -> np.ndarray:
    """(V, m, K) at points of pooled passes: the lower end, with labels ln p_y/p, the plug-in, and the atom's share."""
    lower = log_own[:, None] - logs.total
    for decoder in decoders:
        columns = np.flatnonzero(forms == decoder.name)
        lower[:, columns] = decoder.log_ratios(points, atom, layer.laws[:, columns])
    labels = [] if logs.label is None else [logs.label - logs.total]
    posterior = np.exp(np.minimum(log_weight + logs.own[:, None] - logs.total, 0.0))
    return np.stack([lower, *labels, logs.own[:, None] - logs.total, posterior])


def _pooled_error(passes: np.ndarray, draws: Draws, found: Sampled, posterior: int) -> np.ndarray:
    """(K,) standard error of the upper end for the pooled passes (N,) in its sum over other atoms.

    To first order a pass s of atom j moves it by -w_j/n_x (1 - E[u_j(t) | s]), t around s, with u_j = w_j p_j / p: the
    variance is sum_j w_j^2 Var(u_j) / n_x, and at most a quarter of sum_j w_j^2 / n_x, as u_j lies in [0, 1].
    """
    counts = passes[draws.active][:, None]
    variance = np.full(found.stratum_means[posterior].shape, 0.25)
    if found.units >= LEAST_PASSES:
        seen = found.stratum_variances[posterior] * found.units * draws.seen[:, None]
        variance = np.minimum(variance, seen)
    return np.sqrt((np.square(draws.weights) * variance / counts).sum(0))
