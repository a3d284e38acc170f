"""What sample propagation finds: the ends of I(X; T_l) and I(T_l; Y) under every law, with their errors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.coarse_draws import Shared
from ib_core.sampling.until import Sampled


@dataclass(frozen=True)
class LayerInformation:
    """The ends of I(X; T_l) and I(T_l; Y) of a layer, in nats. With K laws every number is an array (K,).

    Standard errors count draws and passes, so that three of them cover as often as they do for a normal variable: few
    degrees of freedom, and rare events of which there was no instance, widen them.

    Attributes:
        upper: at least I(X; T_l) in expectation.
        lower: at most I(X; T_l) in expectation. None where nothing but 0 is known to lie below.
        lower_form: which lower end that is: "exact", "split", "gaussian", "gaussian_2" to "gaussian_16",
            "held_out" or "smoothed", see `layer_information`; None without one.
        label_upper, label_lower: I(T_l; Y) likewise. None without `labels`.
        plug_in: I_SP, the information of the channel made of `passes`, at least I(X; T_l) in expectation.
        bracket: lower - WIDTH stderr and upper + WIDTH stderr, WIDTH = 3, within 0 and H(X), and of a deterministic
            layer within d/2 ln(1 + P / (d beta^2)) of its power P around the mean. It holds the truth of
            every law by itself as often as so many standard errors of a normal variable do.
        label_bracket: likewise for I(T_l; Y). None without `labels`.
        entropy, conditional_entropy: h(T_l) and h(T_l | X), whose difference is `upper`.
        pointwise: (N,) or (N, K) of i(x) = D(P_{T|x} || P_T), each at least the truth in expectation, whose weighted
            sum is `upper`; NaN for atoms without weight in that law, under the first of several laws only for atoms
            without weight in any.
        pointwise_stderr: standard errors of `pointwise`, each from the few draws of one atom and its neighbours, and at
            most as large as its overlap with other atoms allows for their passes, which all atoms share.
        pointwise_low: the part of every atom in `lower`. The sum is below; a single one may err by what the model of
            the lower end errs.
        output_divergence: D(P'_T || P_T) of every law P' from the first one, P; 0 for the first.
        saturation: upper / H(X). Near 1 it says only that no two atoms overlap. 0 where H(X) = 0.
        draws: points at which densities were evaluated, all ends together.
        remainder: the most that skipping of far atoms may have added to a density's -ln p, and so to any value above.
        reached: whether every standard error of both ends and of the label information met the target.
    """

    upper: Estimate
    lower: Estimate | None
    lower_form: Any
    label_upper: Estimate | None
    label_lower: Estimate | None
    plug_in: Estimate
    bracket: tuple[Any, Any]
    label_bracket: tuple[Any, Any] | None
    entropy: Estimate
    conditional_entropy: Estimate
    pointwise: np.ndarray
    pointwise_stderr: np.ndarray
    pointwise_low: np.ndarray
    output_divergence: Estimate
    saturation: Any
    draws: int
    remainder: float
    reached: Any
    _ends: "PublishedEnds"

    def difference(self, k: int, j: int) -> Estimate:
        """The upper end under law k minus that under law j, with the error of a difference on the draws they share.

        What both ends are too large by cancels only in part: `change` encloses the truth.
        """
        return self.combination({k: 1.0, j: -1.0} if k != j else {k: 0.0})

    def combination(self, coefficients: Mapping[int, float]) -> Estimate:
        """Sum of coefficient times the upper end under the law of that number, with its error on the shared draws."""
        ends = self._ends
        # Equal laws are one column, and cancel exactly.
        share = np.zeros(len(ends.upper.means[0]))
        for law, coefficient in coefficients.items():
            share[ends.column[law]] += coefficient
        error = math.hypot(ends.upper.spreads[0].error(share), float(np.abs(share) @ ends.pooled_error))
        if ends.shared is not None:
            error = math.hypot(error, ends.shared.error(share, np.zeros_like(share)))
        return Estimate(float(share @ ends.upper.means[0]), error if share.any() else 0.0)

    def change(self, k: int, j: int) -> tuple[Estimate, Estimate]:
        """The two ends of I under law k minus I under law j: lower less upper end, and upper less lower end.

        In expectation the truth lies between; three standard errors outwards it does as often as in `bracket`. Two
        columns with the same law have change 0.

        Raises:
            ValueError: there is no lower end.
        """
        if self.lower is None:
            raise ValueError("a change is enclosed by both ends: give `own` or `fresh` to layer_information")
        k, j = (int(self._ends.column[law]) for law in (k, j))
        if k == j:
            return Estimate(0.0, 0.0), Estimate(0.0, 0.0)
        if self._ends.exact:
            difference = self.combination({self._ends.law_of(k): 1.0, self._ends.law_of(j): -1.0})
            return difference, difference
        least, most = self._ends.apart(k, j), self._ends.apart(j, k)
        return least, Estimate(-most.value, most.stderr)

    def change_bracket(self, k: int, j: int) -> tuple[float, float]:
        """The change of I from law j to law k, three standard errors of both ends outwards, within -H and H'."""
        low, high = self.change(k, j)
        most = [float(self._ends.entropy[self._ends.column[law]]) for law in (k, j)]
        return max(low.value - WIDTH * low.stderr, -most[1]), min(high.value + WIDTH * high.stderr, most[0])


class PublishedEnds(NamedTuple):
    """Both ends under the distinct laws, for sums over laws."""

    upper: Sampled
    lower: Estimate | None
    errors: np.ndarray  # (K,) of the upper end
    pooled_error: np.ndarray  # (K,) the part of them that the pooled passes have
    entropy: np.ndarray  # (K,) the most that is known of I(X; T): H(X), or less
    column: np.ndarray  # which distinct law each of the caller's columns is
    exact: bool
    shared: Shared | None

    def apart(self, k: int, j: int) -> Estimate:
        """The lower end under law k less the upper one under law j.

        They rest on draws and passes of their own, but for the pooled passes, which both know, and for the draws that
        are shared on purpose, which cancel in part.
        """
        assert self.lower is not None
        error = math.hypot(self.lower.stderr[k], self.errors[j])
        if self.shared is not None:
            which = np.eye(len(self.errors))
            parts = self.shared.lower_errors[k], self.shared.upper_errors[j], self.shared.error(-which[j], which[k])
            error = min(error, math.hypot(*parts))
        return Estimate(float(self.lower.value[k] - self.upper.means[0][j]), error)

    def law_of(self, column: int) -> int:
        return int(np.flatnonzero(self.column == column)[0])
