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

from dataclasses import dataclass
from typing import Any

import numpy as np

from ib_core.checks import finite_array, law_columns
from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.directions import discriminant_directions, random_directions
from ib_core.estimators.principal import principal_directions
from ib_core.estimators.projection import as_signals, columns_of, orthonormal, projected, projected_own
from ib_core.estimators.sample_propagation import LayerInformation, layer_information
from ib_core.laws.input_law import entropy
from ib_core.sampling.strata import quantile
from ib_core.streams import stream

__all__ = [
    "SlicedInformation",
    "discriminant_directions",
    "mean_sliced_information",
    "principal_directions",
    "random_directions",
    "sliced_information",
]


def sliced_information(
    passes: Any, beta: float, directions: Any, *, own: Any = None, fresh: Any = None, **options: Any
) -> LayerInformation:
    """I(X; U T_l) and I(U T_l; Y) in nats for one U: `layer_information` of the projected signals.

    The lower end is below I(X; T_l), the upper end bounds I(X; U T_l) alone, see the module. The numbers of widths,
    h(U T) among them, are those of a layer of k units.

    Args:
        passes: (N, n_x, d) signals.
        beta: standard deviation of the noise.
        directions: U (k, d) with orthonormal rows, independent of `passes`, `own` and `fresh`.
        own: (N, n_own, d), or `OwnPasses`, which are projected block by block.
        fresh: (N, m, d).
        options: `deterministic`, `weights`, `labels` and all others of `layer_information`.

    Raises:
        ValueError: as `layer_information`, or `directions` have no orthonormal rows of d units.
    """
    (found,) = slices_of(passes, beta, finite_array(directions, "directions", "(k, d)")[None], own, fresh, [options])
    return found


@dataclass(frozen=True)
class SlicedInformation:
    """The mean of I(X; U T_l) over independent slices, in nats. With K laws every number is an array (K,).

    Attributes:
        upper, lower: means of the ends over slices. Standard errors count the spread of slices, widened for their small
            number, and draws and passes of each slice, which may err together, as the slices share their passes.
            `lower` is None without `own` and `fresh`.
        upper_spread, lower_spread: standard deviations of the ends over slices.
        bracket: lower - WIDTH stderr and upper + WIDTH stderr, within 0 and H(X): of the mean over all U.
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
    passes: Any, beta: float, directions: Any, *, own: Any = None, fresh: Any = None, seed: int = 0, **options: Any
) -> SlicedInformation:
    """The k-sliced information E_U I(X; U T_l) in nats from n >= 2 random U, at most I(X; T_l).

    Args:
        directions: (n, k, d) from `random_directions`, independent of all passes.
        seed: key of the draws, of which every slice has its own.
        passes, beta, own, fresh, options: as in `sliced_information`.

    Raises:
        ValueError: as `sliced_information`, or there is one slice, which shows no spread.

    Source: Goldfeld, Greenewald, Nuradha and Reeves, k-sliced mutual information, arXiv:2206.08526.
    """
    chosen = finite_array(directions, "directions", "(n, k, d)")
    n = len(chosen)
    if n < 2:
        raise ValueError(f"directions must hold at least two slices (n, k, d), whose spread counts, got {chosen.shape}")
    each = [{**options, "seed": int(stream(seed, "slice", j).integers(2**31))} for j in range(n)]
    slices = slices_of(passes, beta, chosen, own, fresh, each)
    upper, upper_spread = _mean([each.upper for each in slices])
    lower, lower_spread = None, None
    if all(each.lower is not None for each in slices):
        lower, lower_spread = _mean([each.lower for each in slices if each.lower is not None])
    weights: Any = options.get("weights")
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


def _mean(ends: list[Estimate]) -> tuple[Estimate, Any]:
    """The mean of an end over slices, and the standard deviation over them, which its error counts widened."""
    values, n = np.array([end.value for end in ends]), len(ends)
    spread = values.std(0, ddof=1)
    within = np.mean([end.stderr for end in ends], axis=0)
    widened = float(quantile(np.array(float(n - 1)))) / WIDTH
    return Estimate(values.mean(0), np.hypot(widened * spread / np.sqrt(n), within)), spread


def _forms(forms: list[Any]) -> Any:
    """The distinct forms of each law: "gaussian, split"."""
    columns = np.stack([np.atleast_1d(form) for form in forms], axis=1)
    names = [", ".join(sorted(set(column))) for column in columns]
    return names[0] if np.ndim(forms[0]) == 0 else np.array(names, dtype=object)


def slices_of(
    passes: Any,
    beta: float,
    directions: np.ndarray,
    own: Any,
    fresh: Any,
    options: list[dict[str, Any]],
    name: str = "passes",
) -> list[LayerInformation]:
    """What every slice of `directions` (n, k, d) knows; the passes are projected on all of them at once.

    Args:
        name: of the passes, for errors.
    """
    passes = as_signals(passes, name, "(N, n_x, d)")
    n, d = passes.shape[0], passes.shape[2]
    k = directions.shape[1]
    if directions.shape[2] != d or k > d:
        shape = directions.shape[1:]
        raise ValueError(f"directions must be (k, {d}) with k <= {d}, as the layer has {d} units, got {shape}")
    stacked = np.concatenate([orthonormal(each) for each in directions])
    many = None if own is None else projected_own(own, n, stacked)
    if fresh is not None:
        fresh = as_signals(fresh, "fresh", "(N, m, d)")
        if (fresh.shape[0], fresh.shape[2]) != (n, d):
            raise ValueError(f"fresh must have shape ({n}, m, {d}) like passes, got {tuple(fresh.shape)}")
        fresh = projected(fresh, stacked, "fresh")
    passes = projected(passes, stacked, name)
    found = []
    for j, options_of in enumerate(options):
        part = slice(j * k, (j + 1) * k)
        further: dict[str, Any] = {
            "own": None if many is None else columns_of(many, part),
            "fresh": None if fresh is None else fresh[:, :, part],
        }
        found.append(layer_information(passes[:, :, part], beta, **further, **options_of))
    return found
