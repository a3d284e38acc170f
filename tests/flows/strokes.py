"""Images of a rule in the four files of MNIST, for tests without the digits themselves."""

import gzip
from pathlib import Path

import numpy as np

SIDE, TRAIN, TEST = 12, 400, 120


def idx(array: np.ndarray) -> bytes:
    """Bytes in IDX."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write_strokes(folder: Path) -> Path:
    """Ten blurred strokes, moved and noisy: the folder they were written to."""
    rng = np.random.default_rng(0)
    strokes = rng.random((10, SIDE, SIDE)) < 0.25
    for part, n in (("train", TRAIN), ("t10k", TEST)):
        y = np.arange(n, dtype=np.uint8) % 10
        noisy = 200.0 * strokes[y] + rng.normal(scale=25, size=(n, SIDE, SIDE)) + 30
        x = np.clip(noisy, 0, 255).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x)))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(y))
    return folder
