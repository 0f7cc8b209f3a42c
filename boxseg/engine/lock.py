"""One process at a time in a folder, on a disk of one machine or one that many machines share.

The lock is the system's (flock), which goes with its holder however it ends, SIGKILL included. Some
shared file systems keep such locks within each machine. There the holder is known by its sign of
life: it touches a file every few seconds, and another machine that has got the lock watches that
file before it believes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from boxseg.errors import InputError

BEAT = 10.0
"""Seconds between two signs of life."""


class HeldError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def locked(file: Path, patience: float = 0.0) -> Iterator[int]:
    """Hold the lock of `file`, which is made if need be.

    Args:
        file: in a folder that exists.
        patience: seconds to wait for another process to give it up.

    Yields:
        The descriptor that holds the lock; a child process that inherits it holds it too.

    Raises:
        HeldError: another process has it.
        InputError: the file system knows no locks.
        OSError: the file cannot be opened.
    """
    with file.open("a") as lock:
        deadline = time.monotonic() + patience
        while not _taken(lock.fileno(), file):
            if time.monotonic() >= deadline:
                raise HeldError(str(file))
            time.sleep(min(0.2, patience))
        yield lock.fileno()


def _taken(descriptor: int, file: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(
            f"cannot lock {file}: {error.strerror}; keep runs on a file system that has locks "
            "(Lustre, for one, has them when mounted with `flock`)."
        ) from None
    return True


@contextlib.contextmanager
def beating(file: Path, seconds: float = BEAT) -> Iterator[None]:
    """Give a sign of life in `file` every so many seconds, as long as the process lives."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(seconds):
            with contextlib.suppress(OSError):
                os.utime(file)

    thread = threading.Thread(target=beat, name="sign of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def beats(file: Path, seconds: float = 3 * BEAT) -> bool:
    """Whether a sign of life is given in `file` within so many seconds; no file gives none."""
    first = _stamp(file)
    deadline = time.monotonic() + seconds
    while first is not None and time.monotonic() < deadline:
        time.sleep(min(0.5, seconds / 10))
        if _stamp(file) not in (first, None):
            return True
    return False


def _stamp(file: Path) -> int | None:
    """When the file was last touched; opening it makes network file systems ask their server."""
    try:
        with file.open("rb") as opened:
            return os.fstat(opened.fileno()).st_mtime_ns
    except OSError:
        return None
