"""The handwritten digits of LeCun, Cortes and Burges, from the four official files; nothing is downloaded."""

import os
from pathlib import Path

from ib_core.laws.points import Points
from tasks.points.idx import read_idx_folder

VARIABLE = "IBSHIFT_MNIST_DIR"
# SHA-256 of the official files when they are not gzipped.
CHECKSUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def mnist_folder(path: str | None) -> Path:
    """The folder of the four files: that of the settings, or of the environment.

    Raises:
        ValueError: neither names one.
    """
    given = path or os.environ.get(VARIABLE)
    if not given:
        raise ValueError(
            "mnist needs the folder of its four IDX files, as data.path or in the environment's "
            f"{VARIABLE}; nothing is downloaded"
        )
    folder = Path(given)
    if not folder.is_dir():
        where = "data.path" if path else VARIABLE
        raise ValueError(f"{where} must be a folder with the four IDX files of MNIST, found none at {given}")
    return folder


def read_mnist(path: str | None) -> Points:
    """All 70 000 images (28, 28) in [0, 1], the 60 000 of the training part first."""
    return read_idx_folder(mnist_folder(path), CHECKSUMS)
