"""Means over stratified draws, with control variates, and their covariance from the spread within strata."""

import numpy as np

# The values (variables, n, K) and controls (n, controls) of one unit: one draw, or a mean of some, of every stratum.
Unit = tuple[np.ndarray, np.ndarray]

FREEDOM = 30  # degrees of freedom from which on slopes are fitted: with few, they would reproduce the values


class Strata:
    """Accumulates units; the mean of a variable under column k is `sum_i w_ik mean_r (x_ik,r - b_k . c_i,r)`.

    The controls c have mean 0 in every stratum and unit; b_k is the regression of the first units, weighted with
    w_ik^2, or 0 where too few strata carry the column. Units are independent, so the covariance of the means under
    columns k and j is `sum_i w_ik w_ij C_i / R`,
    with C_i the covariance of the R units within stratum i.

    Args:
        weights: (n, K) of the strata.
        full: how many variables get the covariance between columns; the others get their variance only.
        units: the first ones, at least 2 where there are 2.

    Source: Cochran, Sampling Techniques, 3rd ed., 5.3 and 5A.12; Glasserman, Monte Carlo Methods in Financial
    Engineering, 4.1.
    """

    def __init__(self, weights: np.ndarray, full: int, units: list[Unit]) -> None:
        self.weights, self.full, self.units = weights, full, 0
        self.slopes = self._regression(units)
        for unit in units:
            self.add(unit)

    def _regression(self, units: list[Unit]) -> np.ndarray:
        """(variables, controls, K): slopes on deviations from a stratum's mean; from the overall one for one unit."""
        values, controls = (np.stack(part) for part in zip(*units, strict=True))
        if len(units) > 1:
            values, controls = values - values.mean(0), controls - controls.mean(0)
        else:
            values = values - values.mean(2, keepdims=True)
        squares = np.square(self.weights)
        size = controls.shape[2]
        moments = np.einsum("rnc,rne->nce", controls, controls).reshape(-1, size * size)
        gram = (squares.T @ moments).reshape(-1, size, size)  # (K, controls, controls)
        cross = np.stack([np.einsum("rnc,rnk,nk->kc", controls, x, squares) for x in values.swapaxes(0, 1)])
        slopes = (cross[:, :, None] @ np.linalg.pinv(gram, rcond=1e-9, hermitian=True))[:, :, 0].swapaxes(1, 2)
        # How many strata of equal weight would carry as much.
        strata = np.square(squares.sum(0)) / np.maximum(np.square(squares).sum(0), 1e-300)
        freedom = strata * (len(units) - 1) if len(units) > 1 else strata - 1
        return np.where(freedom >= FREEDOM, slopes, 0.0)

    def add(self, unit: Unit) -> None:
        """One more unit."""
        values = unit[0] - unit[1] @ self.slopes
        if not self.units:
            # Deviations from the first unit: where all units agree, the spread is exactly 0.
            self.first, self.sum = values, np.zeros_like(values)
            self.squares = np.zeros_like(values[0])
            self.covariance, self.variance = self._squares(self.sum)
        else:
            values -= self.first
            self.sum += values
            self.squares += np.square(values[0])
            covariance, variance = self._squares(values * self.weights)
            self.covariance += covariance
            self.variance += variance
        self.units += 1

    def _squares(self, weighted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over strata of products across columns (full, K, K), and of squares (variables, K)."""
        products = weighted[: self.full].swapaxes(1, 2) @ weighted[: self.full]
        return products, np.einsum("vnk,vnk->vk", weighted, weighted)

    def stratum_means(self) -> np.ndarray:
        """(variables, n, K)."""
        return self.first + self.sum / self.units

    def stratum_errors(self) -> np.ndarray:
        """(n, K) standard errors of the first variable's stratum means, from R - 1 degrees each; NaN for one unit."""
        if self.units == 1:
            return np.full(self.squares.shape, np.nan)
        excess = self.squares - np.square(self.sum[0]) / self.units
        return np.sqrt(np.maximum(excess, 0.0) / (self.units * (self.units - 1)))

    def means(self) -> np.ndarray:
        """(variables, K)."""
        return np.einsum("vnk,nk->vk", self.stratum_means(), self.weights)

    def spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Of `means`: covariance (full, K, K) and variance (variables, K)."""
        if self.units == 1:
            # One unit shows no spread within a stratum. Neighbouring strata are collapsed in pairs instead: the square
            # of the difference of their weighted values has at least the variance of their sum as its expectation.
            weighted = self.first * self.weights
            pairs = weighted[:, 0::2].copy()
            pairs[:, : weighted.shape[1] // 2] -= weighted[:, 1::2]
            return self._squares(pairs)
        covariance, variance = self._squares(self.sum * self.weights)
        scale = self.units * (self.units - 1)
        return (self.covariance - covariance / self.units) / scale, (self.variance - variance / self.units) / scale
