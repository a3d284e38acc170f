"""Noise on the layers of a module while it is used as it always is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.networks.hooks import NetworkError, hooked, taps
from ib_core.streams import stream


@contextmanager
def noisy(model: nn.Module, layers: Sequence[str], beta: float | Sequence[float], seed: int = 0) -> Iterator[nn.Module]:
    """While inside, every call `model(x)` is a pass with Gaussian noise on the outputs of the named layers.

    The model stays in the mode that it is in: call `model.eval()` before to measure it, or train it with noise. The
    noise is that of the seed, in the order of the calls. Afterwards the model is as before, whatever happened inside.

    Args:
        model: any module.
        layers: names of its submodules: "act1", "block.tanh", "rnn[0]".
        beta: standard deviation of the noise, one or one for each layer.
        seed: key of the noise.

    Raises:
        NetworkError: there are no such layers, or the model is noised already.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
        >>> x = torch.zeros(1, 3)
        >>> with noisy(model, ["1"], beta=0.1, seed=0):
        ...     once, again = model(x), model(x)
        >>> bool((once != again).all()), bool((model(x) == model(x)).all())
        (True, True)
    """
    places = taps(model, layers)
    levels = [float(beta)] * len(places) if np.ndim(beta) == 0 else list(beta)  # type: ignore[arg-type]
    if len(levels) != len(places) or not all(0 <= level < float("inf") for level in levels):
        raise NetworkError(f"beta must be a number or one for each of {len(places)} layers, none negative, got {beta}")
    noise = torch.Generator().manual_seed(int(stream(seed, "noisy").integers(2**62)))

    def add(layer: int, signal: Tensor) -> Tensor:
        return signal + levels[layer - 1] * torch.randn(signal.shape, generator=noise).to(signal)

    with hooked(model, places, add):
        yield model
