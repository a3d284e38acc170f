"""Counter-based random streams, keyed by what they are for."""

import hashlib
import json

import numpy as np


def stream(seed: int, *key: int | str) -> np.random.Generator:
    """The random numbers that belong to `seed` and `key`, the same wherever and whenever they are drawn.

    Two different keys give independent streams, so a draw does not depend on how many draws others made, on the number
    of workers, or on their order.

    Args:
        seed: the seed of the study.
        key: what the stream is for, e.g. `("noise", layer, block)`.

    Returns:
        A generator over Philox, whose 128-bit key is a digest of `(seed, *key)`.

    Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
    """
    return np.random.Generator(np.random.Philox(key=_digest(seed, *key)))


def bulk_stream(seed: int, *key: int | str) -> np.random.Generator:
    """The same for very many numbers at a time: twice as fast, and no stream can be entered in its middle.

    Source: C. Doty-Humphrey's SFC64, seeded by a digest of `(seed, *key)`.
    """
    return np.random.Generator(np.random.SFC64(_digest(seed, *key)))


def _digest(seed: int, *key: int | str) -> int:
    """128 bits."""
    name = json.dumps([part if isinstance(part, str) else int(part) for part in (seed, *key)])
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")
