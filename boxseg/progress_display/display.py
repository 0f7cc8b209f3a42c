"""The one display of this process: where bars are shown, and how lines are printed above them."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from boxseg.progress_display.bars import Bar, Note, Shown

if TYPE_CHECKING:  # imports rich, which only a terminal needs
    from boxseg.progress_display.screen import Screen

BEAT = 0.25
"""Seconds from one drawing to the next."""

S = TypeVar("S", bound=Shown)


def on_terminal() -> bool:
    """Whether bars are shown: on a terminal whose cursor can be moved, by a run's first process.

    Several processes on one terminal would draw over each other.
    """
    able = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))
    return able and rank == "0" and sys.stderr.isatty()


class Display:
    """Bars below each other on stderr, and notes below them, where that is a terminal.

    It is there from the first of them to the last, drawn by a thread of its own, and leaves nothing
    behind. Everything may be called from any thread. Off a terminal bars count and nothing is
    drawn.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._may_show = True
        self._shows_another = False
        self._forget()

    def bar(self, title: str, total: int, unit: str, done: int = 0) -> Bar:
        """A bar, shown until it is closed; see `Bar`."""
        return self._shown(Bar(title, total, unit, done))

    def note(self, text: str) -> Note:
        """A line below the bars, shown until it is closed."""
        return self._shown(Note(text))

    def doing(self, text: str) -> Note:
        """A line on what takes a while and has no steps, with the seconds that it has taken."""
        return self._shown(Note(text, timed=True))

    @contextlib.contextmanager
    def erased(self) -> Iterator[None]:
        """Give the terminal to the block, to print whole lines on or to end the process."""
        with self._lock:
            self._erase()
            try:
                yield
            finally:
                self._draw()

    def say(self, line: str) -> None:
        """Print a line on stderr, above the bars."""
        with self.erased():
            _print(line)

    def say_soon(self, line: str) -> None:
        """The same from a signal's handler, which may have interrupted a drawing: it cannot wait.

        Where nothing is shown, the line is written at once, on a new one.
        """
        self._waiting.append(line)
        if self._screen is None:
            with contextlib.suppress(IndexError):
                os.write(2, f"\n{self._waiting.pop()}\n".encode())

    def leave_to_another(self) -> None:
        """Draw nothing, and say no lines instead: the process that started this one has bars."""
        self._shows_another = True

    def close(self) -> None:
        """Close all there is, before words that are the last."""
        for one in (*self._bars, *self._notes):
            one.close()

    def _forget(self) -> None:
        self._bars: list[Bar] = []
        self._notes: list[Note] = []
        self._waiting: deque[str] = deque()
        self._screen: Screen | None = None
        self._over = threading.Event()

    def _shown(self, one: S) -> S:
        if self._shows_another:
            one.on_screen = True
        if self._shows_another or not self._may_show or not on_terminal():
            return one
        with self._lock:
            one.on_screen, one.on_close = True, self._hide
            if isinstance(one, Bar):
                self._bars.append(one)
            elif isinstance(one, Note):
                self._notes.append(one)
            if self._screen is None:
                from boxseg.progress_display.screen import Screen

                self._screen, self._over = Screen(sys.stderr), threading.Event()
                threading.Thread(target=self._keep_drawing, args=(self._over,), daemon=True).start()
            self._draw()
        return one

    def _hide(self, one: Shown) -> None:
        with self._lock:
            self._bars = [bar for bar in self._bars if bar is not one]
            self._notes = [note for note in self._notes if note is not one]
            if self._bars or self._notes:
                self._draw()
                return
            self._erase()
            self._over.set()
            self._screen = None
            self._say_what_waits()

    def _keep_drawing(self, over: threading.Event) -> None:
        while not over.wait(BEAT):
            with self._lock:
                if not over.is_set():
                    if self._waiting:
                        self._erase()
                        self._say_what_waits()
                    self._draw()

    def _say_what_waits(self) -> None:
        while self._waiting:
            with contextlib.suppress(OSError):
                _print(self._waiting.popleft())

    def _draw(self) -> None:
        if self._screen is not None:
            with self._until_it_is_closed():
                self._screen.draw(self._bars, self._notes)

    def _erase(self) -> None:
        if self._screen is not None:
            with self._until_it_is_closed():
                self._screen.erase()

    @contextlib.contextmanager
    def _until_it_is_closed(self) -> Iterator[None]:
        """Draw no more once the terminal is closed: what is being done goes on without it."""
        try:
            yield
        except OSError:
            self._over.set()
            self._screen, self._may_show = None, False

    def _before_fork(self) -> None:
        self._lock.acquire()

    def _after_fork(self) -> None:
        self._lock.release()

    def _in_child(self) -> None:
        """A forked process has no thread that draws, and its lines are its own matter."""
        self._lock = threading.RLock()
        self._may_show = False
        self._forget()


def _print(line: str) -> None:
    sys.stderr.write(f"{line}\n")  # at once: other processes may write there too
    sys.stderr.flush()


DISPLAY = Display()

atexit.register(DISPLAY.close)
os.register_at_fork(
    before=DISPLAY._before_fork,
    after_in_parent=DISPLAY._after_fork,
    after_in_child=DISPLAY._in_child,
)
