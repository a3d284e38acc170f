"""The ends of a layer's information: density ratios averaged over draws, for each way to know the channel."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from ib_core.estimate import WIDTH, Estimate
from ib_core.gaussian_decoder import GaussianDecoder, Moments, gaussian_decoders
from ib_core.layer import Layer, Logs
from ib_core.mixture.draws import Chosen, Draws
from ib_core.mixture.sampling import Sampled, Sampler
from ib_core.own_passes import OwnPasses, blocks, log_mixture
from ib_core.streams import stream

LAMBDA = 0.02  # share of the smoothed decoder that ignores t: it costs .02 nats and holds ln q(x|t)/w above -3.9
# Draws that choose the form of the lower end, and are then thrown away: one of many atoms, some of the heaviest.
PILOT_ATOMS, PILOT_HEAVY, PILOT_DRAWS = 1024, 32, 16
WORTH = 1e-3  # nats by which a dearer form has to be better
GUESS = 0.7  # nats: the spread of a density ratio by which the first round of draws is planned
LEAST_PASSES = 4  # from which on a Gaussian is fitted, or the spread between passes believed
FRESH_FORMS = ("smoothed", "held_out", "gaussian")


def choice_width(n: int) -> float:
    """By how much the errors of n valid ends are widened so that the best of them holds as often as one alone would."""
    return float(norm.isf(norm.sf(WIDTH) / n)) / WIDTH


class Ends(NamedTuple):
    """What was found, under the distinct laws.

    Rows of `upper`: the information first, with labels that of the label next, the others counted from behind.
    """

    upper: Sampled
    draws: Draws  # of `upper`
    pooled_passes: np.ndarray | None  # (N,) in the sum over atoms, if they are a sample of the channel
    pooled_error: np.ndarray  # (K,) of the upper end, for what the pooled passes add to it
    plug_in: Estimate
    label_upper: Estimate | None
    lower: Estimate | None
    lower_form: np.ndarray | None  # (K,)
    lower_atoms: np.ndarray | None  # (active atoms, K) the parts of `lower`
    label_lower: Estimate | None
    n_draws: int
    remainder: float  # see `Kernel`
    lower_sampled: Sampled | None = None  # the smoothed decoder first, where that is a bounded variable


INFORMATION, LABEL = 0, 1
OVERLAP, DIVERGENCE, SURPRISE, OWN_SURPRISE = -4, -3, -2, -1


def _plug_in_variables(
    layer: Layer, logs: Logs, log_own: np.ndarray, log_total: np.ndarray, atom: np.ndarray
) -> np.ndarray:
    """(V, m, K): ln p_i/p, with labels ln p_y/p, then u (1 - u), ln p/p' for the first law p', -ln p and -ln p_i.

    u = w_i p_i / p is the own atom's share.
    """
    own = np.broadcast_to(log_own[:, None], log_total.shape)
    labels = [] if logs.label is None else [logs.label - logs.total]
    share = np.minimum(layer.laws[atom] * np.exp(np.minimum(own - log_total, 700.0)), 1.0)
    return np.stack([own - log_total, *labels, share * (1 - share), log_total - log_total[:, :1], -log_total, -own])


def _row(sampled: Sampled, variable: int) -> Estimate:
    return Estimate(sampled.means[variable], sampled.errors[variable])


def _run(layer: Layer, sampler: Sampler, signals: np.ndarray, variables) -> Sampled:  # type: ignore[no-untyped-def]
    """Draw around signals (N, passes, d) until the target is met."""
    while chosen := sampler.chosen():
        for block in chosen:
            centres = signals[block.atom, block.signal]
            points = centres + block.noise
            sampler.add(variables(points, block.atom), _controls(layer, sampler.draws, block, centres))
    return sampler.result()


def _controls(layer: Layer, draws: Draws, block: Chosen, centres: np.ndarray) -> np.ndarray:
    """Controls, which bounded variables do without."""
    return np.zeros((len(centres), 1)) if layer.proven else draws.controls(block, centres)


def exact_ends(layer: Layer) -> Ends:
    """Both ends of a deterministic layer, whose one pass is the channel: they are one number."""

    def variables(points: np.ndarray, atom: np.ndarray) -> np.ndarray:
        logs = layer.logs(points, atom)
        return _plug_in_variables(layer, logs, logs.own, logs.total, atom)

    least, counts = layer.pointwise_draws, layer.passes_of(1, None)
    sampler = layer.sampler("plug_in", counts, 1 + layer.labelled, sampled=False, least=least)
    found = _run(layer, sampler, layer.atoms.centres, variables)
    information, label = _row(found, INFORMATION), _row(found, LABEL) if layer.labelled else None
    starts = np.cumsum(sampler.draws.copies) - sampler.draws.copies
    parts = np.add.reduceat(found.stratum_means[INFORMATION], starts) / sampler.draws.copies[:, None]
    forms = np.full(len(layer.targets), "exact", dtype=object)
    none = np.zeros(len(layer.targets))
    return Ends(
        found,
        sampler.draws,
        None,
        none,
        information,
        label,
        information,
        forms,
        parts,
        label,
        found.draws,
        layer.pool.atoms.kernel.remainder,
    )


def fresh_ends(layer: Layer, fresh: np.ndarray | None) -> Ends:
    """The plug-in of the pooled passes, and the best decoder made of them at fresh passes (N, m, d), if there are."""

    def above(points: np.ndarray, atom: np.ndarray) -> np.ndarray:
        logs = layer.logs(points, atom)
        return _plug_in_variables(layer, logs, logs.own, logs.total, atom)

    n_passes = layer.atoms.n_passes
    counts = layer.passes_of(n_passes, None)
    sampler = layer.sampler("plug_in", counts, 1 + layer.labelled, least=layer.pointwise_draws)
    upper = _run(layer, sampler, layer.atoms.centres, above)
    information, label = _row(upper, INFORMATION), _row(upper, LABEL) if layer.labelled else None
    none = np.zeros(len(layer.targets))
    remainder = layer.pool.atoms.kernel.remainder
    passes = layer.passes_of(n_passes, None)
    ends = Ends(upper, sampler.draws, passes, none, information, label, None, None, None, None, upper.draws, remainder)
    if fresh is None:
        return ends
    decoder: GaussianDecoder | None = None
    if n_passes >= LEAST_PASSES:
        moments = Moments(layer.atoms.n, layer.atoms.d)
        moments.add(np.arange(layer.atoms.n), layer.atoms.centres)
        decoder = gaussian_decoders(moments, layer.device)[0]

    def below(points: np.ndarray, atom: np.ndarray) -> np.ndarray:
        logs = layer.logs(points, atom)
        ratio = logs.own[:, None] - logs.total
        found = [_smoothed(ratio)]
        if logs.label is not None:
            found.append(logs.label - logs.total)
        found.append(ratio)
        if decoder is not None:
            found.append(decoder.log_ratios(points, atom, layer.laws))
        return np.stack(found)

    names = FRESH_FORMS[:1] if layer.proven else FRESH_FORMS[: 2 + (decoder is not None)]
    width, passes = choice_width(len(names)), layer.passes_of(fresh.shape[1], None)
    sampler = layer.sampler("held_out", passes, 1 + layer.labelled, lower=slice(None), width=width)
    found = _run(layer, sampler, fresh, below)
    rows = [0, *range(1 + layer.labelled, layer.labelled + len(names))]
    values, errors = found.means[rows], width * found.errors[rows]
    best = np.argmax(values - WIDTH * errors, axis=0)
    pick = (best, np.arange(len(best)))
    return ends._replace(
        lower=Estimate(values[pick], errors[pick]),
        lower_form=np.array(names, dtype=object)[best],
        lower_atoms=np.stack([found.stratum_means[rows[form], :, k] for k, form in enumerate(best)], axis=1),
        label_lower=_row(found, LABEL) if layer.labelled else None,
        n_draws=ends.n_draws + found.draws,
        lower_sampled=found,
    )


def _smoothed(log_ratio: np.ndarray) -> np.ndarray:
    """ln( (1 - lam) p_i/p + lam )."""
    return np.logaddexp(np.log1p(-LAMBDA) + log_ratio, np.log(LAMBDA))


@dataclass
class _Round:
    """The points of one family in one round: where their centres are, and what their own passes say of them."""

    chosen: list[Chosen]
    around_own: bool  # the centres are own passes, which are not known yet

    def __post_init__(self) -> None:
        self.atom = np.concatenate([block.atom for block in self.chosen])
        self.signal = np.concatenate([block.signal for block in self.chosen])
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
    layer = layer.with_heavy(own)
    atoms, labelled, heavy = layer.atoms, layer.labelled, layer.heavy
    own_counts = layer.passes_of(own.n_passes, None if heavy is None else heavy.own)
    pooled_counts = layer.passes_of(atoms.n_passes, None if heavy is None else heavy.pooled)
    # The form is chosen on the pooled passes that its end is averaged over, though on draws of its own.
    moments, decoders = Moments(atoms.n, atoms.d), []
    width = choice_width(1 + len(moments.means) if own.n_passes >= LEAST_PASSES else 1)
    label, least = [LABEL] if labelled else [], layer.pointwise_draws
    above = layer.sampler("own", own_counts, 1 + labelled, guess=GUESS, least=least, lower=label)
    below = layer.sampler("pooled", pooled_counts, 1 + labelled, guess=GUESS, lower=[INFORMATION], width=width)
    place = np.argsort(layer.order)  # where each of the caller's atoms stands
    forms: np.ndarray | None = None
    log_weights = np.full(layer.laws.shape, -np.inf)
    np.log(layer.laws, out=log_weights, where=layer.laws > 0)
    while True:
        families = [(above, _Round(chosen, True)) for chosen in [above.chosen()] if chosen]
        families += [(below, _Round(chosen, False)) for chosen in [below.chosen()] if chosen]
        if not families:
            break
        rounds = [found for _, found in families]
        if forms is None:
            pilot = _Round([_pilot(layer, pooled_counts)], False)
            rounds.append(pilot)
        for found in rounds:
            found.place(layer)
        for part, given in blocks(own, atoms.n, atoms.d):
            signals = atoms.scaled(given)
            if forms is None and own.n_passes >= LEAST_PASSES:
                moments.add(place[part], signals)
            for found in rounds:
                found.meet(part, signals)
        if heavy is not None:
            for found in rounds:
                found.meet(slice(atoms.n, atoms.n + len(heavy.own)), heavy.own)
        if forms is None:
            if own.n_passes >= LEAST_PASSES:
                if heavy is not None:  # whose draws may lie around some of the passes above
                    moments.add(np.flatnonzero(heavy.place >= 0), heavy.own)
                decoders = gaussian_decoders(moments, layer.device)
            forms = _choose(layer, pilot, decoders)
            decoders = [decoder for decoder in decoders if (forms == decoder.name).any()]
        for sampler, found in families:
            for piece, block in zip(found.pieces(), found.chosen, strict=True):
                points, atom, log_own = found.points[piece], block.atom, found.log_own[piece]
                logs = layer.logs(points, atom)
                if sampler is above:
                    values = _above(layer, logs, log_own, log_weights[atom], atom)
                else:
                    values = _below(layer, logs, log_own, log_weights[atom], points, atom, decoders, forms)
                sampler.add(values, _controls(layer, sampler.draws, block, found.centres[piece]))
    upper, lower = above.result(), below.result()
    plug_in = 1 + labelled
    return Ends(
        upper=upper,
        draws=above.draws,
        pooled_passes=pooled_counts,
        pooled_error=_pooled_error(pooled_counts, below.draws, lower, plug_in + 1),
        plug_in=_row(lower, plug_in),
        label_upper=_row(lower, LABEL) if labelled else None,
        lower=Estimate(lower.means[INFORMATION], width * lower.errors[INFORMATION]),
        lower_form=forms,
        lower_atoms=lower.stratum_means[INFORMATION],
        label_lower=_row(upper, LABEL) if labelled else None,
        n_draws=upper.draws + lower.draws,
        remainder=layer.pool.atoms.kernel.remainder,
    )


def _pilot(layer: Layer, passes: np.ndarray) -> Chosen:
    """Draws around pooled passes: several of each of the heaviest atoms, and of others at equal steps in space."""
    active = np.flatnonzero(layer.laws.any(1))
    heaviest = np.argsort(-layer.laws[active].max(1), kind="stable")[:PILOT_HEAVY]
    evenly = np.linspace(0, len(active) - 1, min(len(active), PILOT_ATOMS)).astype(int)
    atom = np.concatenate([np.repeat(active[heaviest], PILOT_DRAWS), active[evenly]])
    rng = stream(layer.seed, "pilot")
    return Chosen(atom, rng.integers(passes[atom]), rng.standard_normal((len(atom), layer.atoms.d)))


def _choose(layer: Layer, pilot: _Round, decoders: list[GaussianDecoder]) -> np.ndarray:
    """(K,) the form of the lower end that is the largest one at the pilot's points."""
    logs = layer.logs(pilot.points, pilot.atom)
    split = pilot.log_own[:, None] - logs.total
    count = np.bincount(pilot.atom, minlength=layer.atoms.n)[pilot.atom]
    share = layer.laws[pilot.atom] / count[:, None]
    # Atoms that are drawn at steps stand for their neighbours; the heaviest stand for themselves.
    share[count <= 1] *= max(1.0, layer.laws.any(1).sum() / PILOT_ATOMS)
    names, gains = ["split"], [np.zeros(layer.laws.shape[1])]
    for decoder in decoders:
        excess = decoder.log_ratios(pilot.points, pilot.atom, layer.laws) - split
        excess = np.where(np.isfinite(excess), excess, 0.0)
        names.append(decoder.name)
        mean = (share * excess).sum(0) / share.sum(0)
        error = np.sqrt((np.square(share) * np.square(excess - mean)).sum(0)) / share.sum(0)
        # More components take more time, and an excess that may be chance is none.
        gains.append(mean - error - WORTH * (decoder.components - 1))
    return np.array(names, dtype=object)[np.stack(gains).argmax(0)]


def _above(layer: Layer, logs: Logs, log_own: np.ndarray, log_weight: np.ndarray, atom: np.ndarray) -> np.ndarray:
    """Variables at points of own passes: `_plug_in_variables` with A_i for B_i, but the label's, which are held out."""
    # The others' sum is what is left of the total without B_i. Where B_i dominates, that keeps 1e-16 of the total, and
    # A_i is of the size of B_i there.
    log_pooled = log_weight + logs.own[:, None]
    share = np.minimum(np.exp(np.minimum(log_pooled - logs.total, 0.0)), 1.0)
    with np.errstate(divide="ignore"):
        others = logs.total + np.log1p(-share)
    total = np.logaddexp(others, log_weight + log_own[:, None])
    return _plug_in_variables(layer, logs, log_own, total, atom)


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
