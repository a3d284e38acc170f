"""The estimate of the slides, which does not pool the passes of all inputs."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ib_core.channels.closed_forms import noise_entropy
from ib_core.checks import finite_array, law_column, positive
from ib_core.estimate import Estimate, independent_difference
from ib_core.estimators.smoothed_entropy import smoothed_entropy
from ib_core.mixture.atoms import Atoms
from ib_core.sampling.draws import Draws
from ib_core.sampling.until import sample


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
    law = law_column(weights, n)
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
        return (own.offset - np.log(own.kernel))[None, :, None]

    draws = Draws(atoms, np.full(atoms.n, atoms.n_passes), law, False, seed, "conditional")
    max_draws = max(64 * passes[..., 0].size, 2**20) if max_draws is None else max_draws
    sampled = sample(draws, surprise, 1, target_stderr, max_draws)
    return Estimate(float(sampled.means[0, 0]) - atoms.log_constant, float(sampled.errors[0, 0]))
