"""Counter-based normal numbers on a device: each is a function of its key and its place alone.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011; Box and Muller, Annals of Mathematical
Statistics 29 (1958).
"""

import hashlib
import json
import math
from contextlib import suppress

import torch
from torch import Tensor

WORDS = 2**22  # random words of one step
FACTORS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
MASK = 0xFFFFFFFF

Words = tuple[int, int, int, int]


def philox_normals(count: int, device: torch.device, seed: int, *key: int | str) -> Tensor:
    """`count` standard normal numbers in float64; in one launch where the device is a CUDA card with Triton."""
    found = torch.empty(count + count % 2, dtype=torch.float64, device=device)
    words = key_words(seed, *key)
    if device.type == "cuda":
        with suppress(ModuleNotFoundError):
            from ib_core.philox.kernel import fill

            fill(found, words)
            return found[:count]
    for first in range(0, len(found), WORDS):
        some = min(WORDS, len(found) - first)
        places = torch.arange(first // 2, (first + some) // 2, device=device)
        found[first : first + some] = torch.stack(_pairs(places, words), 1).reshape(-1)
    return found[:count]


def key_words(seed: int, *key: int | str) -> Words:
    """Two words that key the generator, and two of its counter."""
    name = json.dumps([part if isinstance(part, str) else int(part) for part in (seed, *key)])
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    a, b, c, d = (int.from_bytes(digest[4 * k : 4 * k + 4], "little") for k in range(4))
    return a, b, c, d


def _pairs(places: Tensor, words: Words) -> tuple[Tensor, Tensor]:
    """Four words of 32 bits make two uniforms of 53 and with them two normals."""
    a, b, c, d = philox(places, words)
    radius = torch.sqrt(-2 * torch.log1p(-_uniform(a, b)))
    angle = 2 * math.pi * _uniform(c, d)
    return radius * torch.cos(angle), radius * torch.sin(angle)


def _uniform(high: Tensor, low: Tensor) -> Tensor:
    """[0, 1) in steps of 2^-53."""
    # As float64: a product of integers with a float would be of torch's default type.
    return ((high >> 5).double() * 67108864.0 + (low >> 6).double()) / 9007199254740992.0


def philox(places: Tensor, words: Words) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox4x32-10 at counters (place, two words of the key), as int64 that hold 32 bits."""
    key = list(words[:2])
    a, b = places & MASK, (places >> 32) & MASK
    c, d = torch.full_like(a, words[2]), torch.full_like(a, words[3])
    for _ in range(10):
        high_a, low_a = _product(FACTORS[0], a)
        high_c, low_c = _product(FACTORS[1], c)
        a, b, c, d = high_c ^ b ^ key[0], low_c, high_a ^ d ^ key[1], low_a
        key = [(word + step) & MASK for word, step in zip(key, WEYL, strict=True)]
    return a, b, c, d


def _product(factor: int, words: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of a product of 32 bits each; halves of the words keep int64 from overflowing."""
    low, high = factor * (words & 0xFFFF), factor * (words >> 16)
    middle = (low >> 16) + high
    return middle >> 16, ((middle & 0xFFFF) << 16) | (low & 0xFFFF)
