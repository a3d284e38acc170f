"""Laws whose information is known: the truth for tests and for calibration, in nats."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from scipy.special import logsumexp

from ib_core.channels import finite as finite_channel
from ib_core.checks import finite_array, law_columns, positive

APART = 40.0  # beta between two signals that no output comes from both of: e^-200 of the mass
CHUNK = 2**22  # numbers of a kernel at a time
MOST_CELLS = 2**27  # of a chain's kernel, 1 GB


def noise_entropy(d: int, beta: float) -> float:
    """Entropy of the layer noise: h(Z) for Z ~ N(0, beta^2 I_d); h(T_1 | X) exactly.

    Args:
        d: width of the layer.
        beta: standard deviation of the noise.

    Raises:
        ValueError: `beta` is not positive and finite: h(Z) falls to -inf with it.

    Source: Cover and Thomas, Elements of Information Theory, 2nd ed., Theorem 8.4.1.
    """
    return d * (0.5 * math.log(2 * math.pi * math.e) + math.log(positive(beta, "beta")))


def binary_input_information(beta: float) -> float:
    """I(B; B + Z) for a fair sign B = +-1, which is ln 2 - E ln(1 + exp(-2 / beta^2 - 2 G / beta)) with G ~ N(0, 1).

    Source: Cover and Thomas, 2nd ed., section 9.1, with two inputs.
    """
    return finite_input_information(np.array([-1.0, 1.0]), beta)


def hypercube_information(d: int, beta: float) -> float:
    """I(S; S + Z) for S uniform on {+-1}^d, d independent channels; codewords of RM(m, m) at d = 2^m."""
    return d * binary_input_information(beta)


def gaussian_information(d: int, scale: float, beta: float) -> float:
    """I(S; S + Z) = d/2 ln(1 + scale^2 / beta^2) for S ~ N(0, scale^2 I_d)."""
    return d * _gaussian_channels(np.array([scale]), beta)


def linear_gaussian_information(matrix: np.ndarray, beta: float) -> float:
    """I(X; A X + Z) = 1/2 ln det(I + A A^T / beta^2) for X ~ N(0, I), the sum over the singular values of A.

    Args:
        matrix: A of shape (d, inputs). Singular values below the rounding error of the largest count as 0.

    Source: Cover and Thomas, 2nd ed., section 9.4, independent Gaussian channels.
    """
    return linear_chain_information([matrix], beta)[0]


def linear_chain_information(matrices: Sequence[np.ndarray], beta: float) -> list[float]:
    """I(X; T_l) of every layer of the linear chain T_l = A_l T_{l-1} + Z_l with T_0 = X ~ N(0, I).

    With the gain G_l = A_l ... A_1 and B_l = [A_l B_{l-1}, I], by which the noises of all layers reach layer l,
    I(X; T_l) = 1/2 ln det(I + (B_l B_l^T)^{-1} G_l G_l^T / beta^2): the sum over the singular values of the gain in
    units of the noise.

    Args:
        matrices: A_l of shape (d_l, d_{l-1}), first layer first.
        beta: standard deviation of the noise of each layer.

    Source: Cover and Thomas, 2nd ed., Theorem 8.4.1 applied to h(T_l) - h(T_l | X).
    """
    matrices = [finite_array(matrix, "every matrix", "(d_l, d_{l-1})") for matrix in matrices]
    gain, noise = np.eye(matrices[0].shape[1]), np.zeros((matrices[0].shape[1], 0))
    information = []
    for matrix in matrices:
        gain, noise = matrix @ gain, np.hstack([matrix @ noise, np.eye(len(matrix))])
        axes, sizes, _ = np.linalg.svd(noise, full_matrices=False)  # sizes >= 1
        seen = np.linalg.svd((axes.T @ gain) / sizes[:, None], compute_uv=False)
        rounding = max(gain.shape) * np.finfo(float).eps * seen.max()
        information.append(_gaussian_channels(seen[seen > rounding], beta))
    return information


def _gaussian_channels(scales: np.ndarray, beta: float) -> float:
    """Sum of 1/2 ln(1 + scale^2 / beta^2), without squares that leave float64."""
    with np.errstate(divide="ignore"):
        return 0.5 * float(np.logaddexp(0, 2 * (np.log(scales) - math.log(positive(beta, "beta")))).sum())


def gaussian_atoms(nodes: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """N(0, I_d) made discrete: the atoms (n, d) and weights (n,) of the Gauss-Hermite rule with `nodes` on each axis.

    Moments agree up to order 2 nodes - 1. Seen through a channel whose noise is at least half the signal's scale, 21
    nodes carry the information of the Gaussian within 1e-7. Atoms with weight below 1e-12 are left out.
    """
    axis, weights = np.polynomial.hermite_e.hermegauss(nodes)
    atoms = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
    law = np.prod(np.meshgrid(*[weights / weights.sum()] * d, indexing="ij"), axis=0).reshape(-1)
    kept = law > 1e-12
    return atoms[kept], law[kept] / law[kept].sum()


def finite_input_information(signals: np.ndarray, beta: float, weights: np.ndarray | None = None) -> float:
    """I(S; S + Z) for a scalar S with values (n,), by a trapezoid rule with spacing beta / 8; within 1e-9.

    A single neuron on a few-valued input is S = tanh(w x + b). Values more than 40 beta apart never meet: they form
    groups, I = H(group) + E I(S; T | group), so that a small beta costs no more than a large one. Where beta is large,
    the information keeps its digits however small it is.

    Args:
        signals: (n,) of S.
        beta: standard deviation of the noise.
        weights: (n,) of S; uniform by default.

    Source: chain rule for the group.
    """
    signals, beta = finite_array(signals, "signals", "(n)"), positive(beta, "beta")
    law = law_columns(weights, len(signals))[:, 0]
    order = np.argsort(signals)
    order = order[law[order] > 0]
    groups = np.split(order, np.flatnonzero(np.diff(signals[order]) > APART * beta) + 1)
    total = 0.0
    for group in groups:
        mass = float(law[group].sum())
        total += mass * (_group_information(signals[group], beta, law[group] / mass) - math.log(mass))
    return max(total, 0.0)


def _group_information(signals: np.ndarray, beta: float, weights: np.ndarray) -> float:
    """The same for ascending values (n,) of which neighbours are at most `APART` beta apart."""
    if signals[0] == signals[-1]:
        return 0.0
    scaled = (signals - signals[0]) / beta
    scaled -= weights @ scaled
    total, points = 0.0, int(np.clip(CHUNK // len(scaled), 8, 1024))
    for start in np.arange(scaled[0] - 10, scaled[-1] + 10, points / 8):
        grid = start + np.arange(points) / 8
        near = slice(*np.searchsorted(scaled, [grid[0] - APART, grid[-1] + APART]))
        s, w = scaled[near], weights[near]
        tilts = s * (grid[:, None] - s / 2)  # ln of phi(t - s) / phi(t)
        if not len(s):
            continue
        # Where p / phi is near 1, so is every phi(t - s) / p.
        small = np.abs(tilts).max() < 0.5
        log_density = np.log1p(np.expm1(tilts) @ w) if small else logsumexp(tilts, axis=1, b=w)
        z = tilts - log_density[:, None]
        density = np.exp(log_density - grid**2 / 2) / math.sqrt(2 * math.pi)
        # w phi(t - s) z less what sums to 0 over s, so that no term is negative.
        series = z**2 * (0.5 + z * (1 / 3 + z * (1 / 8 + z / 30)))
        terms = np.where(np.abs(z) < 1e-3, series, np.exp(z) * z - np.expm1(z))
        far = 1 - w.sum() if len(w) < len(weights) else 0.0  # of values with z = -infinity
        total += float(density @ (terms @ w + far)) / 8
    return total


def neuron_chain_information(
    inputs: np.ndarray,
    slopes: Sequence[float],
    offsets: Sequence[float],
    beta: float,
    *,
    weights: np.ndarray | None = None,
    activation: Callable[[np.ndarray], np.ndarray] = np.tanh,
) -> list[float]:
    """I(X; T_l) of every layer of a chain of single neurons, T_l = f(w_l T_{l-1} + b_l) + Z_l with T_0 = X few-valued.

    The law of T_l given X is carried from layer to layer by the trapezoid rule, with at least eight points to a
    standard deviation of the next layer's noise; within 1e-9. Time and memory grow like (w / beta)^2.

    Args:
        inputs: (n,) values of X.
        slopes, offsets: w_l and b_l of each layer, first layer first.
        beta: standard deviation of the noise of each layer.
        weights: (n,) of the inputs; uniform by default.
        activation: f, with a slope of at most 1.
    """
    inputs, law = finite_array(inputs, "inputs", "(n)"), law_columns(weights, len(inputs))[:, 0]
    return [
        finite_channel.information(density / density.sum(0), law)
        for density, _ in _chain(inputs, slopes, offsets, beta, activation)
    ]


def neuron_chain_bias(
    inputs: np.ndarray, slopes: Sequence[float], offsets: Sequence[float], beta: float, d: int = 1
) -> float:
    """b of E I_SP = I(X; T_L) + b / n_x + O(1 / n_x^2): the bias of the plug-in of n_x stored passes, in nats.

    X has d independent coordinates, each uniform on `inputs` (n,) and sent through a chain of tanh neurons of its own
    as in `neuron_chain_information`. A decoder made of the stored passes, `held_out_information`, loses as much:
    I - b / n_x. The derivation needs that E q(t|s)^2 / p(t) has an integral, q(.|s) the noise around one pass's signal
    s, which bounded signals give.

    Source: second order of I in the channel, which is convex. Let r_i be the law of the output of one pass of input i,
    a random density with mean p_i; then 2 b = E int [ sum_i w_i r_i^2 / p_i - sum_i w_i^2 r_i^2 / p ] less the same
    for r_i = p_i. I - E[held-out] = sum_i w_i E D(p_i || p_i') - E D(p || p') has the same second order.
    """
    inputs = finite_array(inputs, "inputs", "(n)")
    *_, (density, squares) = _chain(inputs, slopes, offsets, beta, np.tanh)
    total, weight = density.sum(0), 1 / len(inputs)
    p = density / total  # probabilities of the cells
    output = p.mean(1, keepdims=True)
    inside = np.where(p > 0, p, 1.0)
    own = (squares / total**2 / inside).sum(0)  # (n,) E int r_i^2 / p_i
    pooled = (squares / total**2 / np.where(output > 0, output, 1.0)).sum(0)
    mean = (p**2 / np.where(output > 0, output, 1.0)).sum(0)
    # Of d coordinates each integral is a product, and the sum over inputs one of sums.
    return (own.mean() ** d - 1 - (weight * pooled.mean()) ** d + (weight * mean.mean()) ** d) / 2


def _chain(
    inputs: np.ndarray,
    slopes: Sequence[float],
    offsets: Sequence[float],
    beta: float,
    activation: Callable[[np.ndarray], np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of every layer, (grid of T_l, n): the density of T_l given X up to a constant, and E phi(t - S_l)^2 likewise."""
    beta = positive(beta, "beta")
    hidden, channel = inputs, np.eye(len(inputs))  # channel (grid of T_{l-1}, n)
    for layer, (slope, offset) in enumerate(zip(slopes, offsets, strict=True)):
        signals = activation(slope * hidden + offset)
        steepest = np.abs([1.0, *slopes[layer + 1 : layer + 2]]).max()
        cells = (np.ptp(signals) / beta + 20) * 8 * steepest * max(len(signals), len(inputs))
        if not cells <= MOST_CELLS:
            raise ValueError(
                f"beta = {beta:g} needs a grid of {cells:.3g} cells at layer {layer + 1}, more than {MOST_CELLS}: take "
                "a larger beta or smaller slopes"
            )
        hidden = np.arange(signals.min() - 10 * beta, signals.max() + 10 * beta, beta / (8 * steepest))
        kernel = np.exp(-np.square((hidden[:, None] - signals) / beta) / 2)
        density = kernel @ channel
        density[density < 1e-200] = 0.0  # a weight times a subnormal number would vanish
        yield density, np.square(kernel, out=kernel) @ channel
        channel = density / density.sum(0)  # probabilities on the grid: the constant and the step cancel
