"""One way to write what runs on numpy arrays on the host and on torch tensors on a device: numpy's names for both.

    xp = namespace(points)
    log_total = xp.logaddexp(others, xp.log(weights))

On the host `xp` is numpy itself, so that nothing is slower or rounds otherwise there. On a device it has the functions
that are used here, with numpy's arguments.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import Tensor

from ib_core.philox.generator import philox_normals
from ib_core.streams import bulk_stream, stream

_share: ContextVar[float] = ContextVar("share of the tiles of a device", default=1.0)


@contextmanager
def smaller_tiles(share: float) -> Iterator[None]:
    """Within it, tiles on a device hold this share of what they else would."""
    token = _share.set(share)
    try:
        yield
    finally:
        _share.reset(token)


def tile(numbers: int) -> int:
    """How many of the numbers of a tile on a device are held at a time."""
    return max(1, int(numbers * _share.get()))


def resident(device: str | None) -> bool:
    """Whether arrays live on a device: on anything but the CPU."""
    return device is not None and torch.device(device).type != "cpu"


def namespace(array: Any) -> Any:
    """numpy for an array of the host, its twin for a tensor."""
    return TorchNumpy(array.device) if isinstance(array, Tensor) else np


def arrays_of(device: str | None) -> Any:
    """The namespace of the arrays that a computation on this device has."""
    return TorchNumpy(torch.device(device)) if device is not None and resident(device) else np


def host(array: Any) -> Any:
    """As an array of the host."""
    return array.cpu().numpy() if isinstance(array, Tensor) else array


def copied(array: Any) -> Any:
    """A copy where the array is."""
    return array.clone() if isinstance(array, Tensor) else array.copy()


def argsort(array: Any) -> Any:
    """A stable one along the last axis."""
    return torch.argsort(array, stable=True) if isinstance(array, Tensor) else np.argsort(array, kind="stable")


def counted(integers: Any) -> tuple[Any, Any]:
    """The different ones of a vector, in order, and how often each stands there."""
    if isinstance(integers, Tensor):
        return torch.unique(integers, return_counts=True)
    return np.unique(integers, return_counts=True)


def largest(array: Any, axis: int = 0) -> Any:
    """Along one axis."""
    return array.amax(axis) if isinstance(array, Tensor) else array.max(axis)


def least(array: Any, axis: int = 0) -> Any:
    """Along one axis."""
    return array.amin(axis) if isinstance(array, Tensor) else array.min(axis)


def expit(array: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return torch.special.expit(array) if isinstance(array, Tensor) else special.expit(array)


def entr(array: Any) -> Any:
    """-x ln x, 0 at 0."""
    return torch.special.entr(array) if isinstance(array, Tensor) else special.entr(array)


def sums_from(values: Any, starts: np.ndarray) -> Any:
    """Sums over the last axis but one of the parts that begin at these places, in a fixed order."""
    if not isinstance(values, Tensor):
        return np.add.reduceat(values, starts, axis=-2)
    ends = np.append(starts[1:], values.shape[-2])
    lengths = torch.from_numpy(ends - starts).to(values.device)
    first = values.movedim(-2, 0).contiguous()
    return torch.segment_reduce(first, "sum", lengths=lengths, axis=0).movedim(0, -2)


def moving_sums(values: Any, window: int) -> Any:
    """Along the first axis of (n, K), over at most so many neighbours, as `numpy.convolve` has them in its "same"."""
    if not isinstance(values, Tensor):
        return np.stack([np.convolve(each, np.ones(window), "same") for each in values.T], axis=1)
    after = (window - 1) // 2
    return torch.nn.functional.pad(values.T, (window - 1 - after, after)).unfold(1, window, 1).sum(2).T


def normals(xp: Any, shape: Sequence[int], seed: int, *key: int | str, bulk: bool = False) -> Any:
    """Standard normal numbers that belong to `seed` and `key`, where `xp` has its arrays; see `bulk_stream`.

    On a device they come from a generator of the same kind as on the host, whose every number is a function of the key
    and its own place alone: they do not depend on the card, nor on how many are drawn at once.
    """
    if xp is np:
        return (bulk_stream if bulk else stream)(seed, *key).standard_normal(shape)
    return philox_normals(math.prod(shape), xp.device, seed, *key).reshape(tuple(shape))


class TorchNumpy:
    """numpy's functions of these names and arguments on tensors of one device; float64 where nothing else is said."""

    inf, nan = np.inf, np.nan
    float64, int64, float32 = torch.float64, torch.int64, torch.float32
    square, sqrt, log, log1p, exp = torch.square, torch.sqrt, torch.log, torch.log1p, torch.exp
    isfinite, zeros_like, empty_like, where = torch.isfinite, torch.zeros_like, torch.empty_like, torch.where
    hypot = torch.hypot
    broadcast_to, einsum = torch.broadcast_to, staticmethod(torch.einsum)
    linalg = torch.linalg

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def asarray(self, array: Any, dtype: Any = None) -> Tensor:
        """On the device; floating point numbers become float64."""
        if not isinstance(array, Tensor):
            array = torch.from_numpy(np.require(array, requirements=("C", "W")))  # which torch takes as they are
        if dtype is None and array.dtype.is_floating_point:
            dtype = torch.float64
        return array.to(self.device, dtype)

    def empty(self, shape: Any, dtype: Any = torch.float64) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)

    def zeros(self, shape: Any, dtype: Any = torch.float64) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def full(self, shape: Any, value: float, dtype: Any = torch.float64) -> Tensor:
        return torch.full(shape if isinstance(shape, tuple) else (shape,), value, dtype=dtype, device=self.device)

    def arange(self, *ends: int) -> Tensor:
        return torch.arange(*ends, device=self.device)

    def eye(self, d: int) -> Tensor:
        return torch.eye(d, dtype=torch.float64, device=self.device)

    def flatnonzero(self, array: Tensor) -> Tensor:
        return array.reshape(-1).nonzero()[:, 0]

    def argpartition(self, array: Tensor, kth: int, axis: int = -1) -> Tensor:
        return torch.argsort(array, dim=axis, stable=True)

    def stack(self, parts: Sequence[Tensor], axis: int = 0) -> Tensor:
        return torch.stack(list(parts), axis)

    def concatenate(self, parts: Sequence[Tensor], axis: int = 0) -> Tensor:
        return torch.cat(list(parts), axis)

    def logaddexp(self, a: Any, b: Any) -> Tensor:
        return torch.logaddexp(self.asarray(a), self.asarray(b))

    def minimum(self, a: Tensor, b: Any) -> Tensor:
        return torch.minimum(a, b) if isinstance(b, Tensor) else a.clamp(max=b)

    def maximum(self, a: Tensor, b: Any) -> Tensor:
        return torch.maximum(a, b) if isinstance(b, Tensor) else a.clamp(min=b)

    def tile(self, array: Tensor, times: int) -> Tensor:
        return array.tile((times,))

    def repeat(self, array: Tensor, times: Any) -> Tensor:
        return array.repeat_interleave(times if isinstance(times, int) else self.asarray(times))
