"""Both ends of a layer's information from own passes: pooled ones in the sum over all atoms, own ones beside it."""

from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import host, namespace
from ib_core.estimate import Estimate
from ib_core.estimators.coarse_control import Control, fitted_control, variances
from ib_core.estimators.coarse_draws import CoarseDraws, Shared
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
from ib_core.estimators.pilot import Pilot, choose, pilot_draws, piloted
from ib_core.estimators.rounds import Round, met
from ib_core.mixture.own_passes import OwnPasses, kept
from ib_core.sampling.draws import Chosen, Draws
from ib_core.sampling.until import Sampled, Sampler

ENOUGH = 0.25  # of a variance that a control may leave if its means are to stand for draws of every atom
FITTED = 2048  # own passes of an atom, at most, that the moments of Gaussian decoders come from


class _Plan(NamedTuple):
    """What the pilot decided.

    Attributes:
        own_counts, pooled_counts: (N,) passes of each atom that draws may lie around.
        offsets: (N,) the first own pass of each atom that they may lie around.
        forms: (K,) of the lower end.
        decoders: those that some law takes.
        support: Gaussians beside the own passes in the lower end, None where these are few.
        width: by which the error of the chosen form is widened.
        control: None where the coarse mixture tells too little.
        pilot: what its points said.
    """

    own_counts: np.ndarray
    pooled_counts: np.ndarray
    offsets: np.ndarray
    forms: np.ndarray
    decoders: list[GaussianDecoder]
    support: GaussianDecoder | None
    width: float
    control: Control | None
    pilot: Pilot


def own_ends(layer: Layer, own: OwnPasses) -> Ends:
    """Both ends from own passes, which are made anew in each round of draws and forgotten block by block."""
    own = kept(own, layer.atoms.n, layer.atoms.d)
    layer = layer.with_heavy(own)
    plan = _planned(layer, own)
    above, below = _samplers(layer, plan)
    _draw(layer, own, plan, above, below)
    return _ends(layer, plan, above, below)


def _planned(layer: Layer, own: OwnPasses) -> _Plan:
    """The form is chosen on the pooled passes that its end is averaged over, though on draws of its own."""
    atoms, heavy = layer.atoms, layer.heavy
    own_counts = layer.passes_of(own.n_passes, None if heavy is None else heavy.own)
    pooled_counts = layer.passes_of(atoms.n_passes, None if heavy is None else heavy.pooled)
    offsets = np.zeros(atoms.n, int)
    coarse: CoarseDraws | None = CoarseDraws(layer, own)
    if coarse is not None and coarse.worth:
        own_counts, offsets = coarse.window, coarse.offsets()
    else:
        coarse = None
    drawn = Round([pilot_draws(layer, pooled_counts)], offsets, False)
    decoders = _meet(layer, own, drawn, coarse)
    width = choice_width(1 + len(decoders))
    support = decoders[-1] if decoders else None
    if support is not None:
        drawn.log_own = support.supporting(drawn.points, drawn.atom, drawn.log_own)
    pilot = piloted(layer, drawn, decoders)
    forms = choose(pilot, decoders)
    decoders = [decoder for decoder in decoders if (forms == decoder.name).any()]
    control = None if coarse is None else fitted_control(layer, coarse, support, pilot, forms)
    return _Plan(own_counts, pooled_counts, offsets, forms, decoders, support, width, control, pilot)


def _meet(layer: Layer, own: OwnPasses, drawn: Round, coarse: CoarseDraws | None) -> list[GaussianDecoder]:
    """Hold the pilot's points against all own passes; the decoders that have these passes' moments.

    They know nothing of those that coarse draws lie around.
    """
    fitted = min(own.n_passes - (0 if coarse is None else coarse.each), FITTED)
    moments = Moments(layer.atoms.n, layer.atoms.d, fitted, layer.atoms.xp)
    drawn.place(layer)
    for part, atoms, signals, heavy in met(layer, own):
        drawn_around = coarse.each_heavy if heavy and coarse is not None else 0
        moments.add(atoms, signals[:, : signals.shape[1] - drawn_around] if heavy else signals[:, :fitted])
        drawn.meet(part, signals)
        if coarse is not None and not heavy:
            coarse.meet(atoms, signals, part.start)
    if coarse is not None:
        coarse.meet_heavy()
    return gaussian_decoders(moments) if own.n_passes >= LEAST_PASSES else []


def _samplers(layer: Layer, plan: _Plan) -> tuple[Sampler, Sampler]:
    """Draws around own passes, for the upper end, and around pooled ones, for the lower end."""
    pilot, forms, control = plan.pilot, plan.forms, plan.control
    labels, least = [LABEL] if layer.labelled else [], layer.pointwise_draws
    if control is not None:
        once = np.ones(layer.atoms.n, int)
        drawn = [variances(layer, pilot, forms, each, True, once)[0, 0] for each in (control, None)]
        if drawn[0] < ENOUGH * drawn[1]:  # the cheap draws of every atom say what it knows
            least = 2
    judged = 1 + layer.labelled

    def options(above: bool, seen: np.ndarray) -> dict[str, Any]:
        variance = variances(layer, pilot, forms, control, above, seen)
        besides = None if control is None else control.means_of(above)[1][:judged]
        return {"variables": judged, "variance": variance, "besides": besides}

    upper = options(True, layer.seen(plan.own_counts, least))
    lower = options(False, layer.seen(plan.pooled_counts, 2))
    return (
        layer.sampler("own", plan.own_counts, least=least, lower=labels, **upper),
        layer.sampler("pooled", plan.pooled_counts, lower=[INFORMATION], width=plan.width, **lower),
    )


def _draw(layer: Layer, own: OwnPasses, plan: _Plan, above: Sampler, below: Sampler) -> None:
    """Rounds of draws until both ends meet their target; each makes the own passes once."""
    while True:
        rounds = [(sampler, Round(chosen, plan.offsets, sampler is above)) for sampler, chosen in _chosen(above, below)]
        if not rounds:
            return
        for _, drawn in rounds:
            drawn.place(layer)
        for part, _, signals, _ in met(layer, own):
            for _, drawn in rounds:
                drawn.meet(part, signals)
        for sampler, drawn in rounds:
            for piece, block in zip(drawn.pieces(), drawn.chosen, strict=True):
                points, log_own = drawn.points[piece], drawn.log_own[piece]
                if sampler is below and plan.support is not None:
                    log_own = plan.support.supporting(points, block.atom, log_own)
                values = _variables(layer, plan, sampler is above, points, block.atom, log_own)
                sampler.add(values, draws_controls(layer, sampler.draws, block, drawn.centres[piece]))


def _chosen(*samplers: Sampler) -> list[tuple[Sampler, list[Chosen]]]:
    """The samplers that are not done, with the blocks of their next round."""
    return [(sampler, chosen) for sampler in samplers for chosen in [sampler.chosen()] if chosen]


def _variables(layer: Layer, plan: _Plan, above: bool, points: Any, atom: Any, log_own: Any) -> Any:
    """(V, m, K) of the upper end or of the lower one, less their controls, at points (m, d) of the atoms (m,)."""
    logs, laws, xp = layer.logs(points, atom), layer.there.laws[atom], namespace(points)
    with np.errstate(divide="ignore"):
        log_weight = xp.log(laws)
    if above:
        values = _above(layer, logs, log_own, log_weight, atom)
    else:
        values = _below(layer, plan, logs, log_own, log_weight, points, atom)
    if plan.control is not None:
        plan.control.subtract(layer, values, above, points, atom, log_own)
    return values


def _ends(layer: Layer, plan: _Plan, above: Sampler, below: Sampler) -> Ends:
    """What the draws say, with what was taken off as a control."""
    upper, lower, control = above.result(), below.result(), plan.control
    plug_in = 1 + layer.labelled
    shared, n_draws = None, upper.draws + lower.draws
    pooled_error = _pooled_error(plan.pooled_counts, below.draws, lower, plug_in + 1)
    if control is not None:
        apart = np.hypot(upper.errors[INFORMATION], pooled_error), plan.width * lower.errors[INFORMATION]
        shared = Shared(control.means, control.above[INFORMATION], control.below[INFORMATION], *apart)
        upper, lower = control.added(upper, True), control.added(lower, False)
        n_draws += control.means.draws
    return Ends(
        upper=upper,
        draws=above.draws,
        pooled_passes=plan.pooled_counts,
        pooled_error=pooled_error,
        plug_in=row(lower, plug_in),
        label_upper=row(lower, LABEL) if layer.labelled else None,
        lower=Estimate(lower.means[INFORMATION], plan.width * lower.errors[INFORMATION]),
        lower_form=plan.forms,
        lower_atoms=lower.stratum_means[INFORMATION],
        label_lower=row(upper, LABEL) if layer.labelled else None,
        n_draws=n_draws,
        remainder=layer.pool.atoms.remainder,
        shared=shared,
    )


def _above(layer: Layer, logs: Logs, log_own: Any, log_weight: Any, atom: Any) -> Any:
    """Variables at points of own passes: `plug_in_variables` with A_i for B_i, but the label's, which are held out."""
    # The others' sum is what is left of the total without B_i. Where B_i dominates, that keeps 1e-16 of the total, and
    # A_i is of the size of B_i there.
    xp, log_pooled = namespace(log_own), log_weight + logs.own[:, None]
    share = xp.minimum(xp.exp(xp.minimum(log_pooled - logs.total, 0.0)), 1.0)
    with np.errstate(divide="ignore"):
        others = logs.total + xp.log1p(-share)
    total = xp.logaddexp(others, log_weight + log_own[:, None])
    return plug_in_variables(layer, logs, log_own, total, atom)


def _below(
    layer: Layer,
    plan: _Plan,
    logs: Logs,
    log_own: Any,
    log_weight: Any,
    points: Any,
    atom: Any,
) -> Any:
    """(V, m, K) at points of pooled passes: the lower end, with labels ln p_y/p, the plug-in, and the atom's share."""
    xp, lower = namespace(points), log_own[:, None] - logs.total
    for decoder in plan.decoders:
        columns = np.flatnonzero(plan.forms == decoder.name)
        lower[:, columns] = decoder.log_ratios(points, atom, layer.there.laws[:, columns])
    labels = [] if logs.label is None else [logs.label - logs.total]
    posterior = xp.exp(xp.minimum(log_weight + logs.own[:, None] - logs.total, 0.0))
    return xp.stack([lower, *labels, logs.own[:, None] - logs.total, posterior])


def _pooled_error(passes: np.ndarray, draws: Draws, found: Sampled, posterior: int) -> np.ndarray:
    """(K,) standard error of the upper end for the pooled passes (N,) in its sum over other atoms.

    To first order a pass s of atom j moves it by -w_j/n_x (1 - E[u_j(t) | s]), t around s, with u_j = w_j p_j / p: the
    variance is sum_j w_j^2 Var(u_j) / n_x, and at most a quarter of sum_j w_j^2 / n_x, as u_j lies in [0, 1].
    """
    weights, xp = draws.weights, draws.xp
    counts, variance = xp.asarray(passes[draws.active])[:, None], xp.full(tuple(weights.shape), 0.25)
    if found.units >= LEAST_PASSES:
        seen = found.stratum_variances[posterior] * found.units * xp.asarray(draws.seen)[:, None]
        variance = xp.minimum(variance, seen)
    return np.sqrt(host((xp.square(weights) * variance / counts).sum(0)))
