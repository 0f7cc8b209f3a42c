"""What happens around training steps: metrics, checkpoints, progress."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from detectron2.engine.train_loop import HookBase
from tqdm import tqdm

from boxseg.errors import InputError
from boxseg.files import write_text_atomically

logger = logging.getLogger(__name__)


def is_due(iteration: int, period: int, last: int) -> bool:
    """Whether something done every `period` iterations and after the last one is due."""
    return iteration % period == 0 or iteration == last


class MetricsWriter(HookBase):
    """Appends a JSON line of losses, diagnostics, learning rate and speed every few steps.

    Args:
        file: `metrics.jsonl` of the run.
        period: in steps.
    """

    def __init__(self, file: Path, period: int) -> None:
        self.file = file
        self.period = period
        self.since = time.perf_counter()
        self.steps = 0

    @staticmethod
    def forget_after(file: Path, iteration: int) -> None:
        """Drop the lines of steps that a resumed run will do again, and a torn last line."""
        if not file.exists():
            return
        kept = []
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                before = json.loads(line)["iteration"] <= iteration
            except (json.JSONDecodeError, KeyError, TypeError):
                continue
            if before:
                kept.append(line + "\n")
        write_text_atomically(file, "".join(kept))

    def before_train(self) -> None:
        self.since = time.perf_counter()

    def after_step(self) -> None:
        self.steps += 1
        iteration = self.trainer.iter + 1
        if not is_due(iteration, self.period, self.trainer.max_iter):
            return
        now = time.perf_counter()
        line = {
            "iteration": iteration,
            **self.trainer.scalars,
            "lr": self.trainer.optimizer.param_groups[0]["lr"],
            "seconds_per_iteration": (now - self.since) / self.steps,
        }
        self.since, self.steps = now, 0
        try:
            with self.file.open("a", encoding="utf-8") as metrics:
                metrics.write(json.dumps(line) + "\n")
        except OSError as error:
            raise InputError(
                f"cannot write {self.file}: {error.strerror}; free the disk or choose a writable "
                "folder."
            ) from None


class Checkpointer(HookBase):
    """Saves every few steps and after the last one.

    Args:
        save: writes a checkpoint, given the number of steps done.
        period: in steps.
    """

    def __init__(self, save: Callable[[int], None], period: int) -> None:
        self.save = save
        self.period = period

    def after_step(self) -> None:
        iteration = self.trainer.iter + 1
        if is_due(iteration, self.period, self.trainer.max_iter):
            self.save(iteration)


class Progress(HookBase):
    """A bar with rate and time left on a terminal; elsewhere a plain line now and then.

    Args:
        title: of the run.
        seconds_between_lines: of plain lines.
    """

    def __init__(self, title: str, seconds_between_lines: float = 30.0) -> None:
        self.title = title
        self.seconds_between_lines = seconds_between_lines
        self.bar: tqdm | None = None
        self.started = self.last_line = time.perf_counter()

    def before_train(self) -> None:
        self.started = self.last_line = time.perf_counter()
        if sys.stderr.isatty():
            self.bar = tqdm(
                desc=self.title,
                initial=self.trainer.start_iter,
                total=self.trainer.max_iter,
                unit="it",
            )

    def after_step(self) -> None:
        if self.bar is not None:
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
