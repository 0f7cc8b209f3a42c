"""Lines of several processes, whole ones, and beside them one on how all of them are doing."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

LOOK = 0.5
"""Seconds between looks at whether the line is due."""


class StatusLine:
    """Prints on stderr; in a `with`, the line comes of its own accord.

    On a terminal it stands below all others and is kept up to date. Elsewhere it is printed where
    nothing else was for a while.

    Args:
        text: gives the line; called from another thread.
        patience: gives the seconds of silence, away from a terminal, that it is printed after.
    """

    def __init__(self, text: Callable[[], str], patience: Callable[[], float]) -> None:
        self.text = text
        self.patience = patience
        self.stream = sys.stderr
        self.in_place = self.stream.isatty()
        self.lock = threading.Lock()
        self.last = time.monotonic()
        self.left = threading.Event()
        self.thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.left.set()
        self.thread.join()
        if self.in_place:
            self._write(_ERASE)

    def say(self, line: str) -> None:
        """Print a line, above the one on all."""
        with self.lock:
            self._write(f"{_ERASE}{line}\n{self._fitting()}" if self.in_place else f"{line}\n")

    def _tell(self) -> None:
        while not self.left.wait(LOOK):
            with self.lock:
                if self.in_place:
                    self._write(f"{_ERASE}{self._fitting()}")
                elif time.monotonic() - self.last >= self.patience():
                    self._write(f"{self.text()}\n")

    def _fitting(self) -> str:
        """The line, cut to the terminal's width: a longer one could not be erased."""
        return self.text()[: shutil.get_terminal_size().columns - 1]

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
        self.last = time.monotonic()


_ERASE = "\r\x1b[K"
