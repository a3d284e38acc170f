"""Means over stratified draws, with control variates, and their covariance from the spread within strata."""

from typing import Any

import numpy as np
from scipy import special

from ib_core.arrays import copied, host, namespace
from ib_core.estimate import WIDTH

# The values (variables, n, K) and controls (n, controls) of one unit: one draw, or a mean of some, of every stratum.
Unit = tuple[Any, Any]

BY_UNIT = 6  # first units from which on they, not the strata, are split for the slopes
FREEDOM = 30  # degrees of freedom from which on slopes are fitted: with few, they would be mostly noise


class Strata:
    """Accumulates units; the mean of a variable under column k is `sum_i w_ik mean_r (x_ik,r - b_k . c_i,r)`.

    The controls c have mean 0 in every stratum and unit. b_k is a regression weighted with w_ik^2. No slope corrects a
    draw that it comes from, which would bias the mean: of the first units every other one serves those between, or,
    where there are few, every other stratum the strata between; later units take the slopes of all first ones. It is 0
    where too few strata carry the column. Units are independent, so the
    covariance of the means under columns k and j is `sum_i w_ik w_ij C_i / R`, with C_i the covariance of the R units
    within stratum i.

    Values may be on a device, where the sums then are too; what is said of the means is on the host.

    Args:
        weights: (n, K) of the strata.
        full: how many variables get the covariance between columns; the others get their variance only.
        units: the first ones, at least 2 where there are 2.

    Source: Cochran, Sampling Techniques, 3rd ed., 5.3 and 5A.12; Glasserman, Monte Carlo Methods in Financial
    Engineering, 4.1; Avramidis and Wilson, splitting, Annals of Operations Research 45 (1993).
    """

    def __init__(self, weights: Any, full: int, units: list[Unit]) -> None:
        xp = self.xp = namespace(units[0][0])
        self.weights, self.full, self.units = weights, full, 0
        values, controls = (xp.stack(part) for part in zip(*units, strict=True))
        halves = slice(1, None, 2), slice(0, None, 2)
        self.begun = len(units)
        self.by_unit = len(units) >= BY_UNIT
        if self.by_unit:
            self.slopes = [_regression(values[half], controls[half], weights) for half in halves]
            self.slopes.append(_regression(values, controls, weights))
        else:
            self.slopes = [_regression(values[:, :, half], controls[:, half], weights[half]) for half in halves]
        for unit in units:
            self.add(unit)

    def _corrected(self, unit: Unit) -> np.ndarray:
        """The values of the next unit less what its controls explain."""
        values, controls = unit
        if self.by_unit:
            return values - controls @ self.slopes[self.units % 2 if self.units < self.begun else 2]
        values = copied(values)
        for half, slopes in enumerate(self.slopes):
            values[:, half::2] -= controls[half::2] @ slopes
        return values

    def add(self, unit: Unit) -> None:
        """One more unit."""
        values = self._corrected(unit)
        if not self.units:
            # Deviations from the first unit: where all units agree, the spread is exactly 0.
            self.first, self.sum, self.squares = values, self.xp.zeros_like(values), self.xp.zeros_like(values)
            self.covariance, self.variance = self._squares(self.sum)
        else:
            values -= self.first
            self.sum += values
            self.squares += self.xp.square(values)
            covariance, variance = self._squares(values * self.weights)
            self.covariance += covariance
            self.variance += variance
        self.units += 1

    def _squares(self, weighted: Any) -> tuple[Any, Any]:
        """Sums over strata of products across columns (full, K, K), and of squares (variables, K)."""
        products = weighted[: self.full].swapaxes(1, 2) @ weighted[: self.full]
        return products, self.xp.einsum("vnk,vnk->vk", weighted, weighted)

    def stratum_means(self) -> Any:
        """(variables, n, K)."""
        return self.first + self.sum / self.units

    def stratum_variances(self) -> Any:
        """(variables, n, K) of the stratum means, from R - 1 degrees of freedom each; NaN for one unit."""
        if self.units == 1:
            return self.xp.full(self.squares.shape, np.nan)
        excess = self.squares - self.xp.square(self.sum) / self.units
        return self.xp.maximum(excess, 0.0) / (self.units * (self.units - 1))

    def means(self) -> np.ndarray:
        """(variables, K)."""
        return host(self.xp.einsum("vnk,nk->vk", self.stratum_means(), self.weights))

    def spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Of `means`: covariance (full, K, K) and variance (variables, K)."""
        if self.units == 1:
            # One unit shows no spread within a stratum. Neighbouring strata are collapsed in pairs instead: the square
            # of the difference of their weighted values has at least the variance of their sum as its expectation.
            covariance, variance = self._squares(self._pairs())
            return host(covariance), host(variance)
        covariance, variance = self._squares(self.sum * self.weights)
        scale = self.units * (self.units - 1)
        covariance, variance = self.covariance - covariance / self.units, self.variance - variance / self.units
        return host(covariance) / scale, host(variance) / scale

    def _pairs(self) -> Any:
        """(variables, pairs, K) differences of neighbouring strata; the last of an odd number counts as it is."""
        weighted = self.first * self.weights
        pairs = copied(weighted[:, 0::2])
        pairs[:, : weighted.shape[1] // 2] -= weighted[:, 1::2]
        return pairs

    def widening(self) -> np.ndarray:
        """(variables, K), see the function of that name."""
        if self.units == 1:
            return widening(self.xp.square(self._pairs()), np.ones(1))
        return widening(self.stratum_variances() * self.xp.square(self.weights), np.array([self.units - 1.0]))


def widening(parts: Any, degrees: np.ndarray) -> np.ndarray:
    """(variables, K) by how much errors have to be larger for their few degrees of freedom: at least 1.

    With it, WIDTH standard errors cover nearly as often as they do for a normal variable of known variance: they miss
    .27 % from about 300 parts on, .5 to .8 % with a few parts of 3 degrees or 20 of one, 2 % with three of one degree.
    The degrees are those of a sum of variances (variables, n, K) with few degrees (n,) each, or (1,), estimated from
    their own spread.

    Source: Satterthwaite, Biometrics Bulletin 2 (1946), with the correction for E s^4 = sigma^4 (1 + 2 / degrees).
    """
    xp = namespace(parts)
    total, fourth = host(parts.sum(1)), host((xp.square(parts) / xp.asarray(degrees + 2)[:, None]).sum(1))
    freedom = np.divide(np.square(total), fourth, out=np.full_like(total, np.inf), where=fourth > 0) - 2
    return np.maximum(quantile(np.maximum(freedom, degrees.min())) / WIDTH, 1.0)


def quantile(freedom: np.ndarray) -> np.ndarray:
    """Of Student's t with so many degrees of freedom, at the level of WIDTH normal standard deviations."""
    return special.stdtrit(np.minimum(freedom, 1e9), special.ndtr(WIDTH))


def _regression(values: Any, controls: Any, weights: Any) -> Any:
    """(variables, controls, K) slopes of values (units, variables, n, K) on controls (units, n, controls).

    They are slopes on deviations from a stratum's mean; from the overall one where there is only one unit.
    """
    xp = namespace(values)
    units, variables, n, columns = values.shape
    size = controls.shape[2]
    if not n:
        return xp.zeros((variables, size, columns))
    if units > 1:
        values, controls = values - values.mean(0), controls - controls.mean(0)
    else:
        values = values - values.mean(2, keepdims=True)
    squares = xp.square(weights)
    moments = xp.einsum("rnc,rne->nce", controls, controls).reshape(-1, size * size)
    gram = (squares.T @ moments).reshape(-1, size, size)  # (K, controls, controls)
    cross = xp.stack([xp.einsum("rnc,rnk,nk->kc", controls, x, squares) for x in values.swapaxes(0, 1)])
    slopes = (cross[:, :, None] @ xp.linalg.pinv(gram, rtol=1e-9, hermitian=True))[:, :, 0].swapaxes(1, 2)
    # How many strata of equal weight would carry as much.
    strata = xp.square(squares.sum(0)) / xp.maximum(xp.square(squares).sum(0), 1e-300)
    freedom = strata * (units - 1) if units > 1 else strata - 1
    return xp.where(freedom >= FREEDOM, slopes, 0.0)
