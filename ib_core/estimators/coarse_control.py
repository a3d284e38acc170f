"""The coarse mixture as a control of both ends, with slopes that the pilot fits, and the variance that it leaves."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ib_core.arrays import host, namespace
from ib_core.estimators import coarse_draws
from ib_core.estimators.coarse_draws import CoarseDraws, Means
from ib_core.estimators.coarse_mixture import CoarseMixture
from ib_core.estimators.gaussian_decoder import GaussianDecoder
from ib_core.estimators.layer import Layer
from ib_core.estimators.pilot import Pilot, within
from ib_core.sampling.until import Sampled

LEAST_CORRELATION = 0.7  # with a control, from which on it is used
STEEPEST = 2.0  # slope of a control
ABOVE = 5  # variables at points of own passes, without labels


class Control(NamedTuple):
    """The coarse mixture as a control, and the slopes of the variables of both ends on it, found by the pilot."""

    mixture: CoarseMixture
    means: Means
    above: np.ndarray  # (V, K), see `own_ends`
    below: np.ndarray  # (V, K), see `own_ends`

    def rows(self, above: bool) -> list[int]:
        """Which control each variable has; those without any have slope 0."""
        labels = [coarse_draws.LABEL] if len(self.above) > ABOVE else []
        if not above:
            return [coarse_draws.INFORMATION, *labels, coarse_draws.INFORMATION, coarse_draws.INFORMATION]
        others = [coarse_draws.DIVERGENCE, coarse_draws.SURPRISE, coarse_draws.OWN_SURPRISE]
        return [coarse_draws.INFORMATION, *labels, coarse_draws.INFORMATION, *others]

    def subtract(self, layer: Layer, values: Any, above: bool, points: Any, atom: Any, log_own: Any) -> None:
        """Take the controls off the values (V, m, K), in place."""
        found = coarse_draws.controls(layer, self.mixture, points, atom, log_own)
        for value, slope, control in zip(values, self.above if above else self.below, self.rows(above), strict=True):
            if slope.any():
                value -= layer.atoms.xp.asarray(slope) * found[control]

    def means_of(self, above: bool) -> tuple[np.ndarray, np.ndarray]:
        """The controls' part in each variable: means and errors (V, K)."""
        means, rows, slopes = self.means, self.rows(above), self.above if above else self.below
        values, errors = means.values[rows], means.errors[rows]
        if not above:
            for v in self._information(rows):
                values[v], errors[v] = means.lower, means.lower_errors
        return slopes * values, np.abs(slopes) * errors

    def strata_of(self, above: bool) -> tuple[Any, Any]:
        """Likewise the means and variances of atoms (V, n, K), where the draws were."""
        means, rows, parts = self.means, self.rows(above), self.means.stratum_values
        slopes, parts = namespace(parts).asarray(self.above if above else self.below)[:, None], parts[rows]
        if not above:
            for v in self._information(rows):
                parts[v] = means.stratum_lower
        return slopes * parts, slopes**2 * means.stratum_variances[rows]

    def _information(self, rows: list[int]) -> np.ndarray:
        return np.flatnonzero(np.array(rows) == coarse_draws.INFORMATION)

    def added(self, sampled: Sampled, above: bool) -> Sampled:
        """The means with what was taken off their values."""
        values, errors = self.means_of(above)
        parts, variances = self.strata_of(above)
        return replace(
            sampled,
            means=sampled.means + values,
            errors=np.hypot(sampled.errors, errors),
            stratum_means=sampled.stratum_means + parts,
            stratum_variances=sampled.stratum_variances + variances,
        )


def fitted_control(
    layer: Layer, coarse: CoarseDraws, support: GaussianDecoder | None, pilot: Pilot, forms: np.ndarray
) -> Control | None:
    """None where the coarse mixture tells too little of the information under every law."""
    mixture, drawn = coarse.mixture(), pilot.drawn
    found = host(coarse_draws.controls(layer, mixture, drawn.points, drawn.atom, drawn.log_own))

    def slopes(values: np.ndarray, control: int) -> np.ndarray:
        values, controls = (pilot.share * within(part, pilot.atom)[0] for part in (values, found[control]))
        squares, products = np.square(controls).sum(0), (values * controls).sum(0)
        slope = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0)
        known = np.square(products) >= LEAST_CORRELATION**2 * squares * np.square(values).sum(0)
        return np.where(known, np.clip(slope, 0.0, STEEPEST), 0.0)

    total, logs = pilot.logs.total, pilot.logs
    label = [] if logs.label is None else [slopes(logs.label - total, coarse_draws.LABEL)]
    none, whole = np.zeros(len(forms)), np.ones(len(forms))
    information = slopes(pilot.ratios["split"], coarse_draws.INFORMATION)
    divergence = slopes(total - total[:, :1], coarse_draws.DIVERGENCE)
    above = [information, *label, none, divergence, slopes(-total, coarse_draws.SURPRISE), whole]
    plug_in = slopes(logs.own[:, None] - total, coarse_draws.INFORMATION)
    below = [slopes(pilot.lower(forms), coarse_draws.INFORMATION), *label, plug_in, none]
    if not (information.any() or below[0].any()):
        return None
    return Control(mixture, coarse.means(mixture, support), np.stack(above), np.stack(below))


def variances(
    layer: Layer, pilot: Pilot, forms: np.ndarray, control: Control | None, above: bool, seen: np.ndarray
) -> np.ndarray:
    """(1 or 2, K) of the means of the information and of that of the label, if `seen` (N,) points are drawn of each."""
    drawn, logs = pilot.drawn, pilot.logs
    labels = [] if logs.label is None else [logs.label - logs.total]
    values = np.stack([pilot.ratios["split"] if above else pilot.lower(forms), *labels])
    if control is not None:
        values = np.concatenate([values, np.zeros((len(control.rows(above)) - len(values), *values.shape[1:]))])
        values = layer.atoms.xp.asarray(values)
        control.subtract(layer, values, above, drawn.points, drawn.atom, drawn.log_own)
        values = host(values)
    found, atom = [], pilot.atom
    for value in values[: 1 + len(labels)]:
        deviations, count = within(value, atom)
        # share sums to the atom's weight, or to that of its neighbours, whose variances add.
        stands = (pilot.share * count[:, None]) / np.where(layer.laws[atom] > 0, layer.laws[atom], 1.0)
        weight = np.square(layer.laws[atom]) * stands / (np.maximum(count - 1, 1) * seen[atom])[:, None]
        found.append((weight * np.square(deviations)).sum(0))
    return np.stack(found)
