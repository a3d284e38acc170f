"""One way to write what runs on numpy arrays on the host and on torch tensors on a device: numpy's names for both.

    xp = namespace(points)
    log_total = xp.logaddexp(others, xp.log(weights))

On the host `xp` is numpy itself, so that nothing is slower or rounds otherwise there. On a device it has the functions
that are used here, with numpy's arguments.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ib_core.streams import bulk_stream, stream

WORDS = 2**22  # random words of one step
PHILOX = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF


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
    """A stable one of a vector."""
    return torch.argsort(array, stable=True) if isinstance(array, Tensor) else np.argsort(array, kind="stable")


def sums_from(values: Any, starts: np.ndarray) -> Any:
    """Sums over the last axis but one of the parts that begin at these places, in a fixed order."""
    if not isinstance(values, Tensor):
        return np.add.reduceat(values, starts, axis=-2)
    ends = np.append(starts[1:], values.shape[-2])
    lengths = torch.from_numpy(ends - starts).to(values.device)
    first = values.movedim(-2, 0).contiguous()
    return torch.segment_reduce(first, "sum", lengths=lengths, axis=0).movedim(0, -2)


def normals(xp: Any, shape: Sequence[int], seed: int, *key: int | str, bulk: bool = False) -> Any:
    """Standard normal numbers that belong to `seed` and `key`, where `xp` has its arrays; see `bulk_stream`.

    On a device they come from a generator of the same kind as on the host, whose every number is a function of the key
    and its own place alone: they do not depend on the card, nor on how many are drawn at once.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011; Box and Muller, Annals of Mathematical
    Statistics 29 (1958).
    """
    if xp is np:
        return (bulk_stream if bulk else stream)(seed, *key).standard_normal(shape)
    count = math.prod(shape)
    found = xp.empty(count + count % 2)
    words = _key(seed, *key)
    for first in range(0, len(found), WORDS):
        some = min(WORDS, len(found) - first)
        # Four words of 32 bits make two uniforms of 53 and with them two normals.
        places = torch.arange(first // 2, (first + some) // 2, device=found.device)
        a, b, c, d = _philox(places, words)
        radius = torch.sqrt(-2 * torch.log1p(-_uniform(a, b)))
        angle = 2 * math.pi * _uniform(c, d)
        found[first : first + some] = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], 1).reshape(-1)
    return found[:count].reshape(tuple(shape))


def _key(seed: int, *key: int | str) -> tuple[int, int, int, int]:
    """Two words that key the generator, and two of its counter."""
    name = json.dumps([part if isinstance(part, str) else int(part) for part in (seed, *key)])
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    a, b, c, d = (int.from_bytes(digest[4 * k : 4 * k + 4], "little") for k in range(4))
    return a, b, c, d


def _uniform(high: Tensor, low: Tensor) -> Tensor:
    """[0, 1) in steps of 2^-53."""
    return ((high >> 5) * 67108864.0 + (low >> 6)) / 9007199254740992.0


def _philox(places: Tensor, words: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10 at counters (place, two words of the key), as int64 that hold 32 bits."""
    key = list(words[:2])
    a, b = places & MASK, (places >> 32) & MASK
    c, d = torch.full_like(a, words[2]), torch.full_like(a, words[3])
    for _ in range(10):
        high_a, low_a = _product(PHILOX[0], a)
        high_c, low_c = _product(PHILOX[1], c)
        a, b, c, d = high_c ^ b ^ key[0], low_c, high_a ^ d ^ key[1], low_a
        key = [(word + step) & MASK for word, step in zip(key, WEYL, strict=True)]
    return a, b, c, d


def _product(factor: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of a product of 32 bits each; halves of the words keep int64 from overflowing."""
    low, high = factor * (words & 0xFFFF), factor * (words >> 16)
    middle = (low >> 16) + high
    return middle >> 16, ((middle & 0xFFFF) << 16) | (low & 0xFFFF)


class TorchNumpy:
    """numpy's functions of these names and arguments on tensors of one device; float64 where nothing else is said."""

    inf, nan = np.inf, np.nan
    float64, int64, float32 = torch.float64, torch.int64, torch.float32
    square, sqrt, log, log1p, exp = torch.square, torch.sqrt, torch.log, torch.log1p, torch.exp
    isfinite, zeros_like, empty_like, where = torch.isfinite, torch.zeros_like, torch.empty_like, torch.where
    broadcast_to, einsum = torch.broadcast_to, staticmethod(torch.einsum)
    linalg = torch.linalg

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def asarray(self, array: Any, dtype: Any = None) -> Tensor:
        """On the device; floating point numbers become float64."""
        if not isinstance(array, Tensor):
            array = torch.from_numpy(np.array(array))
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
