"""The noisy network: T_0 = X, S_l = f_l(T_{l-1}), T_l = S_l + Z_l with Z_l ~ N(0, beta_l^2 I), of any torch module."""

import copy
import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from ib_core.networks.cuts import cuts
from ib_core.networks.half_width import half_width
from ib_core.networks.hooks import LayerError, NetworkError, as_inputs, hooked, mode, taps
from ib_core.networks.lipschitz import lipschitz
from ib_core.streams import stream

PROBES = 256  # inputs that connections are sought with, at most


class NoisyNetwork:
    """A module with Gaussian noise on the outputs of some of its submodules, put there by hooks while it runs.

    The module itself is left as it is: its parameters and buffers belong to its own state_dict, and the mode, train or
    eval, that it is in is restored after every pass.

    Args:
        module: maps inputs (n, *input_shape) to logits (n, classes).
        layers: names of submodules, in the order of the forward pass: "act1", "block.tanh", or "rnn[0]" for the first
            of several outputs.
        input_shape: of one input.
        levels: standard deviation of the noise of each layer.
        probe: (n, ...) some inputs of those that are measured: connections are sought with them, as one may be open for
            these alone. By default Gaussian ones.
        cuts: which layers are cuts, where that is known already.

    Attributes:
        module: as given.
        names: of the layers.
        places: where they are read.
        levels: as given.
        hidden: number L of layers.
        shapes: of one signal of each layer.
        widths: d_1, ..., d_L, the numbers of their coordinates.
        half_widths: every coordinate of a layer's signal lies in an interval of twice this length; None where the
            submodule is not known to be bounded.

    Raises:
        NetworkError: the layers do not exist, do not each come once in a pass, in this order, or give no tensor.

    Example:
        >>> module = nn.Sequential(nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 2))
        >>> network = NoisyNetwork(module, ["1"], (12,), [0.1])
        >>> network.widths, network.half_widths
        ((4,), (1.0,))
        >>> network(torch.zeros(5, 12), torch.Generator().manual_seed(0)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str],
        input_shape: Sequence[int],
        levels: Sequence[float],
        probe: Tensor | np.ndarray | None = None,
        cuts: tuple[bool, ...] | None = None,
    ) -> None:
        self.module, self.input_shape = module, tuple(input_shape)
        self.places = taps(module, layers)
        self.names, self.levels = tuple(layers), tuple(float(level) for level in levels)
        self.hidden = len(self.names)
        if len(self.levels) != self.hidden or not all(0 <= level < math.inf for level in self.levels):
            raise NetworkError(f"levels must be {self.hidden} numbers, none negative, got {self.levels}")
        shapes: list[tuple[int, ...]] = []

        def note(layer: int, signal: Tensor) -> Tensor:
            shapes.append(tuple(signal.shape[1:]))
            return signal

        with torch.no_grad():
            self.propagate(torch.zeros(1, *self.input_shape), note)
        self.shapes = tuple(shapes)
        self.widths = tuple(math.prod(shape) for shape in shapes)
        self._given = stream(0, "probe").standard_normal((4, *self.input_shape)) if probe is None else probe[:PROBES]
        if cuts is not None:
            self.cuts = cuts
        self.half_widths = tuple(half_width(tap.module) if tap.part is None else None for tap in self.places)

    def on(self, device: str) -> "NoisyNetwork":
        """The same with its parameters on a device; this one stays where it is."""
        assert self.cuts is not None and self.grows is not None  # sought where it is
        there = copy.copy(self)
        there.module = copy.deepcopy(self.module).to(device)
        there.places = taps(there.module, self.names)
        return there

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return as_inputs(self.module, torch.empty(0)).device

    @cached_property
    def cuts(self) -> tuple[bool, ...]:
        """Whether all that is behind a layer depends on the input through this layer's T_l alone, see `cuts`."""
        return cuts(self, self._probe())

    @cached_property
    def grows(self) -> bool:
        """Whether T_1 may have more rows than S_1: the first layer is a cut, and what is behind it asks the number of
        rows of nothing before it."""
        if not self.cuts[0]:
            return False
        x, passes = self._probe(), 3

        def outputs(x: Tensor, repeated: int) -> list[Tensor]:
            found = []

            def noisy(layer: int, signal: Tensor) -> Tensor:
                hidden = signal.repeat_interleave(repeated, 0) if layer == 1 else signal
                found.append(hidden)
                return hidden

            return [*found, self.propagate(x, noisy)]

        try:
            with torch.no_grad():
                found = zip(outputs(x, passes), outputs(x.repeat_interleave(passes, 0), 1), strict=True)
                return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max())) for a, b in found)
        except NetworkError:
            raise
        except Exception:  # what a user's module raises where the rows do not fit
            return False

    def _probe(self) -> Tensor:
        return torch.as_tensor(self._given)

    def propagate(
        self, x: Tensor | np.ndarray, noisy: Callable[[int, Tensor], Tensor], training: bool = False
    ) -> Tensor:
        """Logits of one pass in which every signal is replaced.

        Args:
            x: (n, d_0) or (n, *input_shape).
            noisy: maps the number l = 1..L of a layer and its signal S_l (n, *shape), a copy, to T_l, which stands in
                its place. T_1 may have more rows than S_1 where the first layer is a cut.
            training: whether the module runs in train mode; in eval mode otherwise.

        Raises:
            NetworkError: a layer comes twice, out of order or not at all.
        """
        reached = 0

        def seen(layer: int, signal: Tensor) -> Tensor:
            nonlocal reached
            if layer != reached + 1:
                raise LayerError(self._disorder(layer, reached))
            reached = layer
            return noisy(layer, signal)

        with mode(self.module, training), hooked(self.module, self.places, seen):
            logits = self.module(self.inputs(x))
        if reached < self.hidden:
            raise LayerError(f"layer {self.names[reached]!r} is not called in a pass")
        return logits

    def _disorder(self, layer: int, reached: int) -> str:
        name = self.names[layer - 1]
        if layer <= reached:
            return f"layer {name!r} is called more than once in a pass: give each place a submodule of its own"
        return f"layers must be in the order of the forward pass, but {name!r} comes before {self.names[reached]!r}"

    def inputs(self, x: Tensor | np.ndarray) -> Tensor:
        """Inputs in the shape, and on the device and with the digits of the module's parameters."""
        return as_inputs(self.module, x).reshape(len(x), *self.input_shape)

    def __call__(self, x: Tensor | np.ndarray, noise: torch.Generator, training: bool = False) -> Tensor:
        """Logits (n, classes) after one noisy pass."""

        def noisy(layer: int, signal: Tensor) -> Tensor:
            drawn = torch.randn(signal.shape, generator=noise, device=noise.device)
            return signal + self.levels[layer - 1] * drawn.to(signal)

        return self.propagate(x, noisy, training)

    def clean(self, x: Tensor | np.ndarray) -> Tensor:
        """Logits (n, classes) without noise."""
        return self.propagate(x, lambda layer, signal: signal)

    def lipschitz(self) -> list[float | None]:
        """A certified Lipschitz constant of X -> S_l for each layer; None where a module on the way is not known."""
        return lipschitz(self)
