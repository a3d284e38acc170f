"""What a law looks like: the probability of each class, and pictures of a few atoms, the same ones under every law."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ib_core.laws.input_law import InputLaw
from tasks.store.laws import read_atoms
from tasks.sweep.laws import Law, labels_of, weights_of
from tasks.sweep.schema import shaped

CLASSES = 10  # of which an atom is shown, at most
PIXELS = 64  # of a picture's longer side, at most


def examples_table(
    laws: Mapping[str, Law], places: Mapping[str, dict[str, Any]], references: Mapping[str, InputLaw]
) -> pd.DataFrame:
    """One row for each law and class: the class's probability, and the first of its atoms with weight.

    `pixels` are that atom as a picture, `shape` (h, w) or (3, h, w), where atoms are images: for the reference and for
    laws with atoms of their own.

    Args:
        laws: by name.
        places: as `law_places` has them.
        references: the reference law of each part.
    """
    chosen = {part: _chosen(law) for part, law in references.items()}
    rows = [
        {"law": name, **places[name], **row}
        for name, law in laws.items()
        for row in _rows(law, references[law.part.name], chosen[law.part.name])
    ]
    return shaped("examples", rows)


def _chosen(reference: InputLaw) -> dict[int, int]:
    """The atom that stands for each class, of classes evenly picked where there are many."""
    first: dict[int, int] = {}
    for atom in np.flatnonzero(reference.weights):
        first.setdefault(int(reference.labels[atom]), int(atom))
    labels = sorted(first)
    some = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), CLASSES)).round().astype(int))
    return {labels[k]: first[labels[k]] for k in some}


def _rows(law: Law, reference: InputLaw, chosen: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    labels = labels_of(law) if law.kind == "moved" else reference.labels
    share = np.bincount(labels, weights_of(law), minlength=max(chosen) + 1)
    atoms = list(chosen.values())
    pictures: list[np.ndarray | None] = [None] * len(atoms)
    if is_image(law.shape) and law.kind != "reweighted":
        rows = reference.atoms[atoms] if law.kind == "reference" else read_atoms(law.file("law.parquet"), atoms)
        pictures = [picture(row.reshape(law.shape)) for row in rows]
    for (label, atom), pixels in zip(chosen.items(), pictures, strict=True):
        shown = {} if pixels is None else {"shape": list(pixels.shape), "pixels": pixels.ravel().tolist()}
        yield {"label": label, "share": float(share[label]), "atom": atom, **shown}


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether atoms of this shape are images, grey or of three colours."""
    return len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))


def picture(image: np.ndarray) -> np.ndarray:
    """An image (h, w), (1, h, w) or (3, h, w) as (h, w) or (3, h, w), of at most `PIXELS` a side: means of blocks."""
    image = image[0] if image.ndim == 3 and len(image) == 1 else image
    step = -(-max(image.shape[-2:]) // PIXELS)
    for axis in (-2, -1):
        starts = np.arange(0, image.shape[axis], step)
        sums = np.add.reduceat(image, starts, axis=axis)
        counts = np.diff(np.append(starts, image.shape[axis]))
        image = sums / (counts[:, None] if axis == -2 else counts)
    return image.astype(np.float32)
