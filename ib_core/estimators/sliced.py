"""Sliced sample propagation: what the projections U T of a layer know, where the layer itself is saturated.

For U (k, d) with orthonormal rows U T = U S + N(0, beta^2 I_k): the projected layer is one of the same kind with k
units, so the estimator runs on it unchanged, and I(X; U T) <= I(X; T) by data processing.

U must be independent of the passes that are projected: directions come from other passes of the network, from other
data, or from nothing. Then

* the lower end of I(X; U T) is below I(X; T) too. The upper end bounds I(X; U T) alone;
* X -> U T is a fixed channel: every theorem on changes of the input law holds for it, in TV and KL as it stands and in
  Wasserstein distance with d = k. How a slice changes says nothing of how the layer changes;
* a half width of 1 does not hold for it: |u.s| <= r |u|_1 <= r sqrt d where every |s_j| <= r.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve, eigh

from ib_core.checks import finite_array, integer_array, law_columns
from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.sample_propagation import LayerInformation, layer_information
from ib_core.laws.input_law import entropy
from ib_core.mixture.own_passes import OwnPasses
from ib_core.sampling.strata import quantile
from ib_core.streams import stream

SHRINKAGE = 0.1  # share of a sphere in the scatter within classes, which few signals of many units leave singular
ORTHONORMAL = 1e-5  # how far U U^T may be from the identity: what float32 leaves
TILE_BYTES = 2**26  # of signals as float64 at a time
CACHE_BYTES = 2**28  # of projected own passes that are kept, so that the network makes them once


def principal_directions(signals: Any, k: int) -> np.ndarray:
    """The first k principal directions of given signals, for a projection of *other* passes.

    Args:
        signals: (n, d), or (N, n_x, d) whose rows are taken together.
        k: how many.

    Returns:
        (k, d) with orthonormal rows, by falling variance.

    Raises:
        ValueError: k is no whole number from 1 to min(n - 1, d).
    """
    rows = _rows(signals)
    k = _count(k, "k", min(len(rows) - 1, rows.shape[1]), f"{len(rows)} signals of {rows.shape[1]} units")
    rows = rows - rows.mean(0)
    n, d = rows.shape
    if d <= n:
        return _basis(eigh(rows.T @ rows, subset_by_index=(d - k, d - 1))[1][:, ::-1])
    return _basis(rows.T @ eigh(rows @ rows.T, subset_by_index=(n - k, n - 1))[1][:, ::-1])


def discriminant_directions(signals: Any, labels: Any, k: int) -> np.ndarray:
    """Fisher's k discriminant directions of given signals, orthonormalised, for a projection of *other* passes.

    They span the leading eigenvectors of W^-1 B, B the scatter between classes and W that within, of which a tenth is
    replaced by a sphere of the same trace. C classes have C - 1 of them, or d where that is less; the further ones are
    the principal directions of what these leave of the signals. Whatever U is, its lower end is below I(X; T).

    Args:
        signals: (N, d) or (N, n_x, d).
        labels: (N,) integers.
        k: how many.

    Returns:
        (k, d) with orthonormal rows, the discriminant ones first.

    Raises:
        ValueError: shapes do not fit, there is one class only, or k is no whole number from 1 to min(n - 1, d), n the
            number of signals.

    Source: Fisher, Annals of Eugenics 1936; shrinkage: Friedman, JASA 1989.
    """
    array = finite_array(signals, "signals", "(N, n_x, d)" if np.ndim(signals) == 3 else "(N, d)")
    label_of = integer_array(labels, "labels", "(N)")
    if len(label_of) != len(array):
        raise ValueError(f"labels must have shape ({len(array)},) like signals, got {label_of.shape}")
    rows = array.reshape(-1, array.shape[-1])
    classes, class_of = np.unique(np.repeat(label_of, len(rows) // len(array)), return_inverse=True)
    n, d = rows.shape
    if len(classes) < 2:
        raise ValueError(f"labels must be of two classes at least, got {classes.tolist()} alone")
    k = _count(k, "k", min(n - 1, d), f"{n} signals of {d} units")
    found = min(k, len(classes) - 1)
    counts = np.bincount(class_of)
    means = np.stack([rows[class_of == c].mean(0) for c in range(len(classes))])
    between = (means - rows.mean(0)) * np.sqrt(counts / len(rows))[:, None]  # B = between^T between
    all_rows, rows = (
        rows,
        (rows - means[class_of]) * np.sqrt((1 - SHRINKAGE) / len(rows)),
    )  # (1 - lambda) W = rows^T rows
    sphere = SHRINKAGE / (1 - SHRINKAGE) * np.square(rows).sum() / d
    # Without any scatter within classes every sphere says the same.
    sphere = max(sphere, 1e-9 * float(np.square(between).sum()) / d) or 1.0
    if d <= len(rows):
        solved = cho_solve(cho_factor(rows.T @ rows + sphere * np.eye(d)), between.T)
    else:  # Woodbury's identity: a matrix of the signals instead of one of the units
        inner = cho_solve(cho_factor(rows @ rows.T + sphere * np.eye(len(rows))), rows @ between.T)
        solved = (between.T - rows.T @ inner) / sphere
    ratios = between @ solved
    directions = _basis(solved @ eigh((ratios + ratios.T) / 2)[1][:, : -found - 1 : -1])
    if found == k:
        return directions
    left = all_rows - (all_rows @ directions.T) @ directions
    return _basis(np.concatenate([directions, principal_directions(left, k - found)]).T)


def random_directions(d: int, k: int, n: int, seed: int) -> np.ndarray:
    """n independent uniformly distributed (Haar) sets of k orthonormal directions, each from a stream of its own.

    Args:
        d: width of the layer.
        k: directions of a slice, at most d.
        n: slices.
        seed: key of the streams.

    Returns:
        (n, k, d).

    Source: Mezzadri, How to generate random matrices from the classical compact groups, Notices AMS 2007.
    """
    d, n = _count(d, "d"), _count(n, "n")
    k = _count(k, "k", d, f"{d} units")
    slices = []
    for j in range(n):
        q, r = np.linalg.qr(stream(seed, "directions", j).standard_normal((d, k)))
        slices.append((q * np.where(np.diag(r) < 0, -1.0, 1.0)).T)
    return np.stack(slices)


def sliced_information(
    passes: Any,
    beta: float,
    directions: Any,
    *,
    own: Any = None,
    fresh: Any = None,
    deterministic: bool = False,
    weights: Any = None,
    labels: Any = None,
    **options: Any,
) -> LayerInformation:
    """I(X; U T_l) and I(U T_l; Y) in nats for one U: `layer_information` of the projected signals.

    The lower end is below I(X; T_l), the upper end bounds I(X; U T_l) alone, see the module. The numbers of widths,
    h(U T) among them, are those of a layer of k units.

    Args:
        passes: (N, n_x, d) signals.
        beta: standard deviation of the noise.
        directions: U (k, d) with orthonormal rows, independent of `passes`, `own` and `fresh`.
        own: (N, n_own, d), or `OwnPasses`, which are projected block by block.
        fresh, deterministic, weights, labels, options: as in `layer_information`.

    Raises:
        ValueError: as `layer_information`, or `directions` have no orthonormal rows of d units.
    """
    chosen = finite_array(directions, "directions", "(k, d)")[None]
    (found,) = _each(passes, beta, chosen, own, fresh, [options], deterministic, weights, labels)
    return found


@dataclass(frozen=True)
class SlicedInformation:
    """The mean of I(X; U T_l) over independent slices, in nats. With K laws every number is an array (K,).

    Attributes:
        upper, lower: means of the ends over slices. Standard errors count the spread of slices, widened for their small
            number, and draws and passes of each slice, which may err together, as the slices share their passes.
            `lower` is None without `own` and `fresh`.
        upper_spread, lower_spread: standard deviations of the ends over slices.
        bracket: lower - 3 stderr and upper + 3 stderr, within 0 and H(X): of the mean over all U.
        lower_form: the forms of the lower ends, "exact" or "gaussian, split"; None without them.
        saturation: upper / H(X); 0 where H(X) = 0.
        draws: points at which densities were evaluated, over all slices.
        reached: whether every slice met its target.
        slices: what each slice knows.
    """

    upper: Estimate
    lower: Estimate | None
    upper_spread: Any
    lower_spread: Any
    bracket: tuple[Any, Any]
    lower_form: Any
    saturation: Any
    draws: int
    reached: Any
    slices: tuple[LayerInformation, ...]


def mean_sliced_information(
    passes: Any,
    beta: float,
    directions: Any,
    *,
    own: Any = None,
    fresh: Any = None,
    deterministic: bool = False,
    weights: Any = None,
    labels: Any = None,
    seed: int = 0,
    **options: Any,
) -> SlicedInformation:
    """The k-sliced information E_U I(X; U T_l) in nats from n >= 2 random U, at most I(X; T_l).

    Args:
        directions: (n, k, d) from `random_directions`, independent of all passes.
        seed: key of the draws, of which every slice has its own.
        passes, beta, own, fresh, deterministic, weights, labels, options: as in `sliced_information`.

    Raises:
        ValueError: as `sliced_information`, or there is one slice, which shows no spread.

    Source: Goldfeld, Greenewald, Nuradha and Reeves, k-sliced mutual information, arXiv:2206.08526.
    """
    chosen = finite_array(directions, "directions", "(n, k, d)")
    n = len(chosen)
    if n < 2:
        raise ValueError(f"directions must hold at least two slices (n, k, d), whose spread counts, got {chosen.shape}")
    each = [{**options, "seed": int(stream(seed, "slice", j).integers(2**31))} for j in range(n)]
    slices = _each(passes, beta, chosen, own, fresh, each, deterministic, weights, labels)
    widened = float(quantile(np.array(float(n - 1)))) / WIDTH

    def mean(ends: list[Estimate]) -> tuple[Estimate, Any]:
        values = np.array([end.value for end in ends])
        spread = values.std(0, ddof=1)
        within = np.mean([end.stderr for end in ends], axis=0)
        return Estimate(values.mean(0), np.hypot(widened * spread / np.sqrt(n), within)), spread

    upper, upper_spread = mean([each.upper for each in slices])
    lower, lower_spread = None, None
    if all(each.lower is not None for each in slices):
        lower, lower_spread = mean([each.lower for each in slices if each.lower is not None])
    most = np.array([entropy(law) for law in law_columns(weights, len(slices[0].pointwise)).T])
    most = most[0] if np.ndim(weights) != 2 else most
    least = np.zeros_like(most) if lower is None else np.clip(lower.value - WIDTH * lower.stderr, 0, most)
    return SlicedInformation(
        upper=upper,
        lower=lower,
        upper_spread=upper_spread,
        lower_spread=lower_spread,
        bracket=(least, np.clip(upper.value + WIDTH * upper.stderr, 0, most)),
        lower_form=None if lower is None else _forms([each.lower_form for each in slices]),
        saturation=np.divide(upper.value, most, out=np.zeros_like(upper.value), where=most > 0),
        draws=sum(each.draws for each in slices),
        reached=np.all([each.reached for each in slices], axis=0),
        slices=tuple(slices),
    )


def _forms(forms: list[Any]) -> Any:
    """The distinct forms of each law: "gaussian, split"."""
    columns = np.stack([np.atleast_1d(form) for form in forms], axis=1)
    names = [", ".join(sorted(set(column))) for column in columns]
    return names[0] if np.ndim(forms[0]) == 0 else np.array(names, dtype=object)


def _each(
    passes: Any,
    beta: float,
    directions: np.ndarray,
    own: Any,
    fresh: Any,
    options: list[dict[str, Any]],
    deterministic: bool,
    weights: Any,
    labels: Any,
) -> list[LayerInformation]:
    """What every slice of `directions` (n, k, d) knows; the passes are projected on all of them at once."""
    passes = _signals(passes, "passes", "(N, n_x, d)")
    n, d = passes.shape[0], passes.shape[2]
    k = directions.shape[1]
    if directions.shape[2] != d or k > d:
        shape = directions.shape[1:]
        raise ValueError(f"directions must be (k, {d}) with k <= {d}, as the layer has {d} units, got {shape}")
    stacked = np.concatenate([_orthonormal(each) for each in directions])
    many = None if own is None else _projected_own(own, n, stacked)
    if fresh is not None:
        fresh = _signals(fresh, "fresh", "(N, m, d)")
        if (fresh.shape[0], fresh.shape[2]) != (n, d):
            raise ValueError(f"fresh must have shape ({n}, m, {d}) like passes, got {tuple(fresh.shape)}")
        fresh = _projected(fresh, stacked, "fresh")
    passes = _projected(passes, stacked, "passes")
    found = []
    for j, options_of in enumerate(options):
        columns = slice(j * k, (j + 1) * k)
        information = layer_information(
            passes[:, :, columns],
            beta,
            own=None if many is None else _columns(many, columns),
            fresh=None if fresh is None else fresh[:, :, columns],
            deterministic=deterministic,
            weights=weights,
            labels=labels,
            **options_of,
        )
        found.append(information)
    return found


def _orthonormal(directions: np.ndarray) -> np.ndarray:
    """Directions (k, d) with the rounding of float32 taken out: the nearest orthonormal rows."""
    worst = float(np.abs(directions @ directions.T - np.eye(len(directions))).max())
    if not worst <= ORTHONORMAL:
        raise ValueError(
            f"directions must have orthonormal rows (within {ORTHONORMAL:g}), one product is off by {worst:.3g}"
        )
    left, _, right = np.linalg.svd(directions, full_matrices=False)
    return left @ right


def _signals(values: Any, name: str, shape: str) -> Any:
    """An array or tensor of three sides as it is, since float64 may be twice as large; anything else as float64."""
    if isinstance(values, np.ndarray | torch.Tensor) and values.ndim == 3 and 0 not in values.shape:
        return values
    return finite_array(values, name, shape)


def _projected(signals: Any, directions: np.ndarray, name: str) -> np.ndarray:
    """U s of signals (N, n, d): (N, n, k) float64."""
    n, passes, d = signals.shape
    projected = np.empty((n, passes, len(directions)))
    step = max(1, TILE_BYTES // (8 * passes * d))
    for first in range(0, n, step):
        tile = slice(first, first + step)
        projected[tile] = finite_array(signals[tile], name, f"(N, {passes}, {d})") @ directions.T
    return projected


def _projected_own(own: Any, n: int, directions: np.ndarray) -> OwnPasses:
    """Own passes on `directions` (k, d), kept where they are small."""
    k, d = directions.shape
    if not isinstance(own, OwnPasses):
        array = _signals(own, "own", "(N, n_own, d)")
        if (array.shape[0], array.shape[2]) != (n, d):
            raise ValueError(f"own must have shape ({n}, n_own, {d}) like passes, got {tuple(array.shape)}")
        own = OwnPasses(array.shape[1], lambda first, last: array[first:last])
    given: OwnPasses = own
    kept: dict[int, np.ndarray] = {}
    keeps = 8 * n * given.n_passes * k <= CACHE_BYTES

    def project(signals: Any, wanted: tuple[int, int]) -> np.ndarray:
        signals = _signals(signals, "own", "(N, n_own, d)")
        if tuple(signals.shape) != (*wanted, d):
            raise ValueError(f"own must give signals of shape {(*wanted, d)}, got {tuple(signals.shape)}")
        return _projected(signals, directions, "own")

    def block(first: int, last: int) -> np.ndarray:
        if first in kept and len(kept[first]) >= last - first:
            return kept[first][: last - first]
        found = project(given.of(first, last), (last - first, given.n_passes))
        if keeps and first % given.size == 0 and last == min(first + given.size, n):
            kept[first] = found
        return found

    heavy: Callable[[np.ndarray, int, int], Any] | None = None
    if given.heavy is not None:
        make = given.heavy

        def heavy(atoms: np.ndarray, count: int, family: int) -> np.ndarray:
            return project(make(atoms, count, family), (len(atoms), count))

    return OwnPasses(given.n_passes, block, heavy, given.size)


def _columns(own: OwnPasses, columns: slice) -> OwnPasses:
    """Some units of own passes."""
    heavy = own.heavy
    return OwnPasses(
        own.n_passes,
        lambda first, last: own.of(first, last)[:, :, columns],
        None if heavy is None else lambda atoms, count, family: heavy(atoms, count, family)[:, :, columns],
        own.size,
    )


def _rows(signals: Any) -> np.ndarray:
    """Signals (n, d), or (N, n_x, d) with the passes of all atoms below each other."""
    array = finite_array(signals, "signals", "(N, n_x, d)" if np.ndim(signals) == 3 else "(n, d)")
    return array.reshape(-1, array.shape[-1])


def _basis(columns: np.ndarray) -> np.ndarray:
    """Columns (d, k) as orthonormal rows, each with its largest entry positive, so that no sign is left to chance."""
    rows = np.linalg.qr(columns)[0].T
    largest = np.abs(rows).argmax(1)
    return rows * np.where(rows[np.arange(len(rows)), largest] < 0, -1.0, 1.0)[:, None]


def _count(number: Any, name: str, most: int | None = None, why: str = "") -> int:
    """A whole number from 1 on, if it is one."""
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool) and number >= 1
    if not whole or (most is not None and number > most):
        limit = " on" if most is None else f" to {most} for {why}"
        raise ValueError(f"{name} must be a whole number from 1{limit}, got {number!r}")
    return int(number)
