"""The content-addressed store: every result of every stage, published in one atomic step and verified when read.

A result is a folder `store/<stage>/<identity>` of files and a manifest. Its identity is the hash of its recipe: the
settings that change its numbers, the identities of its inputs and the code that makes it. What lies under its final
name is whole: it was written elsewhere, flushed, hashed, and renamed with its manifest inside.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks.store.locks import Busy, Lock

MANIFEST = "manifest.json"
IDENTITY = re.compile("[0-9a-f]{24}")
Note = TypeVar("Note", bound=BaseModel)


class Damaged(Exception):
    """A stored result does not match its manifest; it was set aside and will be made again."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and shortest floats: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def identity(recipe: dict[str, Any]) -> str:
    """The name of a result: 96 bits of the sha256 of its recipe."""
    return hashlib.sha256(canonical(recipe).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Result:
    """A published result: a folder whose files are verified against the manifest when they are opened."""

    store: "Store"
    stage: str
    identity: str

    @property
    def folder(self) -> Path:
        return self.store.folder(self.stage, self.identity)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the result was made from and of which files it consists.

        Raises:
            Damaged: it cannot be read or is not this result's; the result was set aside.
        """
        try:
            return self._read_manifest()
        except (OSError, ValueError) as error:
            raise self.store.set_aside(self, f"manifest unreadable: {error}") from error

    def _read_manifest(self) -> dict[str, Any]:
        """The manifest; its recipe must be the one that this identity is the hash of."""
        text = (self.folder / MANIFEST).read_text(encoding="utf-8")
        try:
            manifest = json.loads(text)
            if (manifest["stage"], identity(manifest["recipe"])) != (self.stage, self.identity):
                raise ValueError("its recipe is not that of this result")
            for name, entry in manifest["files"].items():
                if not (isinstance(entry["sha256"], str) and isinstance(entry["bytes"], int)):
                    raise ValueError(f"no checksum for {name}")
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise ValueError(f"{name} is no file of this result")
            if not isinstance(manifest["created_ms"], int):
                raise ValueError("no time")
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a manifest ({error})") from error
        return manifest

    def file(self, name: str) -> Path:
        """Path of one file, after its sha256 was checked.

        Raises:
            Damaged: the file is missing or does not match; the whole result was set aside.
        """
        entry = self.manifest["files"].get(name)
        wrong = _mismatch(self.folder / name, entry["sha256"]) if entry else f"no {name} in its manifest"
        if wrong:
            raise self.store.set_aside(self, wrong)
        return self.folder / name

    def verify(self) -> None:
        """Check every file; raise `Damaged` at the first that does not match."""
        for name in self.manifest["files"]:
            self.file(name)

    def looks_whole(self) -> bool:
        """Cheap check of names and sizes, without reading the files."""
        try:
            files = self._read_manifest()["files"]
            return all((self.folder / name).stat().st_size == entry["bytes"] for name, entry in files.items())
        except (OSError, ValueError):
            return False

    def is_whole(self) -> bool:
        """Read every file and compare, without setting anything aside."""
        try:
            files = self._read_manifest()["files"]
        except (OSError, ValueError):
            return False
        return not any(_mismatch(self.folder / name, entry["sha256"]) for name, entry in files.items())


class Store:
    """Results, locks and the journal of one workspace folder."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.root = workspace / "store"

    def folder(self, stage: str, identity: str) -> Path:
        return self.root / stage / identity

    def scratch(self, identity: str) -> Path:
        """Where an unfinished result may leave what its next attempt can use (training: its last checkpoint)."""
        return self.root / ".partial" / identity

    def published(self, stage: str) -> set[str]:
        """Identities of all results of a stage: one directory listing, in which only folders of such a name count."""
        folder = self.root / stage
        entries = os.scandir(folder) if folder.is_dir() else ()
        return {entry.name for entry in entries if IDENTITY.fullmatch(entry.name) and entry.is_dir()}

    def stages(self) -> list[str]:
        """Names of all stages with results, whatever study they belong to."""
        entries = os.scandir(self.root) if self.root.is_dir() else ()
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))

    def get(self, stage: str, identity: str) -> Result | None:
        """The published result, or None; an empty folder is none."""
        result = Result(self, stage, identity)
        return result if result.folder.is_dir() and any(os.scandir(result.folder)) else None

    @contextmanager
    def publishing(self, stage: str, recipe: dict[str, Any]) -> Iterator[Path]:
        """A folder to write into, published under the recipe's identity when the block ends without an error.

        Call it with the identity's lock held. Files are flushed to disk and hashed as read back, the manifest is
        written last, and one rename makes the result visible.
        """
        name = identity(recipe)
        draft = self.root / ".draft" / name
        shutil.rmtree(draft, ignore_errors=True)
        self.make_folder(draft)
        started = time.time()
        try:
            yield draft
            files = {}
            for path in sorted(p for p in draft.rglob("*") if p.is_file()):
                _flush(path)
                files[path.relative_to(draft).as_posix()] = {"sha256": _sha256(path), "bytes": path.stat().st_size}
            manifest = {
                "stage": stage,
                "identity": name,
                "recipe": recipe,
                "files": files,
                "created_ms": round(time.time() * 1000),
                "seconds": round(time.time() - started, 3),
            }
            write_text(draft / MANIFEST, json.dumps(manifest, indent=1))
            _flush(draft)
            final = self.folder(stage, name)
            self.make_folder(final.parent)
            with suppress(OSError):
                final.rmdir()  # an empty folder is nothing to keep
            if final.exists():
                self._bury(Result(self, stage, name), "made again over what stood there")
            draft.rename(final)
            _flush(final.parent)
            shutil.rmtree(self.scratch(name), ignore_errors=True)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def set_aside(self, result: Result, why: str) -> Damaged:
        """Move a damaged result out of the way, unless somebody made it again meanwhile; return the error to raise."""
        with suppress(Busy), self.lock(result.identity):
            if result.folder.exists() and not Result(self, result.stage, result.identity).is_whole():
                self._bury(result, why)
        return Damaged(f"{result.stage}/{result.identity}: {why}; set aside in damaged/, will be made again")

    def _bury(self, result: Result, why: str) -> None:
        """Move a result to the folder of damaged ones; call it with the identity's lock held."""
        graves = self.make_folder(self.workspace / "damaged")
        result.folder.rename(graves / f"{result.stage}-{result.identity}-{time.time_ns()}")
        self.record({"event": "damaged", "stage": result.stage, "identity": result.identity, "why": why})

    def make_folder(self, path: Path) -> Path:
        """A folder of the workspace, made if need be; a file in its way is set aside."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            inside = [part for part in (path, *path.parents) if self.workspace in part.parents]
            for part in [part for part in inside if os.path.lexists(part) and not part.is_dir()]:
                self._clear_away(part, "a folder must be there")
            path.mkdir(parents=True, exist_ok=True)
        return path

    def make_way(self, path: Path) -> Path:
        """Where a file of the workspace can be written: its folder is made, and a folder of its name set aside."""
        self.make_folder(path.parent)
        if path.is_dir():
            self._clear_away(path, "a file must be there")
        return path

    def _clear_away(self, path: Path, why: str) -> None:
        """Move what cannot stand where it does to the folder of damaged results."""
        graves = self.workspace / "damaged"
        graves = self.workspace if path == graves else self.make_folder(graves)
        path.rename(graves / f"{path.name}-{time.time_ns()}")
        warn(f"{path} was set aside: {why}")
        self.record({"event": "damaged", "path": str(path), "why": why})

    def note(self, path: Path, kind: type[Note]) -> Note | None:
        """A JSON file that explains and decides nothing; None where there is none or, with one line, a damaged one."""
        try:
            if path.is_file():
                return kind.model_validate_json(path.read_bytes())
            problem = "it is no file" if os.path.lexists(path) else ""
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]["msg"]
        except OSError as error:
            problem = error.strerror or str(error)
        if problem:
            warn(f"{path} is damaged and was skipped: {problem}")
        return None

    def lock(self, name: str) -> Lock:
        """The lock of one identity, to be entered: `Busy` where another process makes this result right now."""
        return Lock(self.make_way(self.workspace / "locks" / f"{name}.lock"))

    def record(self, entry: dict[str, Any]) -> None:
        """Append one line to the journal: what differs from run to run (seconds, attempts, hosts) lives here."""
        line = json.dumps({"time": round(time.time(), 3), "pid": os.getpid(), **entry}) + "\n"
        handle = os.open(self.make_way(self.workspace / "journal.jsonl"), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size and os.pread(handle, 1, size - 1) != b"\n"  # by a full disk: it shall not swallow this one
            os.write(handle, (("\n" if torn else "") + line).encode())
        finally:
            os.close(handle)

    def journal(self) -> list[dict[str, Any]]:
        """All entries of the journal, each with `time` and `event`; what is damaged is skipped with one line."""
        path = self.workspace / "journal.jsonl"
        try:
            lines = path.read_bytes().split(b"\n") if os.path.lexists(path) else []
        except OSError as error:
            warn(f"{path} cannot be read and was skipped: {error.strerror}")
            return []
        entries = [_entry(line) for line in lines if line.strip()]
        if damaged := entries.count(None):
            warn(f"{path}: {damaged} damaged lines were skipped")
        return [entry for entry in entries if entry is not None]

    def sweep_drafts(self) -> None:
        """Remove drafts whose maker died."""
        drafts = self.root / ".draft"
        for draft in drafts.iterdir() if drafts.is_dir() else []:
            try:
                with self.lock(draft.name):
                    shutil.rmtree(draft, ignore_errors=True)
            except Busy:
                continue


def _entry(line: bytes) -> dict[str, Any] | None:
    """One line of the journal, if it is whole."""
    try:
        entry = json.loads(line)
        whole = isinstance(entry["event"], str) and 0 <= float(entry["time"]) < 1e11
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return entry if whole else None


@cache
def warn(line: str) -> None:
    """Tell people one thing, once."""
    print(f"warning: {line}", file=sys.stderr)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one atomic, flushed step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    _flush(temporary)
    temporary.replace(path)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file in one atomic step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copyfile(source, temporary)
    _flush(temporary)
    temporary.replace(target)


def matches(path: Path, entry: dict[str, Any]) -> bool:
    """Whether a file is the one that a manifest's entry describes."""
    return not _mismatch(path, entry["sha256"])


def _mismatch(path: Path, expected: str) -> str:
    """What is wrong with a file that should have this sha256; empty if nothing is."""
    try:
        found = _sha256(path)
    except OSError as error:
        return f"{path.name} unreadable: {error}"
    return "" if found == expected else f"{path.name} has sha256 {found[:8]}, its manifest says {expected[:8]}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """fsync a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
