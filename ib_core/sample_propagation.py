"""Mutual information of a layer by sample propagation: I(X; T_l) and I(T_l; Y) between a plug-in and a held-out end."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ib_core.closed_forms import noise_entropy
from ib_core.estimate import WIDTH, Estimate
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.checks import finite_array, law_columns, positive
from ib_core.mixture.density import log_totals
from ib_core.mixture.draws import Draws
from ib_core.mixture.groups import Groups
from ib_core.mixture.order import spatial_order
from ib_core.mixture.sampling import Sampled, Spread, sample


@dataclass(frozen=True)
class LayerInformation:
    """What a layer knows of its input and of the label, in nats. With K laws every number is an array (K,).

    Attributes:
        plug_in: I_SP, the information of the stored passes; at least I(X; T_l) in expectation.
        held_out: the same density averaged over fresh passes; at most I(X; T_l) in expectation. None without `fresh`.
        label_information, label_information_held_out: I(T_l; Y) likewise. None without `labels` (or `fresh`).
        bracket: (held_out - 3 stderr, plug_in + 3 stderr); without `fresh` only 0 is known to lie below.
        entropy: h(T_l) of the pooled mixture.
        conditional_entropy: h(T_l | X) = sum_i w_i h(p_i).
        pointwise: (N,) or (N, K) of i(x) = D(p_i || p), whose weighted sum is `plug_in`; NaN for atoms without weight
            in that law, under the first of several laws only for atoms without weight in any.
        pointwise_stderr: standard errors of `pointwise`, each from the few draws of one atom: for sums over atoms.
        output_divergence: D(P'_T || P_T) of every law P' from the first one, P; 0 for the first.
        saturation: plug_in / H(X). Near 1 it says only that no two atoms overlap. 0 where H(X) = 0.
        draws: points at which densities were evaluated, both ends together.
        remainder: the most that skipping of far atoms may have added to a density's -ln p, and so to any value above.
        reached: whether every standard error of `plug_in`, `held_out` and the label information met the target.
    """

    plug_in: Estimate
    held_out: Estimate | None
    label_information: Estimate | None
    label_information_held_out: Estimate | None
    bracket: tuple[Any, Any]
    entropy: Estimate
    conditional_entropy: Estimate
    pointwise: np.ndarray
    pointwise_stderr: np.ndarray
    output_divergence: Estimate
    saturation: Any
    draws: int
    remainder: float
    reached: bool
    _plug_in_spread: Spread
    _held_out_spread: Spread | None
    _column: np.ndarray  # which distinct law each column is

    def difference(self, k: int, j: int, *, held_out: bool = False) -> Estimate:
        """I under law k minus I under law j; the standard error is that of the difference, on the draws they share."""
        return self.combination({k: 1.0, j: -1.0} if k != j else {k: 0.0}, held_out=held_out)

    def combination(self, coefficients: Mapping[int, float], *, held_out: bool = False) -> Estimate:
        """Sum of coefficient times I under the law of that number, with its standard error on the shared draws."""
        estimate, spread = self.plug_in, self._plug_in_spread
        if held_out:
            if self.held_out is None or self._held_out_spread is None:
                raise ValueError("a held-out difference needs fresh passes: give `fresh` to layer_information")
            estimate, spread = self.held_out, self._held_out_spread
        # Equal laws are one column, and cancel exactly.
        share, value = np.zeros((2, len(spread.covariance)))
        for law, coefficient in coefficients.items():
            share[self._column[law]] += coefficient
            value[self._column[law]] = np.atleast_1d(estimate.value)[law]
        return Estimate(float(share @ value), spread.error(share))


def layer_information(
    passes: Any,
    beta: float,
    *,
    weights: Any = None,
    labels: Any = None,
    fresh: Any = None,
    target_stderr: float | np.ndarray = 1e-2,
    max_draws: int | None = None,
    seed: int = 0,
    device: str | None = None,
) -> LayerInformation:
    """I(X; T_l) and I(T_l; Y) in nats for T_l = S_l + Z, from signals S_l of N atoms, for K laws of X at once.

    With p_i the mixture around the passes of atom i and p = sum_i w_i p_i, it averages ln p_i(t) - ln p(t) over draws
    from p_i (plug-in), and over fresh passes plus noise (held-out). Both terms share each t; laws share all of them.

    Args:
        passes: (N, n_x, d) signals; n_x = 1 suffices where S_l is a function of X.
        beta: standard deviation of the noise.
        weights: (N,) or (N, K), columns summing to 1; uniform by default.
        labels: (N,) integers, Y as a function of X.
        fresh: (N, m, d) signals of further passes, independent of `passes`; m >= 2 gives the sharper standard error.
        target_stderr: sampling stops when no standard error is larger; (K,) where laws need not be known equally well.
        max_draws: most points for each end of the bracket; by default 64 for each atom and at least 2^18.
        seed: key of the draws.
        device: where torch computes for wide layers; None is the CPU.

    Raises:
        ValueError: shapes do not fit, a signal is NaN or infinite, weights are no law, `beta` is not positive.

    Source: Goldfeld et al., arXiv:1810.11589, section V; the held-out end: Barber and Agakov, NIPS 2003.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, _, d = passes.shape
    columns = law_columns(weights, n)
    fresh = None if fresh is None else finite_array(fresh, "fresh", "(N, m, d)")
    if fresh is not None and (len(fresh), fresh.shape[2]) != (n, d):
        raise ValueError(f"fresh must have shape ({n}, m, {d}) like passes, got {fresh.shape}")
    label_of = label_indices(labels, n)

    # Atoms of one label stand together: a class is then a slice, and p is the sum of its classes. Equal laws are one
    # column.
    order = spatial_order(passes.mean(1), label_of)
    laws, column = _distinct_columns(columns)
    targets = np.full(laws.shape[1], np.inf)
    for law, target in zip(column, np.broadcast_to(target_stderr, column.shape), strict=True):
        targets[law] = min(targets[law], positive(target, "target_stderr"))
    layer = _Layer(
        Atoms(passes[order], positive(beta, "beta"), device=device),
        laws[order],
        label_of[order],
        labels is not None,
        targets,
    )
    max_draws = max(64 * n, 2**18) if max_draws is None else max_draws

    draws, plug_in = layer.sample(layer.atoms.centres, False, max_draws, seed, "plug_in")
    held_out = None
    if fresh is not None:
        # Where all passes of each atom coincide, S_l is a function of X, and one pass is the channel itself.
        noisy = max(np.abs(signals - passes[:, :1]).max() for signals in (passes, fresh)) > 1e-6 * beta
        signals = layer.atoms.scaled(fresh[order])
        _, held_out = layer.sample(signals, noisy, max_draws, seed, "held_out")
    scalar = np.ndim(weights) != 2

    def published(sampled: Sampled, variable: int, offset: float = 0.0) -> Estimate:
        value, stderr = sampled.means[variable][column] - offset, sampled.errors[variable][column]
        return Estimate(float(value[0]), float(stderr[0])) if scalar else Estimate(value, stderr)

    def exact(value: float) -> Estimate:
        return Estimate(value, 0.0) if scalar else Estimate(np.full(len(column), value), np.zeros(len(column)))

    information = published(plug_in, 0)
    lower = published(held_out, 0) if held_out else None
    starts = np.cumsum(draws.copies) - draws.copies
    sums = (
        np.add.reduceat(plug_in.stratum_means[0], starts),
        np.sqrt(np.add.reduceat(np.square(plug_in.stratum_errors), starts)),
    )
    pointwise = np.full((2, n, laws.shape[1]), np.nan)
    pointwise[:, order[draws.active]] = np.stack(sums) / draws.copies[:, None]
    pointwise[:, ~layer.counts[np.argsort(order)]] = np.nan
    pointwise = pointwise[:, :, column[0]] if scalar else pointwise[:, :, column]
    input_entropy = -np.sum(laws * np.log(np.where(laws > 0, laws, 1.0)), axis=0)[column]
    saturation = np.divide(information.value, input_entropy, out=np.zeros_like(input_entropy), where=input_entropy > 0)
    return LayerInformation(
        plug_in=information,
        held_out=lower,
        label_information=published(plug_in, 1) if layer.labelled else None,
        label_information_held_out=published(held_out, 1) if held_out and layer.labelled else None,
        bracket=(
            information.value * 0.0 if lower is None else lower.value - WIDTH * lower.stderr,
            information.value + WIDTH * information.stderr,
        ),
        entropy=published(plug_in, -2, layer.atoms.log_constant),
        conditional_entropy=(
            exact(noise_entropy(d, beta)) if passes.shape[1] == 1 else published(plug_in, -1, layer.atoms.log_constant)
        ),
        pointwise=pointwise[0],
        pointwise_stderr=pointwise[1],
        output_divergence=published(plug_in, -3),
        saturation=float(saturation[0]) if scalar else saturation,
        draws=plug_in.draws + (held_out.draws if held_out else 0),
        remainder=layer.atoms.kernel.remainder,
        reached=plug_in.reached and (held_out is None or held_out.reached),
        _plug_in_spread=plug_in.spread,
        _held_out_spread=held_out.spread if held_out else None,
        _column=column,
    )


def _distinct_columns(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct columns of (N, K), and for each column which of them it is."""
    seen: dict[bytes, int] = {}
    column = np.array([seen.setdefault(law.tobytes(), len(seen)) for law in columns.T])
    return columns[:, np.unique(column, return_index=True)[1]], column


def label_indices(labels: Any, n: int) -> np.ndarray:
    """Labels as 0..C-1, all 0 without labels."""
    if labels is None:
        return np.zeros(n, dtype=np.int64)
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise ValueError(f"labels must have shape ({n},), got {labels.shape}")
    return np.unique(labels, return_inverse=True)[1]


class _Layer:
    """The densities of one layer under all laws, at points that come from a known atom."""

    def __init__(
        self, atoms: Atoms, laws: np.ndarray, label_of: np.ndarray, labelled: bool, targets: np.ndarray
    ) -> None:
        self.atoms, self.laws, self.labelled, self.targets = atoms, laws, labelled, targets
        # A density counts where the own atom has weight in the law; the first one everywhere, as others are held
        # against it. Elsewhere it may lie so deep in a tail that only the slow exact way could give it.
        self.counts = laws > 0
        self.counts[:, 0] = True
        bounds = np.searchsorted(label_of, np.arange(label_of[-1] + 2))
        slices = [slice(a, b) for a, b in pairwise(bounds)]
        self.groups = Groups(laws, slices, label_of)
        class_law = np.stack([laws[part].sum(0) for part in slices])  # (C, K)
        # A class without weight has no density; 1 keeps its logarithm finite, and its draws count for nothing.
        self.log_class_law = np.log(np.where(class_law > 0, class_law, 1.0))

    def variables(self, points: np.ndarray, atom: np.ndarray) -> np.ndarray:
        """At points (m, d): ln p_i/p, with labels ln p_y/p, then ln p/p' for the first law p', -ln p and -ln p_i.

        Returns:
            (4 or 5, m, K).
        """
        own = self.atoms.own(points, atom, self.groups.group_of[atom])
        log_own = (np.log(own.kernel) - own.shift)[:, None]
        logs = log_totals(self.atoms, points, self.groups, own, self.counts[atom])  # (1 or 2, m, K)
        log_total = logs[0]
        variables = [log_own - log_total]
        if self.labelled:
            label = self.groups.group_of[atom]
            log_class = logs[-1] - self.log_class_law[label]
            variables.append(np.where(np.isfinite(log_class), log_class, log_total) - log_total)
        return np.stack(
            [*variables, log_total - log_total[:, :1], -log_total, np.broadcast_to(-log_own, log_total.shape)]
        )

    def sample(
        self, signals: np.ndarray, of_channel: bool, max_draws: int, seed: int, name: str
    ) -> tuple[Draws, Sampled]:
        """Draws around signals (N, passes, d), which are the channel itself or a sample of it."""
        share = self.targets.min() / self.targets
        draws = Draws(self.atoms, signals, self.laws, of_channel, seed, name, share=share)
        return draws, sample(draws, self.variables, 1 + self.labelled, self.targets, max_draws)
