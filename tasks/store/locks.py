"""Locks on files, held by a living process: the kernel drops them with it, however it dies."""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self


class Busy(Exception):
    """Another process holds the lock."""


class Lock:
    """The lock of one file, which is made if need be. Folders are the caller's.

    Args:
        path: the file.
        lasting: whether the file outlives its holder; else the holder removes it, and a file that lies there unlocked
            was left by a process that died.
    """

    def __init__(self, path: Path, lasting: bool = False) -> None:
        self.path, self.lasting = path, lasting
        self.fd: int | None = None

    def acquire(self, shared: bool = False, wait: bool = False) -> bool:
        """Take the lock, alone or with others who share it; False where another process is in the way.

        A lock that is held already is taken in the new way. It is gone where that fails, though its file stays open.

        Raises:
            OSError: this file system has no locks, or no such folder.
        """
        how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        while True:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666) if self.fd is None else self.fd
            try:
                fcntl.flock(fd, how)
                # The last holder may have removed the file between our open and our lock, which protects nothing then.
                with suppress(FileNotFoundError):
                    if self.lasting or self.path.stat().st_ino == os.fstat(fd).st_ino:
                        self.fd = fd
                        return True
            except BlockingIOError:
                return False
            finally:
                if fd != self.fd:
                    os.close(fd)

    def wait(self, patience: float, check: Callable[[], None] = lambda: None) -> Self:
        """Take the lock within so many seconds; `check` is called meanwhile and may raise to stop.

        Raises:
            Busy: somebody else still holds it.
        """
        until = time.monotonic() + patience
        while not self.acquire():
            if time.monotonic() >= until:
                raise Busy(f"{self.path} is held by another process")
            check()
            time.sleep(0.1)
        return self

    def abandoned(self) -> bool:
        """Take the lock of a process that died; False for a living one, and where there never was one."""
        return self.path.exists() and self.acquire()

    def release(self) -> None:
        if self.fd is not None:
            if not self.lasting:
                self.path.unlink(missing_ok=True)
            os.close(self.fd)
            self.fd = None

    def __enter__(self) -> Self:
        """Raises `Busy` at once where another process holds it."""
        return self if self.fd is not None else self.wait(0)

    def __exit__(self, *_: object) -> None:
        self.release()
