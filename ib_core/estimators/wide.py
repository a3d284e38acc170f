"""Layers so wide that a sum over all their passes is not affordable, and so saturated that it would say little.

A layer of 12 544 units with noise of some size keeps nearly all inputs apart: I(X; T) is next to H(X), and a few
directions show it. For U (k, d) with orthonormal rows, which know nothing of the passes that are projected,

    lower end of I(X; U T) <= I(X; U T) <= I(X; T) <= min(H(X), cap),

by data processing on the left, and as X is discrete on the right. Both are ends of the layer itself. Signals are read
block by block, and only their projections are kept.
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh

from ib_core.channels.closed_forms import noise_entropy
from ib_core.checks import finite_array, label_indices, law_columns, positive
from ib_core.estimate import WIDTH, Estimate
from ib_core.estimators.layer_information import LayerInformation, PublishedEnds
from ib_core.estimators.principal import oriented, principal_directions, whole_number
from ib_core.estimators.projection import projected
from ib_core.estimators.sample_propagation import layer_information
from ib_core.estimators.sliced import slices_of
from ib_core.laws.divergences import kl_divergence
from ib_core.laws.input_law import entropy
from ib_core.mixture.signal_blocks import signal_blocks
from ib_core.sampling.until import Sampled, Spread
from ib_core.streams import stream

DRAWS = 16  # of each atom at most, by default: where no outputs overlap, few say all
SIZES = (2, 4, 8, 16, 32, 64)  # directions that a pilot tries
NEAR = 0.01  # nats that more directions must bring
READINGS = 3  # of the signals for their directions: others next to those would do as well
LOUDER = 2.0  # times the variance of the noise in the pilot, as atoms differ in theirs and it has to be learned


def wide_information(
    signals: Any,
    beta: float,
    directions: Any,
    *,
    own: Any = None,
    fresh: Any = None,
    deterministic: bool = False,
    weights: Any = None,
    labels: Any = None,
    cap: Any = np.inf,
    target_stderr: float | np.ndarray = 1e-2,
    max_draws: int | None = None,
    **options: Any,
) -> LayerInformation:
    """I(X; T_l) and I(T_l; Y) in nats of a wide layer: the lower end from a projection, the upper end H(X) or a cap.

    The lower ends are those of U T_l, with their errors, and `lower_form` says how they were found there. Everything
    that is said from above is that of a channel which keeps all inputs apart, without any error: `upper` and `plug_in`
    are min(H(X), cap), `label_upper` is at most H(Y), `pointwise` is -ln w(x) (infinite for atoms without weight in the
    first of several laws), and `output_divergence` is D(P' || P), which is infinite where P' has atoms of its own. A
    change lies between low' - high and high' - low of these ends. `entropy` and `conditional_entropy` are known for a
    deterministic layer, as the upper end of h(T) and as h(T | X); they are NaN elsewhere. `reached` judges the lower
    ends.

    Args:
        signals: (N, n_x, d) S_l, an array, a memmap, or `SignalBlocks`, of which a block at a time is held.
        beta: standard deviation of the noise.
        directions: U (k, d) with orthonormal rows, independent of `signals`, `own` and `fresh`: from other passes
            (`informative_directions`), or from nothing. In a deterministic layer any U will do.
        own: (N, n_own, d) further passes, independent of `signals`, or `OwnPasses`, whose blocks should be small.
        fresh: (N, m, d) further passes where there are no `own` ones. Without either the lower end is 0.
        deterministic: S_l is a function of X, as in the first layer.
        weights: (N,) or (N, K), columns summing to 1; uniform by default.
        labels: (N,) integers, Y as a function of X.
        cap: what I(X; T_l) is at most besides H(X), one number or (K,): a capacity.
        target_stderr: of the lower ends, (K,) or one number.
        max_draws: most points for an end, by default 16 for each atom.
        options: `seed` and all others of `layer_information`.

    Raises:
        ValueError: as `layer_information`, directions have no orthonormal rows of d units, or the cap is negative.

    Example:
        >>> import numpy as np
        >>> signals = np.where(np.random.default_rng(0).random((16, 1, 5000)) < 0.5, -1.0, 1.0)
        >>> directions = informative_directions(signals, beta=0.5)
        >>> found = wide_information(signals, 0.5, directions, deterministic=True)
        >>> print(f"{directions.shape[0]} directions, {found.lower.value:.3f} of {found.upper.value:.3f} nats")
        4 directions, 2.773 of 2.773 nats
    """
    blocks = signal_blocks(signals, "signals", "(N, n_x, d)")
    n, _, d = blocks.shape
    columns, beta = law_columns(weights, n), positive(beta, "beta")
    conditional = noise_entropy(d, beta) if deterministic else math.nan
    above = _above(columns, None if labels is None else label_indices(labels, n), cap, conditional)
    options |= {"deterministic": deterministic, "weights": weights, "labels": labels, "target_stderr": target_stderr}
    options["max_draws"] = DRAWS * n if max_draws is None else max_draws
    slices = finite_array(directions, "directions", "(k, d)")[None]
    (found,) = slices_of(blocks, beta, slices, own, fresh, [options], "signals")
    return _enclosed(found, above, np.broadcast_to(target_stderr, columns.shape[1]), np.ndim(weights) != 2)


def informative_directions(
    signals: Any, beta: float, *, most: int = 64, weights: Any = None, seed: int = 0, device: str | None = None
) -> np.ndarray:
    """The fewest directions of other passes that tell inputs apart nearly as well as twice as many.

    Among the principal directions of the signals these lead where passes of different inputs differ most beside passes
    of one input and the noise. 2, 4, ... of them are tried on a Gaussian model of the layer, which has the mean passes
    of all inputs and twice the mean covariance about them, until the information of that is next to H(X) under every
    law, or more directions bring nothing. Neither the model nor its draws have a part in what is measured later.

    Args:
        signals: (N, n, d) of *other* passes than those that will be projected, all atoms with n of them, 4 to 8 for
            instance; an array, a memmap or `SignalBlocks`. For a deterministic layer the signals (N, 1, d) themselves.
        beta: standard deviation of the noise.
        most: principal directions that are looked at.
        weights: (N,) or (N, K) laws that shall all be known well; uniform by default.
        seed: key of the draws.
        device: where torch computes; None is the CPU.

    Returns:
        (k, d) with orthonormal rows.

    Raises:
        ValueError: shapes do not fit, a signal is NaN or infinite, weights are no law, `beta` is not positive.
    """
    blocks = signal_blocks(signals, "signals", "(N, n, d)")
    n, n_passes, d = blocks.shape
    beta, columns = positive(beta, "beta"), law_columns(weights, n)
    most = min(whole_number(most, "most"), d, max(n * n_passes - 1, 1))
    directions = principal_directions(blocks, most, readings=READINGS) if n * n_passes > 1 else np.eye(1, d)
    means, separating = _model(projected(blocks, directions, "signals"), beta)
    highest = np.array([entropy(law) for law in columns.T])
    key = int(stream(seed, "wide", "pilot").integers(2**31))
    options: dict[str, Any] = {"weights": columns, "deterministic": True, "max_draws": 1, "seed": key, "device": device}
    chosen, before = most, np.full(len(highest), -np.inf)
    for k in [size for size in SIZES if size < most] + [most]:
        found = layer_information((means @ separating[:, :k])[:, None], 1.0, **options).upper
        if (found.value <= before + np.maximum(NEAR, found.stderr)).all():
            break
        chosen, before = k, found.value
        if (before >= highest - NEAR).all():
            break
    return oriented(directions.T @ separating[:, :chosen])


def _model(passes: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Means (N, k) of passes (N, n, k), and columns (k, k) along which inputs differ most, in units of the noise."""
    n_passes, k = passes.shape[1:]
    means = passes.mean(1)
    offsets = (passes - means[:, None]).reshape(-1, k)
    within = offsets.T @ offsets / (len(means) * max(n_passes - 1, 1))
    about = means - means.mean(0)
    between = about.T @ about / len(means) - within / n_passes
    noise = LOUDER * (within + beta**2 * np.eye(k))
    return means, eigh(between, noise)[1][:, ::-1]  # whose columns make the noise the identity


class _Above(NamedTuple):
    """What a channel from X says that keeps all inputs apart: more than any other, and known without error."""

    entropy: np.ndarray  # (K,) H(X)
    information: np.ndarray  # (K,) min(H(X), cap)
    label: np.ndarray | None  # (K,)
    pointwise: np.ndarray  # (N, K)
    divergence: np.ndarray  # (K,) D(P' || P) from the first law
    conditional: float  # h(T | X)


def _above(columns: np.ndarray, label_of: np.ndarray | None, cap: Any, conditional: float) -> _Above:
    caps = np.asarray(cap, dtype=np.float64)
    if caps.shape not in ((), (1,), (columns.shape[1],)) or not (caps >= 0).all():
        raise ValueError(f"cap must be one number or ({columns.shape[1]},), none below 0, got {cap!r:.60}")
    highest = np.array([entropy(law) for law in columns.T])
    information = np.minimum(highest, caps)
    label = None
    if label_of is not None:
        label = np.minimum(information, [entropy(np.bincount(label_of, law)) for law in columns.T])
    counts = columns > 0
    counts[:, 0] = columns.any(1)  # changes are held against the first law
    with np.errstate(divide="ignore"):
        pointwise = np.where(counts, -np.log(columns), np.nan)
    divergence = np.array([kl_divergence(law, columns[:, 0]) for law in columns.T])
    return _Above(highest, information, label, pointwise, divergence, conditional)


def _enclosed(projection: LayerInformation, above: _Above, targets: np.ndarray, scalar: bool) -> LayerInformation:
    """What the projection says from below, with what is said from above."""

    def number(values: np.ndarray) -> Any:
        if not scalar:
            return values
        return values[:, 0] if values.ndim == 2 else values[0].item()

    def exact(values: np.ndarray) -> Estimate:
        return Estimate(number(values), number(np.zeros_like(values)))

    def bracket(low: Estimate | None, high: np.ndarray) -> tuple[Any, Any]:
        below = np.zeros_like(high) if low is None else np.atleast_1d(low.value - WIDTH * low.stderr)
        return number(np.clip(below, 0.0, high)), number(high)

    most, lowers = above.information, [projection.lower, projection.label_lower]
    errors = [np.atleast_1d(end.stderr) for end in lowers if end is not None]
    return replace(
        projection,
        upper=exact(most),
        label_upper=None if above.label is None else exact(above.label),
        plug_in=exact(most),
        bracket=bracket(projection.lower, most),
        label_bracket=None if above.label is None else bracket(projection.label_lower, above.label),
        entropy=exact(most + above.conditional),
        conditional_entropy=exact(np.full_like(most, above.conditional)),
        pointwise=number(above.pointwise),
        pointwise_stderr=number(np.where(np.isnan(above.pointwise), np.nan, 0.0)),
        output_divergence=exact(above.divergence),
        saturation=number(np.divide(most, above.entropy, out=np.zeros_like(most), where=above.entropy > 0)),
        reached=number(np.all([error <= targets for error in errors], axis=0)),
        _ends=_without_error(projection._ends, most),
    )


def _without_error(ends: PublishedEnds, most: np.ndarray) -> PublishedEnds:
    """The ends under the distinct laws, with upper ends (K,) that are known."""
    column = ends.column
    values = np.array([most[column == law].min() for law in range(len(ends.entropy))])
    none, nothing = np.zeros_like(values), np.zeros((1, len(values)))
    spread = Spread(np.zeros((len(values),) * 2), np.ones_like(values), nothing, False)
    strata = nothing[None]
    upper = Sampled(values[None], none[None], strata, strata, [spread], 0, 1, np.ones(len(values), bool))
    return ends._replace(upper=upper, errors=none, pooled_error=none, exact=False, shared=None)
