"""Mutual information of a layer by sample propagation: I(X; T_l) and I(T_l; Y), each between two ends.

B_j is the mixture around the stored passes of atom j, A_j that around its `own` passes, A and B independent. The sum
over all atoms, which is dear, takes B; points of atom i are held against A_i beside it.

* Upper end, t from A_i: E ln A_i(t) / (w_i A_i(t) + sum_{j != i} w_j B_j(t)) >= D(p_i || p) for every atom.
* Lower end "split", t from B_i: E ln A_i(t) / sum_j w_j B_j(t), at most I in the sum over atoms. Close where atoms
  overlap. A_i here has a share of .03 of Gaussians with its moments, so that no point is beyond all passes.
* Lower end "gaussian", t from B_i: ln q_i(t) / sum_j w_j q_j(t) for Gaussians q_j with the moments of A_j, or for
  mixtures of 2, 4, 8 or 16, "gaussian_2" and so on. Close where S_l given X is nearly Gaussian.

Which of the lower ends is published is chosen for each law on draws that are then thrown away. Without `own` the upper
end is the plug-in of the stored passes, and the lower one comes from `fresh` passes: "held_out", the densities B_j as a
decoder, "smoothed", the same with a share of .02 that ignores t, or "gaussian"; the largest counts.

Source: Goldfeld et al., arXiv:1810.11589, section V. Lower ends: Barber and Agakov, NIPS 2003; "split": Gibbs'
inequality for ln A_i and concavity of the entropy for the pooled mixture. Upper end: B is independent of (A_i, t) and
-ln is convex, so B may be replaced by its mean p; then a -> a ln(a / (w a + c)) is convex, so A_i may be.
"""

from hashlib import blake2b
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from ib_core.arrays import arrays_of, host
from ib_core.checks import finite_array, finite_there, label_indices, law_columns, positive
from ib_core.estimators.layer import Layer, Pool
from ib_core.estimators.layer_ends import Ends, exact_ends, fresh_ends
from ib_core.estimators.layer_information import LayerInformation
from ib_core.estimators.own_ends import own_ends
from ib_core.estimators.published import published
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.kernels.groups import Groups
from ib_core.mixture.order import spatial_order
from ib_core.mixture.own_passes import OwnPasses, blocks, own_passes

__all__ = ["LayerInformation", "layer_information"]

PROVEN_PASSES = 16  # of the own ones, around which a proven lower end is averaged


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

    What its two ends are, and where they are proved, stands at the head of this file.

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

    Example:
        >>> import numpy as np
        >>> signals = np.array([-1.0, -1.0, 1.0, 1.0])[:, None, None]  # four inputs in two pairs
        >>> found = layer_information(signals, beta=0.1, deterministic=True)
        >>> print(f"{found.upper.value:.4f} nats, {found.saturation:.2f} of H(X)")
        0.6931 nats, 0.50 of H(X)

        A noisy layer needs further passes, and gives a bracket:

        >>> noise = 0.3 * np.random.default_rng(0).normal(size=(3, 520, 1))
        >>> passes, own = np.split(np.tanh(np.array([-2.0, 0.0, 2.0])[:, None, None] + noise), [20], axis=1)
        >>> low, high = layer_information(passes, beta=0.3, own=own).bracket
        >>> print(f"between {low:.2f} and {high:.2f} nats; ln 3 is {np.log(3):.2f}")
        between 0.73 and 0.87 nats; ln 3 is 1.10
    """
    passes = finite_there(passes, "passes", "(N, n_x, d)", arrays_of(device))
    columns = law_columns(weights, len(passes))
    if confidence not in ("estimated", "proven"):
        raise ValueError(f'confidence must be "estimated" or "proven", got {confidence!r}')
    if max_draws is not None and not max_draws >= 1:
        raise ValueError(f"max_draws must be at least 1, got {max_draws}")
    many, fresh = _further_passes(tuple(passes.shape), own, fresh, deterministic)
    laws, column = _distinct_columns(columns)
    layer = _layer(
        passes,
        positive(beta, "beta"),
        laws,
        label_indices(labels, len(passes)),
        device,
        labelled=labels is not None,
        targets=_targets(target_stderr, column),
        max_draws=max(64 * len(passes), 2**18) if max_draws is None else max_draws,
        pointwise_draws=pointwise_draws,
        seed=seed,
        proven=confidence == "proven",
    )
    return published(layer, _ends(layer, many, fresh, deterministic), column, np.ndim(weights) != 2, deterministic)


def _further_passes(
    shape: tuple[int, ...], own: Any, fresh: Any, deterministic: bool
) -> tuple[OwnPasses | None, np.ndarray | None]:
    """Own and fresh passes that fit to passes of that shape (N, n_x, d): one of the two at most."""
    n, n_passes, d = shape
    if deterministic and (n_passes > 1 or own is not None or fresh is not None):
        raise ValueError(
            f"a deterministic layer has one pass and needs no further ones, got passes {shape}"
            + (" and own" if own is not None else "") + (" and fresh" if fresh is not None else "")
        )  # fmt: skip
    if own is not None and fresh is not None:
        raise ValueError("give own or fresh passes, not both: own ones serve both ends")
    if fresh is not None:
        fresh = finite_array(fresh, "fresh", "(N, m, d)")
        if (len(fresh), fresh.shape[2]) != (n, d):
            raise ValueError(f"fresh must have shape ({n}, m, {d}) like passes, got {fresh.shape}")
    return None if own is None else own_passes(own, n, d), fresh


def _layer(
    passes: Any, beta: float, laws: np.ndarray, label_of: np.ndarray, device: str | None, **options: Any
) -> Layer:
    """The atoms in order: those of one label stand together, so a class is a slice, and p the sum of its classes."""
    order = spatial_order(host(passes.mean(1)), label_of)
    bounds = np.searchsorted(label_of[order], np.arange(label_of.max() + 2))
    atoms = Atoms(passes[order], beta, device=device)
    laws = laws[order]
    groups = Groups(laws, [slice(a, b) for a, b in pairwise(bounds)], label_of[order])
    pool = Pool(atoms, groups, np.arange(len(passes)))
    return Layer(atoms=atoms, laws=laws, groups=groups, order=order, device=device, pool=pool, **options)


def _ends(layer: Layer, own: OwnPasses | None, fresh: np.ndarray | None, deterministic: bool) -> Ends:
    """Both ends, from the passes that there are."""
    if deterministic:
        return exact_ends(layer)
    if own is not None and not layer.proven:
        return own_ends(layer, own)
    if own is not None:
        # What is proven is the plug-in above, and below a decoder of the pooled passes at all others.
        parts = blocks(own, layer.atoms.n, layer.atoms.d)
        fresh = np.concatenate([signals[:, :PROVEN_PASSES] for _, signals in parts])
    return fresh_ends(layer, None if fresh is None else layer.atoms.scaled(fresh[layer.order]))


def _distinct_columns(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct columns of (N, K), and for each column which of them it is: equal laws are one."""
    seen: dict[bytes, int] = {}
    keys = (blake2b(np.ascontiguousarray(law).data).digest() for law in columns.T)
    column = np.array([seen.setdefault(key, len(seen)) for key in keys])
    return np.ascontiguousarray(columns[:, np.unique(column, return_index=True)[1]]), column


def _targets(target_stderr: float | np.ndarray, column: np.ndarray) -> np.ndarray:
    """The least target of each distinct law."""
    targets = np.full(column.max() + 1, np.inf)
    for law, target in zip(column, np.broadcast_to(target_stderr, column.shape), strict=True):
        targets[law] = min(targets[law], positive(target, "target_stderr"))
    return targets
