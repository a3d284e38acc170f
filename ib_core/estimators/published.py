"""The ends under the caller's columns, atoms and units, with the bracket that they make."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ib_core.arrays import copied, host, largest, moving_sums, namespace, sums_from
from ib_core.bounds.passes import passes_deviation_joint
from ib_core.channels.closed_forms import noise_entropy
from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.layer import Layer
from ib_core.estimators.layer_ends import (
    DIVERGENCE,
    INFORMATION,
    LAMBDA,
    OVERLAP,
    OWN_SURPRISE,
    SURPRISE,
    Ends,
    row,
)
from ib_core.estimators.layer_information import LayerInformation, PublishedEnds
from ib_core.sampling.strata import quantile
from ib_core.sampling.until import Sampled

NEIGHBOURS = 16  # atoms whose spread a pointwise error looks at, beside the few draws of its own
DELTA = 1.35e-3  # probability beyond WIDTH standard deviations on one side


class _Columns:
    """From the distinct laws to the caller's columns; numbers where the caller gave one law."""

    def __init__(self, column: np.ndarray, scalar: bool) -> None:
        self.column, self.scalar = column, scalar

    def number(self, values: np.ndarray) -> Any:
        """Values (K,)."""
        return values[self.column[0]].item() if self.scalar else values[self.column]

    def estimate(self, found: Estimate, less: float = 0.0) -> Estimate:
        """An estimate, less a constant."""
        return Estimate(self.number(found.value - less), self.number(found.stderr))

    def bracket(self, low: Estimate | None, high: Estimate, most: np.ndarray) -> tuple[Any, Any]:
        """WIDTH standard errors of both ends outwards, within 0 and `most`."""
        below = np.zeros_like(most) if low is None else np.clip(low.value - WIDTH * low.stderr, 0.0, most)
        return self.number(below), self.number(np.clip(high.value + WIDTH * high.stderr, 0.0, most))


def published(layer: Layer, ends: Ends, column: np.ndarray, scalar: bool, deterministic: bool) -> LayerInformation:
    """What is published of the ends of a layer.

    Args:
        column: which distinct law each of the caller's columns is.
        scalar: whether numbers are wanted in the place of arrays, for one law.
        deterministic: whether the passes are the channel.
    """
    columns, entropies = _Columns(column, scalar), layer.entropies
    most = np.minimum(entropies, _most_of_power(layer)) if deterministic else entropies
    upper, lower = _bounded_ends(layer, ends, deterministic, most)
    constant = layer.atoms.log_constant + math.log(layer.atoms.n_passes)
    surprise = row(ends.upper, SURPRISE)
    pointwise, errors, low = _by_atom(layer, ends, scalar, column)
    if deterministic:
        exact = np.full(len(entropies), noise_entropy(layer.atoms.d, layer.atoms.beta))
        conditional = columns.estimate(Estimate(exact, np.zeros_like(exact)))
    else:
        conditional = columns.estimate(row(ends.upper, OWN_SURPRISE), constant)
    label_bracket = None
    if ends.label_upper is not None:
        label_bracket = columns.bracket(ends.label_lower, ends.label_upper, np.minimum(layer.label_entropies, most))
    return LayerInformation(
        upper=columns.estimate(upper),
        lower=None if lower is None else columns.estimate(lower),
        lower_form=None if ends.lower_form is None else ends.lower_form[column][0 if scalar else slice(None)],
        label_upper=None if ends.label_upper is None else columns.estimate(ends.label_upper),
        label_lower=None if ends.label_lower is None else columns.estimate(ends.label_lower),
        plug_in=columns.estimate(ends.plug_in),
        bracket=columns.bracket(lower, upper, most),
        label_bracket=label_bracket,
        entropy=columns.estimate(Estimate(surprise.value, np.hypot(surprise.stderr, ends.pooled_error)), constant),
        conditional_entropy=conditional,
        pointwise=pointwise,
        pointwise_stderr=errors,
        pointwise_low=low,
        output_divergence=columns.estimate(row(ends.upper, DIVERGENCE)),
        saturation=columns.number(np.divide(upper.value, entropies, out=np.zeros_like(entropies), where=entropies > 0)),
        draws=ends.n_draws,
        remainder=ends.remainder,
        reached=columns.number(_reached(layer, upper, lower, ends.label_upper, ends.label_lower)),
        _ends=PublishedEnds(
            _without_strata(ends.upper),
            lower,
            upper.stderr,
            ends.pooled_error,
            most,
            column,
            deterministic,
            None if ends.shared is None else ends.shared.without_strata(),
        ),
    )


def _without_strata(sampled: Sampled) -> Sampled:
    """What sums over laws take: strata are large, and may lie on a device."""
    none = np.empty((len(sampled.means), 0, sampled.means.shape[1]))
    return replace(sampled, stratum_means=none, stratum_variances=none)


def _most_of_power(layer: Layer) -> np.ndarray:
    """(K,) d/2 ln(1 + P/d) with P the power of the signals around their mean, in units of beta^2: the most that a
    deterministic layer of this power tells, and 0 where all signals are equal."""
    signals = layer.atoms.there[:, 0]
    signals = signals - signals[:1]
    laws = layer.there.laws.swapaxes(0, 1)
    power = host((laws @ (signals**2).sum(1)) - ((laws @ signals) ** 2).sum(1))
    return layer.atoms.d / 2 * np.log1p(np.maximum(power, 0.0) * (1 + 1e-9) / layer.atoms.d)


def _bounded_ends(layer: Layer, ends: Ends, deterministic: bool, most: np.ndarray) -> tuple[Estimate, Estimate | None]:
    """Both ends with all of their errors, none larger than from the end to where the truth may be, 0 to `most` (K,)."""
    upper = Estimate(ends.upper.means[INFORMATION], np.hypot(ends.upper.errors[INFORMATION], ends.pooled_error))
    lower = ends.lower
    if layer.proven and not deterministic:
        upper, lower = _proven(layer, ends, upper)

    def limited(end: Estimate) -> Estimate:
        farthest = np.maximum(most, np.maximum(end.value, most - end.value))
        return Estimate(end.value, np.where(most > 0, np.minimum(end.stderr, farthest / WIDTH), 0.0))

    return limited(upper), None if lower is None else limited(lower)


def _reached(layer: Layer, *ends: Estimate | None) -> np.ndarray:
    """(K,) whether every standard error met its target."""
    return np.all([end.stderr <= layer.targets for end in ends if end is not None], axis=0)


def _proven(layer: Layer, ends: Ends, upper: Estimate) -> tuple[Estimate, Estimate | None]:
    """Both ends with errors of which WIDTH are what bounded differences prove."""
    n_passes = layer.atoms.n_passes
    deviation = np.array([passes_deviation_joint(law, n_passes, DELTA) for law in layer.laws.T])
    upper = Estimate(upper.value, upper.stderr + deviation / WIDTH)
    if ends.lower is None or ends.lower_sampled is None:
        return upper, ends.lower
    found, weights = ends.lower_sampled, layer.laws[layer.laws.any(1)]
    # Terms n w_i x_ir of equal weight, one for each atom and pass, independent and bounded.
    n, units = weights.shape[0], found.units
    means, variances = host(found.stratum_means[0]), np.nan_to_num(host(found.stratum_variances[0]))
    second = np.square(n * weights) * (np.square(means) + variances * (units - 1))
    count = n * units
    variance = np.maximum(second.mean(0) - np.square((n * weights * means).mean(0)), 0.0) * count / max(count - 1, 1)
    log = math.log(2 / DELTA)
    largest = n * weights * (-np.log(np.where(weights > 0, weights, 1.0)) - math.log(LAMBDA))
    margin = np.sqrt(2 * variance * log / count) + 7 * largest.max(0) * log / (3 * max(count - 1, 1))
    return upper, Estimate(ends.lower.value, margin / WIDTH)


def _others_error(laws: Any, passes: Any, overlap: Any) -> Any:
    """(N, K) standard error of i(x) for the passes of all other atoms in p; 0 for atoms without weight in that law.

    To first order a pass s of atom j moves it by w_j / n_j (1 - E[u_i(t) | s] / w_i), t around s, u_i = w_i p_i / p. So
    the variance is at most the sum over j other than i of w_j^2 / n_j E_j[u_i^2] / w_i^2. The sum of w_j E_j[u_i^2]
    over all j is E_p[u_i^2] = w_i E_i[u_i], of which j = i has w_i E_i[u_i^2]. That leaves
    max_j (w_j / n_j) E_i[u_i (1 - u_i)] / w_i.

    Args:
        laws: (N, K), where the draws were, like what follows.
        passes: (N,) of each atom.
        overlap: (N, K) of E_i[u_i (1 - u_i)].
    """
    xp, share = namespace(laws), laws / passes[:, None]
    first = share.argmax(0)
    most = copied(xp.broadcast_to(largest(share), share.shape))
    pick = (first, xp.arange(laws.shape[1]))
    others = copied(share)
    others[pick] = 0.0
    most[pick] = largest(others)
    return xp.sqrt(xp.where(laws > 0, most * overlap / xp.where(laws > 0, laws, 1.0), 0.0))


def _by_atom(layer: Layer, ends: Ends, scalar: bool, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pointwise information, its errors and the lower end's parts, in the caller's order of atoms and laws."""
    draws, found, xp = ends.draws, ends.upper, layer.atoms.xp
    copies = np.ones(len(draws.active), int) if draws.sampled else draws.copies
    starts = np.cumsum(copies) - copies

    def of_atoms(strata: Any, power: int) -> Any:
        if len(strata) == len(starts):
            return strata
        return sums_from(strata, starts) / xp.asarray(copies**power)[:, None]

    means = of_atoms(found.stratum_means[INFORMATION], 1)
    variances = of_atoms(found.stratum_variances[INFORMATION], 2)
    # Few draws of one atom may agree by chance: no error is below that of its neighbours in space.
    window = min(NEIGHBOURS, len(variances))
    if found.units == 1:  # then only neighbours show any spread
        variances = xp.square(means - means[np.roll(np.arange(len(means)), 1)]) / 2
    around = moving_sums(variances, window) / moving_sums(xp.full((len(variances), 1), 1.0), window)
    freedom = np.array(float(window * max(found.units - 1, 1)))
    errors = xp.sqrt(xp.maximum(variances, around)) * max(float(quantile(freedom)) / WIDTH, 1.0)
    active = xp.asarray(draws.active)
    if ends.pooled_passes is not None:
        overlap = xp.maximum(of_atoms(found.stratum_means[OVERLAP], 1), 0.0)
        passes = xp.asarray(ends.pooled_passes)[active]
        errors = xp.hypot(errors, _others_error(layer.there.laws[active], passes, overlap))
    parts = xp.full((3, layer.atoms.n, layer.laws.shape[1]), np.nan)
    parts[0, active], parts[1, active] = means, errors
    if ends.lower_atoms is not None:
        parts[2, active] = ends.lower_atoms
    parts[:, ~layer.there.counts] = np.nan
    places = xp.asarray(np.argsort(layer.order))  # of the caller's atoms
    chosen = host(parts[:, places][:, :, column[0]] if scalar else parts[:, places][:, :, xp.asarray(column)])
    return chosen[0], chosen[1], chosen[2]
