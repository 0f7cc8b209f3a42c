"""Lines of several processes, whole ones, and below them how far each of the runs and all are."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from boxseg.progress_display.bars import Bar, Note
from boxseg.progress_display.display import DISPLAY
from experiments.launch.progress import RunProgress

LOOK = 0.5
"""Seconds from one look at what is to be told to the next."""


class RunsDisplay:
    """Prints on stderr; in a `with`, the state of the runs is told of its own accord.

    On a terminal there is a bar for each run at work, and a line on all of them at the bottom.
    Elsewhere the line is printed where nothing else was for a while.

    Args:
        text: gives the line on all; called from another thread, like the others.
        runs: gives the runs at work, by their names.
        patience: gives the seconds of silence, away from a terminal, that the line is printed
            after.
    """

    def __init__(
        self,
        text: Callable[[], str],
        runs: Callable[[], Mapping[str, RunProgress]],
        patience: Callable[[], float],
    ) -> None:
        self.text = text
        self.runs = runs
        self.patience = patience
        self.stream = sys.stderr
        self.lock = threading.Lock()
        self.last = time.monotonic()
        self.left = threading.Event()
        self.thread = threading.Thread(target=self._tell, daemon=True)
        self.bars: dict[str, Bar] = {}

    def __enter__(self) -> Self:
        self.on_all: Note = DISPLAY.note(self.text())
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
        for bar in self.bars.values():
            bar.close()
        self.on_all.close()

    @property
    def has_bars(self) -> bool:
        """Whether runs need not tell of their steps themselves."""
        return self.on_all.on_screen

    def say(self, line: str) -> None:
        """Print a line, above the bars."""
        with self.lock, DISPLAY.erased():
            self._write(line)

    def _tell(self) -> None:
        while not self.left.wait(LOOK):
            if self.has_bars:
                self.on_all.text = self.text()
                self._move_bars(self.runs())
                continue
            with self.lock:
                if time.monotonic() - self.last >= self.patience():
                    self._write(self.text())

    def _move_bars(self, runs: Mapping[str, RunProgress]) -> None:
        for name in [name for name in self.bars if name not in runs]:
            self.bars.pop(name).close()
        for name, run in runs.items():
            if name not in self.bars:
                self.bars[name] = DISPLAY.bar(name, run.iterations, "step", run.step)
            bar = self.bars[name]
            bar.detail = "starting" if run.loss is None else f"loss {run.loss:.3f}"
            if run.step >= run.iterations:
                bar.detail = "evaluating"
            bar.seconds_each, bar.seconds_left = run.seconds_each, run.seconds_left
            if run.step != bar.done:
                bar.update(run.step - bar.done)

    def _write(self, line: str) -> None:
        self.stream.write(f"{line}\n")
        self.stream.flush()
        self.last = time.monotonic()
