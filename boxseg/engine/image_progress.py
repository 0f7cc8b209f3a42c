"""How far a pass over images is: a bar on a terminal, elsewhere a plain line now and then."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from boxseg.progress_display.display import DISPLAY

logger = logging.getLogger(__name__)


class ImageProgress:
    """Tells of images done, with rate and time left; a context, in which other lines may be said.

    Args:
        title: of the pass.
        total: images.
        seconds_between_lines: of plain lines.
        unit: what is counted, if not images.
    """

    def __init__(
        self, title: str, total: int, seconds_between_lines: float = 30.0, unit: str = "image"
    ) -> None:
        self.title = title
        self.unit = unit
        self.total = total
        self.seconds_between_lines = seconds_between_lines
        self.done = 0
        self.started = self.last_line = time.perf_counter()
        self.bar = DISPLAY.bar(title, total, unit)

    def __enter__(self) -> ImageProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def update(self) -> None:
        """One more is done."""
        self.done += 1
        self.bar.update()
        now = time.perf_counter()
        if not self.bar.on_screen and now - self.last_line >= self.seconds_between_lines:
            self.last_line = now
            rate = self.done / (now - self.started)
            left = (self.total - self.done) / rate
            logger.info(
                "%s: %s %d of %d, %.1f %ss a second, %.0f s left",
                self.title,
                self.unit,
                self.done,
                self.total,
                rate,
                self.unit,
                left,
            )

    def say(self, line: str) -> None:
        """A line on stderr that leaves the bar whole."""
        DISPLAY.say(line)
