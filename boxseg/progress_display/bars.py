"""What is being done, and how far it is; nothing here draws."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(eq=False)
class Shown:
    """Something on the display, until it is closed; a context, at whose end it is.

    Attributes:
        on_screen: whether somebody sees it on a terminal; where nobody does, whoever tells of
            progress prints lines.
        on_close: called once.
    """

    on_screen: bool = field(default=False, init=False)
    on_close: Callable[[Shown], None] | None = field(default=None, init=False)

    def close(self) -> None:
        """Take it off the display; once more, nothing happens."""
        on_close, self.on_close, self.on_screen = self.on_close, None, False
        if on_close is not None:
            on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(eq=False)
class Bar(Shown):
    """Steps or images, so many of a known number.

    One thread moves it and any may read it: there are no locks, and moving it draws nothing.

    Attributes:
        title: of what is being done.
        total: steps or images.
        unit: "step" or "image".
        done: of the total; those from before this process count too.
        detail: a word more, such as the loss.
        seconds_each: of a step, where it is measured elsewhere.
        seconds_left: as of the last move, where it is estimated elsewhere.
    """

    title: str
    total: int
    unit: str
    done: int = 0
    detail: str = ""
    seconds_each: float | None = None
    seconds_left: float | None = None

    def __post_init__(self) -> None:
        self.first = self.done
        self.began = self.moved = time.perf_counter()

    def update(self, number: int = 1) -> None:
        """So many more are done."""
        self.done += number
        self.moved = time.perf_counter()

    def count_text(self) -> str:
        """Such as "step 40 of 600"."""
        return f"{self.unit} {self.done} of {self.total}"

    def pace_text(self) -> str:
        """Such as "1.4 s/step" or "12 images/s"; empty as long as nothing tells."""
        seconds = self._seconds_each()
        if not seconds:
            return ""
        if seconds >= 1:
            return f"{two_digits(seconds)} s/{self.unit}"
        return f"{two_digits(1 / seconds)} {self.unit}s/s"

    def left_text(self) -> str:
        """Such as "12 min left"; empty as long as nothing tells, and at the end."""
        seconds, left = self._seconds_each(), self.seconds_left
        if left is None and seconds is not None:
            left = seconds * (self.total - self.done)
        if left is None or self.done >= self.total:
            return ""
        return f"{duration(max(left - (time.perf_counter() - self.moved), 0.0))} left"

    def _seconds_each(self) -> float | None:
        if self.seconds_each is not None:
            return self.seconds_each
        done = self.done - self.first
        return (self.moved - self.began) / done if done > 0 else None


@dataclass(eq=False)
class Note(Shown):
    """A line below the bars.

    Attributes:
        text: of the line, which may change.
        timed: whether the seconds since the beginning follow it.
    """

    text: str
    timed: bool = False

    def __post_init__(self) -> None:
        self.began = time.perf_counter()

    def line(self) -> str:
        """The line as it stands now."""
        if not self.timed:
            return self.text
        return f"{self.text}, {time.perf_counter() - self.began:.0f} s so far"


def two_digits(number: float) -> str:
    """A number to two significant digits: 0.42, 3.1, 42, 420."""
    return f"{float(f'{number:.2g}'):g}"


def duration(seconds: float) -> str:
    """A time as people say it: 40 s, 12 min, 3 h 20 min, 2 d 4 h."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
