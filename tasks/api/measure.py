"""The information in the layers of a model under laws of its inputs, all in memory."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.checks import finite_array, positive
from ib_core.estimators.principal import whole_number
from ib_core.laws.points import Points
from ib_core.networks.checks import check, check_digits
from ib_core.networks.hooks import NetworkError
from ib_core.networks.levels import relative_levels
from ib_core.networks.noisy_network import PROBES, NoisyNetwork
from ib_core.networks.work import products
from tasks.api.cell import Cells, Sampling
from tasks.api.laws import named_laws, same_atoms
from tasks.api.measurement import Measurement
from tasks.api.progress import Progress


def measure(
    model: nn.Module,
    x: Any,
    *,
    layers: Sequence[str],
    beta: float | Sequence[float],
    y: Any = None,
    laws: Mapping[str, Any] | None = None,
    weights: Any = None,
    noise: Literal["absolute", "relative"] = "absolute",
    passes: int = 16,
    own_passes: int = 500,
    target_stderr: float = 0.02,
    max_draws: int | None = None,
    widest: int = 256,
    seed: int = 0,
    device: str | None = None,
    quiet: bool = False,
) -> Measurement:
    """I(X; T_l) of layers of a model with Gaussian noise on their outputs, in nats, between two ends.

    T_l = S_l + Z_l, where S_l is what the layer gives while all named layers before it are noisy too. The model runs in
    eval mode and is left as it was, whatever happens. The law of X is that of the given inputs: each is an atom, and
    nothing is said of inputs that are not among them.

    Args:
        model: any module that maps inputs (n, ...) to logits (n, classes).
        x: (N, ...) the inputs: an array, a tensor or lists.
        layers: names of submodules in the order of the forward pass, see `layers(model, x)`.
        beta: standard deviation of the noise, one or one for each layer.
        y: (N,) classes 0..C-1 of the inputs; with them I(T_l; Y) is measured too, and accuracies.
        laws: other laws of the input, by name: weights (N,), which are made to sum to 1; moved inputs (N, ...); or
            (family, size) and (family, size, {parameter: value}) of a family of shifts, as ("contamination", 0.1).
        weights: (N,) of the inputs themselves, made to sum to 1; equal by default.
        noise: "relative" takes beta times the root mean square of the layer's outputs on x without noise.
        passes: noisy passes of each input, around which the mixture of all of them lies.
        own_passes: further passes, held against points of their own input alone.
        target_stderr: standard error (nats) at which sampling stops under the law of x; three times as much for other
            weights, twice for moved inputs.
        max_draws: most points for each end; by default 64 for each input and at least 2^18.
        widest: units of a layer up to which it is measured as a whole. Of a wider one projections on a few directions
            are, from below, and H(X) is the upper end.
        seed: key of all noise and of all draws.
        device: where torch computes for wide layers; None is the CPU. The model runs where its parameters are.
        quiet: no words on stderr about the time that is left.

    Raises:
        NetworkError: the model cannot be noised and measured so; one line says why. It is a ValueError.
        ValueError: an argument does not fit.

    Example:
        >>> model = nn.Sequential(nn.Linear(1, 1), nn.Tanh(), nn.Linear(1, 2))
        >>> _ = nn.init.constant_(model[0].weight, 10.0), nn.init.zeros_(model[0].bias)
        >>> found = measure(model, [[-1.0], [1.0]], layers=["1"], beta=0.1, laws={"rare": [9, 1]})
        >>> found.table[["layer", "law", "low", "high", "clear"]].round(2)
          layer        law   low  high  clear
        0     1  reference  0.69  0.69  False
        1     1       rare  0.32  0.33   True
    """
    inputs = finite_array(x, "x", None)
    given_weights = None if weights is None else finite_array(weights, "weights", None)
    points = Points(inputs, np.zeros(len(inputs), np.int64) if y is None else y, given_weights)
    reference = points.law(np.arange(len(inputs)))
    sampling = Sampling(
        _at_least(1, passes, "passes"),
        _at_least(4, own_passes, "own_passes"),
        positive(target_stderr, "target_stderr"),
        None if max_draws is None else _at_least(1, max_draws, "max_draws"),
        _at_least(1, widest, "widest"),
        seed,
        device,
    )
    given = torch.from_numpy(points.x.astype(np.float32, copy=False))
    check(model, layers, given, classes=None if y is None else points.classes)
    some = given[:: max(1, len(given) // PROBES)]
    network = NoisyNetwork(model, layers, points.shape, _levels(model, layers, given, beta, noise), probe=some)
    check_digits(network, some)
    named = named_laws(reference, {} if laws is None else laws, network)
    shared = {name: law for name, law in named.items() if same_atoms(law, reference)}
    alone = [{name: law} for name, law in named.items() if name not in shared]
    directions: dict[int, np.ndarray] = {}  # the same for all laws
    known = reference, sampling, y is not None, products(model, layers, some)
    cells = [Cells(network, each, *known, directions=directions) for each in (shared, *alone)]
    progress = Progress([cost for each in cells for cost in each.costs()], quiet)
    for each in cells:
        each.measure(progress)
    return Measurement(network, named, cells)


def _levels(
    model: nn.Module, layers: Sequence[str], x: Tensor, beta: float | Sequence[float], noise: str
) -> tuple[float, ...]:
    """Standard deviation of the noise of each layer."""
    betas = [beta] * len(layers) if np.ndim(beta) == 0 else list(beta)  # type: ignore[arg-type]
    if len(betas) != len(layers):
        raise NetworkError(f"beta must be a number or one for each of {len(layers)} layers, got {beta!r}")
    betas = [positive(each, "beta") for each in betas]
    if noise not in ("absolute", "relative"):
        raise ValueError(f'noise must be "absolute" or "relative", got {noise!r}')
    rms = (1.0,) * len(layers) if noise == "absolute" else relative_levels(model, layers, x, 1.0)
    return tuple(each * size for each, size in zip(betas, rms, strict=True))


def _at_least(least: int, number: Any, name: str) -> int:
    found = whole_number(number, name)
    if found < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return found
