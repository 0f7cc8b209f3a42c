"""What happens around training steps: metrics, things done now and then, progress."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from detectron2.engine.train_loop import HookBase

from boxseg.progress_display.bars import Bar
from boxseg.progress_display.display import DISPLAY

logger = logging.getLogger(__name__)


def is_due(iteration: int, period: int, last: int) -> bool:
    """Whether something done every `period` iterations and after the last one is due."""
    return iteration % period == 0 or iteration == last


class StepClock:
    """Seconds that go into training steps: what is done between them can be left out.

    Attributes:
        aside: seconds that were left out.
    """

    def __init__(self) -> None:
        self.aside = 0.0

    def now(self) -> float:
        """Seconds from an arbitrary moment on."""
        return time.perf_counter() - self.aside

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Leave out what the block takes."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.aside += time.perf_counter() - began


class MetricWriter(Protocol):
    """Where numbers by step are written."""

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """Take in the numbers of a step; None for one that the data do not define."""
        ...


class StepMetrics(HookBase):
    """Hands on losses, diagnostics, learning rate and speed every few steps.

    Args:
        writers: that take them.
        period: in steps.
        clock: that the speed is measured with.
    """

    def __init__(self, writers: Sequence[MetricWriter], period: int, clock: StepClock) -> None:
        self.writers = writers
        self.period = period
        self.clock = clock
        self.since = clock.now()
        self.steps = 0

    def before_train(self) -> None:
        self.since = self.clock.now()

    def after_step(self) -> None:
        self.steps += 1
        iteration = self.trainer.iter + 1
        if not is_due(iteration, self.period, self.trainer.max_iter):
            return
        now = self.clock.now()
        values = {
            **self.trainer.scalars,
            "lr": self.trainer.optimizer.param_groups[0]["lr"],
            "seconds_per_iteration": (now - self.since) / self.steps,
        }
        self.since, self.steps = now, 0
        for writer in self.writers:
            writer.write(iteration, values)


class Periodically(HookBase):
    """Does something every few steps and after the last one.

    Args:
        do: given the number of steps done.
        period: in steps.
    """

    def __init__(self, do: Callable[[int], None], period: int) -> None:
        self.do = do
        self.period = period

    def after_step(self) -> None:
        iteration = self.trainer.iter + 1
        if is_due(iteration, self.period, self.trainer.max_iter):
            self.do(iteration)


class Progress(HookBase):
    """A bar with rate and time left on a terminal; elsewhere a plain line now and then.

    Args:
        title: of the run.
        seconds_between_lines: of plain lines.
    """

    def __init__(self, title: str, seconds_between_lines: float = 30.0) -> None:
        self.title = title
        self.seconds_between_lines = seconds_between_lines
        self.bar: Bar | None = None
        self.started = self.last_line = time.perf_counter()

    def before_train(self) -> None:
        self.started = self.last_line = time.perf_counter()
        first, last = self.trainer.start_iter, self.trainer.max_iter
        self.bar = DISPLAY.bar(self.title, last, "step", first)

    def after_step(self) -> None:
        if self.bar is not None and self.bar.on_screen:
            self.bar.detail = f"loss {self.trainer.scalars['total_loss']:.3f}"
            self.bar.update()
            return
        now = time.perf_counter()
        if now - self.last_line >= self.seconds_between_lines:
            self.last_line = now
            done, last = self.trainer.iter + 1, self.trainer.max_iter
            rate = (now - self.started) / (done - self.trainer.start_iter)
            logger.info(
                "%s: step %d of %d, loss %.3f, %.2f s a step, %.0f s left",
                self.title,
                done,
                last,
                self.trainer.scalars["total_loss"],
                rate,
                rate * (last - done),
            )

    def after_train(self) -> None:
        if self.bar is not None:
            self.bar.close()
