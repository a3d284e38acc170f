"""Mutual information of a layer by sample propagation: I(X; T_l) and I(T_l; Y), each between two ends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from ib_core.bounds.passes import passes_deviation_joint
from ib_core.channels.closed_forms import noise_entropy
from ib_core.checks import finite_array, integer_array, law_columns, positive
from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.coarse_draws import Shared
from ib_core.estimators.layer import Layer, Pool
from ib_core.estimators.layer_ends import (
    DIVERGENCE,
    INFORMATION,
    LAMBDA,
    OVERLAP,
    OWN_SURPRISE,
    SURPRISE,
    Ends,
    exact_ends,
    fresh_ends,
)
from ib_core.estimators.own_ends import own_ends
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.kernels.groups import Groups
from ib_core.mixture.order import spatial_order
from ib_core.mixture.own_passes import blocks, own_passes
from ib_core.sampling.strata import quantile
from ib_core.sampling.until import Sampled

NEIGHBOURS = 16  # atoms whose spread a pointwise error looks at, beside the few draws of its own
PROVEN_PASSES = 16  # of the own ones, around which a proven lower end is averaged
DELTA = 1.35e-3  # probability beyond WIDTH standard deviations on one side


@dataclass(frozen=True)
class LayerInformation:
    """What a layer knows of its input and of the label, in nats. With K laws every number is an array (K,).

    Standard errors count draws and passes, so that three of them cover as often as they do for a normal variable: few
    degrees of freedom, and rare events of which there was no instance, widen them.

    Attributes:
        upper: at least I(X; T_l) in expectation.
        lower: at most I(X; T_l) in expectation. None where nothing but 0 is known to lie below.
        lower_form: which lower end that is: "exact", "split", "gaussian", "gaussian_2", "gaussian_4", "held_out" or
            "smoothed", see `layer_information`; None without one.
        label_upper, label_lower: I(T_l; Y) likewise. None without `labels`.
        plug_in: I_SP, the information of the channel made of `passes`, at least I(X; T_l) in expectation.
        bracket: lower - 3 stderr and upper + 3 stderr, within 0 and H(X). It holds the truth of every law by itself as
            often as three standard errors do.
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
    _ends: "_Ends"

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


class _Ends(NamedTuple):
    """Both ends under the distinct laws, for sums over laws."""

    upper: Sampled
    lower: Estimate | None
    errors: np.ndarray  # (K,) of the upper end
    pooled_error: np.ndarray  # (K,) the part of them that the pooled passes have
    entropy: np.ndarray  # (K,) H(X)
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


def layer_information(
    passes: Any,
    beta: float,
    *,
    own: Any = None,
    fresh: Any = None,
    deterministic: bool = False,
    weights: Any = None,
    labels: Any = None,
    confidence: Literal["estimated", "proven"] = "estimated",
    target_stderr: float | np.ndarray = 1e-2,
    max_draws: int | None = None,
    pointwise_draws: int = 2,
    seed: int = 0,
    device: str | None = None,
) -> LayerInformation:
    """I(X; T_l) and I(T_l; Y) in nats for T_l = S_l + Z, from signals S_l of N atoms, for K laws of X at once.

    B_j is the mixture around `passes` of atom j, A_j that around its `own` passes, A and B independent. The sum over
    all atoms, which is dear, takes B; points of atom i are held against A_i beside it.

    * Upper end, t from A_i: E ln A_i(t) / (w_i A_i(t) + sum_{j != i} w_j B_j(t)) >= D(p_i || p) for every atom.
    * Lower end "split", t from B_i: E ln A_i(t) / sum_j w_j B_j(t), at most I in the sum over atoms. Close where atoms
      overlap.
    * Lower end "gaussian", t from B_i: ln q_i(t) / sum_j w_j q_j(t) for Gaussians q_j with the moments of A_j, or for
      mixtures of two or four, "gaussian_2" and "gaussian_4". Close where S_l given X is nearly Gaussian.

    Which of the lower ends is published is chosen for each law on draws that are then thrown away. Without `own`
    the upper end is the plug-in of `passes`, and the lower one comes from `fresh` passes: "held_out", the densities
    B_j as a decoder, "smoothed", the same with a share of .02 that ignores t, or "gaussian"; the largest counts.

    Args:
        passes: (N, n_x, d) signals.
        beta: standard deviation of the noise.
        own: (N, n_own, d) further passes, independent of `passes`, or `OwnPasses`, which makes them block by block.
        fresh: (N, m, d) signals of further passes, independent of `passes`, where there are no `own` ones.
        deterministic: S_l is a function of X, as in the first layer: `passes` (N, 1, d) are then the channel itself,
            and nothing else is asked for. Equal passes are no sign of it: rare events may not have happened.
        weights: (N,) or (N, K), columns summing to 1; uniform by default.
        labels: (N,) integers, Y as a function of X.
        confidence: "proven" takes for passes what bounded differences prove instead of their spread: the plug-in with
            McDiarmid's deviation as upper end, the smoothed decoder with an empirical Bernstein bound as lower end.
            Each fails with a probability of at most .00135, but for the draws around `passes`, which keep their three
            standard errors.
        target_stderr: sampling stops when no standard error is larger; (K,) where laws need not be known equally well.
        max_draws: most points for each end of the bracket; by default 64 for each atom and at least 2^18.
        pointwise_draws: draws of each atom, at least, for the upper end and thus for `pointwise`, whatever `max_draws`;
            where a control serves that costs a sixteenth, sixteen of its draws for each of them.
        seed: key of the draws.
        device: where torch computes for wide layers; None is the CPU.

    Raises:
        ValueError: shapes do not fit, a signal is NaN or infinite, weights are no law, `beta` is not positive.

    Source: Goldfeld et al., arXiv:1810.11589, section V. Lower ends: Barber and Agakov, NIPS 2003; "split": Gibbs'
    inequality for ln A_i and concavity of the entropy for the pooled mixture. Upper end: B is independent of (A_i, t)
    and -ln is convex, so B may be replaced by its mean p; then a -> a ln(a / (w a + c)) is convex, so A_i may be.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    columns = law_columns(weights, n)
    if confidence not in ("estimated", "proven"):
        raise ValueError(f'confidence must be "estimated" or "proven", got {confidence!r}')
    if deterministic and (n_passes > 1 or own is not None or fresh is not None):
        raise ValueError(
            f"a deterministic layer has one pass and needs no further ones, got passes {passes.shape}"
            + (" and own" if own is not None else "") + (" and fresh" if fresh is not None else "")
        )  # fmt: skip
    if own is not None and fresh is not None:
        raise ValueError("give own or fresh passes, not both: own ones serve both ends")
    many = None if own is None else own_passes(own, n, d)
    if fresh is not None:
        fresh = finite_array(fresh, "fresh", "(N, m, d)")
        if (len(fresh), fresh.shape[2]) != (n, d):
            raise ValueError(f"fresh must have shape ({n}, m, {d}) like passes, got {fresh.shape}")
    if max_draws is not None and not max_draws >= 1:
        raise ValueError(f"max_draws must be at least 1, got {max_draws}")
    label_of = label_indices(labels, n)

    # Atoms of one label stand together: a class is then a slice, and p is the sum of its classes. Equal laws are one
    # column.
    order = spatial_order(passes.mean(1), label_of)
    laws, column = _distinct_columns(columns)
    targets = np.full(laws.shape[1], np.inf)
    for law, target in zip(column, np.broadcast_to(target_stderr, column.shape), strict=True):
        targets[law] = min(targets[law], positive(target, "target_stderr"))
    bounds = np.searchsorted(label_of[order], np.arange(label_of.max() + 2))
    atoms = Atoms(passes[order], positive(beta, "beta"), device=device)
    groups = Groups(laws[order], [slice(a, b) for a, b in pairwise(bounds)], label_of[order])
    layer = Layer(
        atoms=atoms,
        laws=laws[order],
        groups=groups,
        order=order,
        labelled=labels is not None,
        targets=targets,
        max_draws=max(64 * n, 2**18) if max_draws is None else max_draws,
        pointwise_draws=pointwise_draws,
        seed=seed,
        proven=confidence == "proven",
        device=device,
        pool=Pool(atoms, groups, np.arange(n)),
    )
    if deterministic:
        ends = exact_ends(layer)
    elif many is not None and not layer.proven:
        ends = own_ends(layer, many)
    else:
        # What is proven is the plug-in above, and below a decoder of the pooled passes at all others.
        further = fresh
        if many is not None:
            further = np.concatenate([signals[:, :PROVEN_PASSES] for _, signals in blocks(many, n, d)])
        ends = fresh_ends(layer, None if further is None else layer.atoms.scaled(further[order]))
    return _published(layer, ends, column, np.ndim(weights) != 2, deterministic)


def _distinct_columns(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct columns of (N, K), and for each column which of them it is."""
    seen: dict[bytes, int] = {}
    column = np.array([seen.setdefault(law.tobytes(), len(seen)) for law in columns.T])
    return columns[:, np.unique(column, return_index=True)[1]], column


def label_indices(labels: Any, n: int) -> np.ndarray:
    """Labels as 0..C-1, all 0 without labels."""
    if labels is None:
        return np.zeros(n, dtype=np.int64)
    labels = np.asarray(labels.detach().cpu() if isinstance(labels, torch.Tensor) else labels)
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), got {labels.shape}")
    if labels.dtype.kind not in "biuSU":
        labels = integer_array(labels, "labels", "(N)")
    return np.unique(labels, return_inverse=True)[1]


def _published(layer: Layer, ends: Ends, column: np.ndarray, scalar: bool, deterministic: bool) -> LayerInformation:
    """The ends under the caller's columns, atoms and units."""
    entropies = layer.entropies
    upper = Estimate(ends.upper.means[INFORMATION], np.hypot(ends.upper.errors[INFORMATION], ends.pooled_error))
    lower = ends.lower
    if layer.proven and not deterministic:
        upper, lower = _proven(layer, ends, upper)
    # Where errors are larger than all there is to know, they need not be larger than that.
    upper = Estimate(upper.value, np.minimum(upper.stderr, entropies / WIDTH))
    if lower is not None:
        lower = Estimate(lower.value, np.minimum(lower.stderr, entropies / WIDTH))

    def published(estimate: Estimate, offset: float = 0.0) -> Estimate:
        value, stderr = estimate.value[column] - offset, estimate.stderr[column]
        return Estimate(float(value[0]), float(stderr[0])) if scalar else Estimate(value, stderr)

    def enclosed(low: Estimate | None, high: Estimate, most: np.ndarray) -> tuple[Any, Any]:
        below = np.zeros_like(most) if low is None else np.clip(low.value - WIDTH * low.stderr, 0.0, most)
        above = np.clip(high.value + WIDTH * high.stderr, 0.0, most)
        pair = below[column], above[column]
        return (float(pair[0][0]), float(pair[1][0])) if scalar else pair

    def row(variable: int) -> Estimate:
        return Estimate(ends.upper.means[variable], ends.upper.errors[variable])

    constant = layer.atoms.log_constant + math.log(layer.atoms.n_passes)
    pointwise, errors, low = _by_atom(layer, ends, scalar, column)
    label = None
    if ends.label_upper is not None:
        class_laws = np.stack([layer.laws[part].sum(0) for part in layer.groups.slices])
        most = -np.sum(class_laws * np.log(np.where(class_laws > 0, class_laws, 1.0)), axis=0)
        label = enclosed(ends.label_lower, ends.label_upper, most)
    reached = np.ones(len(entropies), bool)
    for end in (upper, lower, ends.label_upper, ends.label_lower):
        if end is not None:
            reached &= end.stderr <= layer.targets
    conditional = published(row(OWN_SURPRISE), constant)
    if deterministic:
        exact = np.full(len(entropies), noise_entropy(layer.atoms.d, layer.atoms.beta))
        conditional = published(Estimate(exact, np.zeros_like(exact)))
    surprise = row(SURPRISE)
    saturation = np.divide(upper.value, entropies, out=np.zeros_like(entropies), where=entropies > 0)
    return LayerInformation(
        upper=published(upper),
        lower=None if lower is None else published(lower),
        lower_form=None if ends.lower_form is None else ends.lower_form[column][0 if scalar else slice(None)],
        label_upper=None if ends.label_upper is None else published(ends.label_upper),
        label_lower=None if ends.label_lower is None else published(ends.label_lower),
        plug_in=published(ends.plug_in),
        bracket=enclosed(lower, upper, entropies),
        label_bracket=label,
        entropy=published(Estimate(surprise.value, np.hypot(surprise.stderr, ends.pooled_error)), constant),
        conditional_entropy=conditional,
        pointwise=pointwise,
        pointwise_stderr=errors,
        pointwise_low=low,
        output_divergence=published(row(DIVERGENCE)),
        saturation=float(saturation[column[0]]) if scalar else saturation[column],
        draws=ends.n_draws,
        remainder=ends.remainder,
        reached=bool(reached[column[0]]) if scalar else reached[column],
        _ends=_Ends(ends.upper, lower, upper.stderr, ends.pooled_error, entropies, column, deterministic, ends.shared),
    )


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
    means, variances = found.stratum_means[0], np.nan_to_num(found.stratum_variances[0])
    second = np.square(n * weights) * (np.square(means) + variances * (units - 1))
    count = n * units
    variance = np.maximum(second.mean(0) - np.square((n * weights * means).mean(0)), 0.0) * count / max(count - 1, 1)
    log = math.log(2 / DELTA)
    largest = n * weights * (-np.log(np.where(weights > 0, weights, 1.0)) - math.log(LAMBDA))
    margin = np.sqrt(2 * variance * log / count) + 7 * largest.max(0) * log / (3 * max(count - 1, 1))
    return upper, Estimate(ends.lower.value, margin / WIDTH)


def _others_error(laws: np.ndarray, passes: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """(N, K) standard error of i(x) for the passes of all other atoms in p; 0 for atoms without weight in that law.

    To first order a pass s of atom j moves it by w_j / n_j (1 - E[u_i(t) | s] / w_i), t around s, u_i = w_i p_i / p. So
    the variance is at most the sum over j other than i of w_j^2 / n_j E_j[u_i^2] / w_i^2. The sum of w_j E_j[u_i^2]
    over all j is E_p[u_i^2] = w_i E_i[u_i], of which j = i has w_i E_i[u_i^2]. That leaves
    max_j (w_j / n_j) E_i[u_i (1 - u_i)] / w_i.

    Args:
        laws: (N, K).
        passes: (N,) of each atom.
        overlap: (N, K) of E_i[u_i (1 - u_i)].
    """
    share = laws / passes[:, None]
    first = share.argmax(0)
    most = np.broadcast_to(share.max(0), share.shape).copy()
    pick = (first, np.arange(laws.shape[1]))
    others = share.copy()
    others[pick] = 0.0
    most[pick] = others.max(0)
    return np.sqrt(np.divide(most * overlap, laws, out=np.zeros_like(laws), where=laws > 0))


def _by_atom(layer: Layer, ends: Ends, scalar: bool, column: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pointwise information, its errors and the lower end's parts, in the caller's order of atoms and laws."""
    draws, found = ends.draws, ends.upper
    copies = np.ones(len(draws.active), int) if draws.sampled else draws.copies
    starts = np.cumsum(copies) - copies

    def of_atoms(strata: np.ndarray, power: int) -> np.ndarray:
        return np.add.reduceat(strata, starts) / (copies**power)[:, None]

    means = of_atoms(found.stratum_means[INFORMATION], 1)
    variances = of_atoms(found.stratum_variances[INFORMATION], 2)
    # Few draws of one atom may agree by chance: no error is below that of its neighbours in space.
    window = min(NEIGHBOURS, len(variances))
    if found.units == 1:  # then only neighbours show any spread
        variances = np.square(means - means[np.roll(np.arange(len(means)), 1)]) / 2
    kernel = np.ones(window)
    share = np.convolve(np.ones(len(variances)), kernel, "same")
    around = np.stack([np.convolve(each, kernel, "same") / share for each in variances.T], axis=1)
    freedom = np.array(float(window * max(found.units - 1, 1)))
    errors = np.sqrt(np.maximum(variances, around)) * max(float(quantile(freedom)) / WIDTH, 1.0)
    if ends.pooled_passes is not None:
        overlap = np.maximum(of_atoms(found.stratum_means[OVERLAP], 1), 0.0)
        errors = np.hypot(errors, _others_error(layer.laws[draws.active], ends.pooled_passes[draws.active], overlap))
    parts = np.full((3, layer.atoms.n, layer.laws.shape[1]), np.nan)
    at = layer.order[draws.active]
    parts[0, at], parts[1, at] = means, errors
    if ends.lower_atoms is not None:
        parts[2, at] = ends.lower_atoms
    parts[:, ~layer.counts[np.argsort(layer.order)]] = np.nan
    chosen = parts[:, :, column[0]] if scalar else parts[:, :, column]
    return chosen[0], chosen[1], chosen[2]
