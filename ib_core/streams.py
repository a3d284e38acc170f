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
    name = json.dumps([part if isinstance(part, str) else int(part) for part in (seed, *key)])
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
