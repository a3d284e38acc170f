"""What others report as the information of a layer, each number with what it really measures; in nats."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ib_core.closed_forms import noise_entropy
from ib_core.estimate import Estimate, independent_difference
from ib_core.mixture.atoms import Atoms
from ib_core.mixture.checks import finite_array, law_columns, positive
from ib_core.mixture.density import log_totals
from ib_core.mixture.draws import Draws
from ib_core.mixture.groups import ungrouped
from ib_core.mixture.order import spatial_order
from ib_core.mixture.sampling import sample
from ib_core.sample_propagation import label_indices
from ib_core.smoothed_entropy import smoothed_entropy


def _law(weights: Any, n: int) -> np.ndarray:
    """One law of n atoms as (n, 1)."""
    return law_columns(None if weights is None else finite_array(weights, "weights", "(N)"), n)


@dataclass(frozen=True)
class BinnedInformation:
    """Information of a binned layer about the input and, with labels, about the label.

    Attributes:
        information: I(X; bins of S); the entropy of the occupied bins where there is one pass per atom.
        label_information: I(bins of S; Y); None without labels.
        occupied: bins of the whole vector that some pass falls into.
        measures: what these numbers are, in words.
    """

    information: float
    label_information: float | None
    occupied: int
    measures: str


def bin_edges(signals: Any, bins: int = 30, fit: Literal["tanh", "range", "quantiles"] = "tanh") -> np.ndarray:
    """Edges (bins + 1,) of the bins that all units of a layer share.

    Args:
        signals: of a layer, any shape.
        bins: number of bins for each unit.
        fit: "tanh" divides [-1, 1] evenly; "range" what the data cover, for ReLU and other unbounded layers;
            "quantiles" puts equally many data into each bin, as far as ties allow: a ReLU has many zeros.

    Source: Shwartz-Ziv and Tishby, arXiv:1703.00810 (30 even bins for tanh); Saxe et al., ICLR 2018 (range).
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    values = finite_array(signals, "signals", None)
    if fit == "quantiles":
        return np.quantile(values, np.linspace(0, 1, bins + 1))
    if fit not in ("tanh", "range"):
        raise ValueError(f'fit must be "tanh", "range" or "quantiles", got {fit!r}')
    low, high = (-1.0, 1.0) if fit == "tanh" else (values.min(), values.max())
    return np.linspace(low, high, bins + 1)


def binned_information(passes: Any, edges: np.ndarray, *, weights: Any = None, labels: Any = None) -> BinnedInformation:
    """I(X; bins of S) and I(bins of S; Y): every unit is binned, and a vector of bins is one symbol.

    For a deterministic layer (one pass per atom) the bins are a function of X, so that this is the entropy of the bins:
    it tells how the layer clusters its inputs at the width of the bins, and nothing of I(X; T), which is infinite or
    H(X) without noise. With several passes it is the information of their empirical law over bins, near H(X) as soon
    as passes rarely meet in a bin.

    Args:
        passes: (N, n_x, d) signals, or hidden values, of N atoms.
        edges: (bins + 1,) ascending; what lies outside counts to the outermost bins.
        weights: (N,) law of the atoms; uniform by default.
        labels: (N,) Y as a function of X.

    Source: Shwartz-Ziv and Tishby, arXiv:1703.00810; what it measures: Goldfeld et al., arXiv:1810.05728.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    law = _law(weights, n)[:, 0]
    symbols = np.searchsorted(edges[1:-1], passes, side="right").astype(np.int32).reshape(-1, d)
    occupied, symbol = np.unique(symbols, axis=0, return_inverse=True)
    symbol, mass = symbol.reshape(n, n_passes), np.repeat(law[:, None] / n_passes, n_passes, axis=1)
    output = _entropy_of_groups(mass, symbol)
    # H(bins | group) = H(bins, group) - H(group)
    atom = np.repeat(np.arange(n)[:, None], n_passes, axis=1)
    given_input = _entropy_of_groups(mass, symbol, atom) - _entropy_of_groups(mass, atom)
    label_information = None
    if labels is not None:
        label = label_indices(labels, n)[atom]
        label_information = output - (_entropy_of_groups(mass, symbol, label) - _entropy_of_groups(mass, label))
    return BinnedInformation(
        output - given_input if n_passes > 1 else output,
        label_information,
        len(occupied),
        "entropy of the binned deterministic layer: how it clusters its inputs, not I(X;T)"
        if n_passes == 1
        else "information of the empirical law of the passes over bins, not I(X;T)",
    )


def _entropy_of_groups(mass: np.ndarray, *keys: np.ndarray) -> float:
    """Entropy of the law that `mass` puts on the distinct tuples of keys, all of the same shape."""
    _, group = np.unique(np.stack([key.reshape(-1) for key in keys], axis=1), axis=0, return_inverse=True)
    probabilities = np.bincount(group.reshape(-1), weights=mass.reshape(-1))
    probabilities = probabilities[probabilities > 0]
    return -float(probabilities @ np.log(probabilities))


@dataclass(frozen=True)
class PairwiseBounds:
    """Bounds (low, high) without sampling error, for the channel that the passes are.

    Attributes:
        information: of I(X; T_l) of the empirical channel, which is what `layer_information` calls plug-in; of
            I(X; T_l) itself where S_l is a function of X and there is one pass, its signal.
        entropy: of h(T_l) of the pooled mixture.
        conditional_entropy: of h(T_l | X).
        measures: what these numbers are, in words.
    """

    information: tuple[float, float]
    entropy: tuple[float, float]
    conditional_entropy: tuple[float, float]
    measures: str


def pairwise_bounds(
    passes: Any, beta: float, *, weights: Any = None, device: str | None = None, backend: str | None = None
) -> PairwiseBounds:
    """Kolchinsky-Tracey bounds from the pairwise distances of all signals.

    With m_i the N n_x signals and w_i their weights, I(S; S + Z) lies between -sum_i w_i ln sum_j w_j exp(-|m_i -
    m_j|^2 / (8 beta^2)) (Bhattacharyya distance) and the same with 2 beta^2 (KL divergence). Both are a mixture's mean
    log-density at its own centres, the first with twice the noise: so the kernel computes them, tile by tile.

    Args:
        passes: (N, n_x, d) signals of N atoms.
        beta: standard deviation of the noise.
        weights: (N,) law of the atoms; uniform by default.
        device, backend: as for `mixture.log_density`.

    Source: Kolchinsky and Tracey, Entropy 19(7):361, 2017.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    law = _law(weights, n)
    order = spatial_order(passes.mean(1), np.zeros(n))
    passes, law = passes[order], law[order]
    atom = np.repeat(np.arange(n), n_passes)
    share = np.repeat(law[:, 0], n_passes) / n_passes
    output, given_input = [], []
    for width in (2 * positive(beta, "beta"), beta):
        atoms = Atoms(passes, width, backend, device)
        points = atoms.centres.reshape(-1, d)
        own = atoms.own(points, atom, np.zeros_like(atom))
        log_output = log_totals(atoms, points, ungrouped(law), own)[0, :, 0]
        log_passes = math.log(n_passes)
        output.append(share @ (log_passes - np.where(share > 0, log_output, 0.0)))
        given_input.append(share @ (log_passes - np.log(own.kernel) + own.shift))
    noise = noise_entropy(d, beta)
    return PairwiseBounds(
        information=(output[0] - given_input[1], output[1] - given_input[0]),
        entropy=(output[0] + noise, output[1] + noise),
        conditional_entropy=(given_input[0] + noise, given_input[1] + noise),
        measures="certain bounds on the information of the channel of the passes, often .5 nats and more apart",
    )


@dataclass(frozen=True)
class SlidesInformation:
    """I_SP as a difference of two entropies; `information.stderr` is that of independent draws for each."""

    information: Estimate
    entropy: Estimate
    conditional_entropy: Estimate
    measures: str


def slides_information(
    passes: Any,
    beta: float,
    *,
    weights: Any = None,
    unconditional: Literal["single", "pooled"] = "single",
    target_stderr: float = 1e-2,
    max_draws: int | None = None,
    seed: int = 0,
) -> SlidesInformation:
    """h(T_l) - h(T_l | X) from two entropies, each with draws of its own.

    "single" takes one signal of each atom for h(T_l), the first, and all signals for h(T_l | X), as the slides do.
    Concavity makes both entropies too small in expectation, so that it bounds I(X; T_l) from neither side. "pooled"
    takes all signals for both: the plug-in of `layer_information`, with more variance.

    Args:
        passes: (N, n_x, d) signals of N atoms.
        beta: standard deviation of the noise.
        weights: (N,) law of the atoms; uniform by default.
        unconditional: see above.
        target_stderr: of each of the two entropies.
        max_draws: most draws for each; the defaults of `smoothed_entropy`.
        seed: key of the draws.

    Source: Goldfeld et al., arXiv:1810.11589, section V, with one pass per input in the unconditional term.
    """
    passes = finite_array(passes, "passes", "(N, n_x, d)")
    n, n_passes, d = passes.shape
    law = _law(weights, n)
    if unconditional not in ("single", "pooled"):
        raise ValueError(f'unconditional must be "single" or "pooled", got {unconditional!r}')
    used = passes if unconditional == "pooled" else passes[:, :1]
    entropy = smoothed_entropy(
        used.reshape(-1, d),
        beta,
        weights=np.repeat(law[:, 0] / used.shape[1], used.shape[1]),
        target_stderr=target_stderr,
        max_draws=max_draws,
        seed=seed,
    )
    conditional = Estimate(noise_entropy(d, beta), 0.0)
    if n_passes > 1:
        conditional = _conditional_entropy(passes, beta, law, target_stderr, max_draws, seed)
    return SlidesInformation(
        independent_difference(entropy, conditional),
        entropy,
        conditional,
        "information of the empirical channel, at least I(X;T) in expectation"
        if unconditional == "pooled" or n_passes == 1
        else "difference of two entropies over different signals, a bound on I(X;T) from neither side",
    )


def _conditional_entropy(
    passes: np.ndarray, beta: float, law: np.ndarray, target_stderr: float, max_draws: int | None, seed: int
) -> Estimate:
    """sum_i w_i h(p_i) for the mixtures p_i around the passes (N, n_x, d) of each atom."""
    atoms = Atoms(passes, positive(beta, "beta"))

    def surprise(points: np.ndarray, atom: np.ndarray) -> np.ndarray:
        own = atoms.own(points, atom, np.zeros_like(atom))
        return (own.shift - np.log(own.kernel))[None, :, None]

    draws = Draws(atoms, np.full(atoms.n, atoms.n_passes), law, False, seed, "conditional")
    max_draws = max(64 * passes[..., 0].size, 2**20) if max_draws is None else max_draws
    sampled = sample(draws, surprise, 1, target_stderr, max_draws)
    return Estimate(float(sampled.means[0, 0]) - atoms.log_constant, float(sampled.errors[0, 0]))
