"""The ends of a layer's information: density ratios averaged over draws, for each way to know the channel."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from ib_core.arrays import namespace, sums_from
from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.coarse_draws import Shared
from ib_core.estimators.gaussian_decoder import GaussianDecoder, Moments, gaussian_decoders
from ib_core.estimators.layer import Layer, Logs
from ib_core.sampling.draws import Chosen, Draws
from ib_core.sampling.until import Sampled, Sampler

LAMBDA = 0.02  # share of the smoothed decoder that ignores t: it costs .02 nats and holds ln q(x|t)/w above -3.9
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
    lower_atoms: Any  # (active atoms, K) the parts of `lower`, where the draws were; None without one
    label_lower: Estimate | None
    n_draws: int
    remainder: float  # see `Kernel`
    lower_sampled: Sampled | None = None  # the smoothed decoder first, where that is a bounded variable
    shared: Shared | None = None  # the draws that both ends have in common, whose part is in all of the above


INFORMATION, LABEL = 0, 1
OVERLAP, DIVERGENCE, SURPRISE, OWN_SURPRISE = -4, -3, -2, -1


def plug_in_variables(layer: Layer, logs: Logs, log_own: Any, log_total: Any, atom: Any) -> Any:
    """(V, m, K): ln p_i/p, with labels ln p_y/p, then u (1 - u), ln p/p' for the first law p', -ln p and -ln p_i.

    u = w_i p_i / p is the own atom's share.
    """
    xp = namespace(log_own)
    own = xp.broadcast_to(log_own[:, None], log_total.shape)
    labels = [] if logs.label is None else [logs.label - logs.total]
    share = xp.minimum(layer.there.laws[atom] * xp.exp(xp.minimum(own - log_total, 700.0)), 1.0)
    return xp.stack([own - log_total, *labels, share * (1 - share), log_total - log_total[:, :1], -log_total, -own])


def row(sampled: Sampled, variable: int) -> Estimate:
    """One variable under every law."""
    return Estimate(sampled.means[variable], sampled.errors[variable])


def _run(layer: Layer, sampler: Sampler, signals: Any, variables) -> Sampled:  # type: ignore[no-untyped-def]
    """Draw around signals (N, passes, d) until the target is met."""
    while chosen := sampler.chosen():
        for block in chosen:
            centres = signals[block.atom, block.signal]
            points = centres + block.noise
            sampler.add(variables(points, block.atom), draws_controls(layer, sampler.draws, block, centres))
    return sampler.result()


def draws_controls(layer: Layer, draws: Draws, block: Chosen, centres: Any) -> Any:
    """(m, controls) of mean 0 at draws around centres (m, d), which bounded variables do without."""
    return namespace(centres).zeros((len(centres), 1)) if layer.proven else draws.controls(block, centres)


def exact_ends(layer: Layer) -> Ends:
    """Both ends of a deterministic layer, whose one pass is the channel: they are one number."""

    def variables(points: Any, atom: Any) -> Any:
        logs = layer.logs(points, atom)
        return plug_in_variables(layer, logs, logs.own, logs.total, atom)

    least, counts = layer.pointwise_draws, layer.passes_of(1, None)
    sampler = layer.sampler("plug_in", counts, 1 + layer.labelled, sampled=False, least=least)
    found = _run(layer, sampler, layer.atoms.there, variables)
    information, label = row(found, INFORMATION), row(found, LABEL) if layer.labelled else None
    starts = np.cumsum(sampler.draws.copies) - sampler.draws.copies
    copies = layer.atoms.xp.asarray(sampler.draws.copies)[:, None]
    parts = sums_from(found.stratum_means[INFORMATION], starts) / copies
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
        layer.pool.atoms.remainder,
    )


def fresh_ends(layer: Layer, fresh: np.ndarray | None) -> Ends:
    """The plug-in of the pooled passes, and the best decoder made of them at fresh passes (N, m, d), if there are."""

    def above(points: Any, atom: Any) -> Any:
        logs = layer.logs(points, atom)
        return plug_in_variables(layer, logs, logs.own, logs.total, atom)

    n_passes = layer.atoms.n_passes
    counts = layer.passes_of(n_passes, None)
    sampler = layer.sampler("plug_in", counts, 1 + layer.labelled, least=layer.pointwise_draws)
    upper = _run(layer, sampler, layer.atoms.there, above)
    information, label = row(upper, INFORMATION), row(upper, LABEL) if layer.labelled else None
    none = np.zeros(len(layer.targets))
    remainder = layer.pool.atoms.remainder
    passes = layer.passes_of(n_passes, None)
    ends = Ends(upper, sampler.draws, passes, none, information, label, None, None, None, None, upper.draws, remainder)
    if fresh is None:
        return ends
    decoder: GaussianDecoder | None = None
    if n_passes >= LEAST_PASSES:
        moments = Moments(layer.atoms.n, layer.atoms.d, n_passes, layer.atoms.xp, most=1)
        moments.add(np.arange(layer.atoms.n), layer.atoms.there)
        (decoder,) = gaussian_decoders(moments)

    def below(points: Any, atom: Any) -> Any:
        logs = layer.logs(points, atom)
        ratio = logs.own[:, None] - logs.total
        found = [_smoothed(ratio)]
        if logs.label is not None:
            found.append(logs.label - logs.total)
        found.append(ratio)
        if decoder is not None:
            found.append(decoder.log_ratios(points, atom, layer.there.laws))
        return namespace(points).stack(found)

    names = FRESH_FORMS[:1] if layer.proven else FRESH_FORMS[: 2 + (decoder is not None)]
    width, passes = choice_width(len(names)), layer.passes_of(fresh.shape[1], None)
    sampler = layer.sampler("held_out", passes, 1 + layer.labelled, lower=slice(None), width=width)
    found = _run(layer, sampler, layer.atoms.xp.asarray(fresh), below)
    rows = [0, *range(1 + layer.labelled, layer.labelled + len(names))]
    values, errors = found.means[rows], width * found.errors[rows]
    best = np.argmax(values - WIDTH * errors, axis=0)
    pick = (best, np.arange(len(best)))
    return ends._replace(
        lower=Estimate(values[pick], errors[pick]),
        lower_form=np.array(names, dtype=object)[best],
        lower_atoms=layer.atoms.xp.stack(
            [found.stratum_means[rows[form], :, k] for k, form in enumerate(best)], axis=1
        ),
        label_lower=row(found, LABEL) if layer.labelled else None,
        n_draws=ends.n_draws + found.draws,
        lower_sampled=found,
    )


def _smoothed(log_ratio: Any) -> Any:
    """ln( (1 - lam) p_i/p + lam )."""
    xp = namespace(log_ratio)
    return xp.logaddexp(math.log1p(-LAMBDA) + log_ratio, math.log(LAMBDA))
