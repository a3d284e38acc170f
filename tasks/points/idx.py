"""Points from a folder of IDX files, the format of MNIST and its relatives, gzipped or plain."""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from ib_core.laws.points import Points
from ib_core.members import listed
from tasks.store.errors import said

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
# Parts of a data set by how their files begin; what begins in no such way is all there is.
PARTS = {"train": True, "t10k": False, "test": False}


def read_idx_folder(folder: Path, checksums: dict[str, str] | None = None) -> Points:
    """The points of a folder: files *images* or *data* with *labels* beside them; bytes are divided by 255.

    Those that begin with train and with t10k or test are the two parts.

    Args:
        checksums: of the files by name, SHA-256 of what they hold when they are not gzipped; then only these are read.

    Raises:
        ValueError: files are missing or damaged.
    """
    stems = sorted({path.name.removesuffix(".gz") for path in folder.iterdir() if "idx" in path.name.lower()})
    if checksums is not None:
        missing = [name for name in checksums if name not in stems]
        if missing:
            raise ValueError(f"{folder} must hold {', '.join(checksums)}, each plain or .gz; {missing[0]} is missing")
        stems = list(checksums)
    pairs = [(stem, stem.replace("images", "labels").replace("idx3", "idx1")) for stem in stems if "images" in stem]
    if not pairs or any(labels not in stems for _, labels in pairs):
        found = listed(path.name for path in sorted(folder.iterdir()))
        raise ValueError(f"{folder} must hold IDX files *images-idx3-ubyte and *labels-idx1-ubyte, got {found}")
    x, y, train = [], [], list[list[bool | None]]()
    for images, labels in pairs:
        part = [_read(folder, name, (checksums or {}).get(name)) for name in (images, labels)]
        if len(part[0]) != len(part[1]):
            raise ValueError(f"{folder}: {images} has {len(part[0])} images and {labels} {len(part[1])} labels")
        x.append(part[0])
        y.append(part[1])
        train.append([PARTS.get(images.partition("-")[0])] * len(part[0]))
    shapes = sorted({each.shape[1:] for each in x})
    if len(shapes) > 1:
        raise ValueError(f"{folder} must hold images of one shape, got {' and '.join(map(str, shapes))}")
    known = [part for each in train for part in each]
    official = len(train) > 1 and None not in known
    pixels = np.concatenate(x)
    scaled = pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels
    return Points(scaled, np.concatenate(y), train=np.array(known, dtype=bool) if official else None)


def read_idx(data: bytes, name: str) -> np.ndarray:
    """The array of an IDX file.

    Raises:
        ValueError: it is not one, or is cut short.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES or not data[3]:
        raise ValueError(f"{name} must be an IDX file, it begins with {data[:4].hex() or 'nothing'}")
    kind, start = np.dtype(TYPES[data[2]]), 4 + 4 * data[3]
    if len(data) < start:
        raise ValueError(f"{name} must hold the lengths of {data[3]} sides, it ends after {len(data)} bytes")
    shape = tuple(int(n) for n in np.frombuffer(data[4:start], ">u4"))
    wanted = start + kind.itemsize * int(np.prod(shape, dtype=object))
    if len(data) != wanted:
        raise ValueError(f"{name} must hold {wanted} bytes for an array {shape}, got {len(data)}")
    return np.frombuffer(data, kind, offset=start).reshape(shape).astype(kind.newbyteorder("="))


def _read(folder: Path, name: str, checksum: str | None) -> np.ndarray:
    plain, zipped = folder / name, folder / f"{name}.gz"
    try:
        data = plain.read_bytes() if plain.exists() else gzip.decompress(zipped.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{folder / name} cannot be read: {said(error)}") from error
    if checksum is not None and hashlib.sha256(data).hexdigest() != checksum:
        raise ValueError(
            f"{folder / name} is not the official file: its SHA-256 differs; if it is meant, name the folder as source"
        )
    return read_idx(data, str(folder / name))
