"""Saving a run's progress when the system, or whoever sits before it, announces its end."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from detectron2.engine.train_loop import HookBase

from boxseg.engine.distributed import any_over_ranks
from boxseg.progress_display.display import DISPLAY

logger = logging.getLogger(__name__)

WARNINGS = (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT, signal.SIGHUP)
"""What schedulers send before they kill (on cancelling and preempting, and when time runs out),
what Ctrl-C sends, and what a terminal sends that is closed."""


class SaveOnSignal(HookBase):
    """Saves after the step in which a warning came, and only then lets the signal do its work.

    In the middle of a step nothing consistent can be saved. What the signal does is what it did
    before the training: end the process, unless the launcher has a handler of its own, which may
    for example queue the run again. Signals that come outside the training are left alone, and so
    are those that were ignored when it began, as `nohup` has it. A second Ctrl-C does not wait: it
    ends the process in the middle of whatever it does.

    Args:
        save: writes a checkpoint, given the number of steps done; called in all processes of the
            run, whichever got the signal.
    """

    def __init__(self, save: Callable[[int], None]) -> None:
        self.save = save
        self.process = os.getpid()
        self.received: list[int] = []
        self.interrupted = False
        self.earlier: dict[signal.Signals, Any] = {}

    def before_train(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only there can handlers be set
        self.process = os.getpid()
        heeded = [one for one in WARNINGS if signal.getsignal(one) is not signal.SIG_IGN]
        self.earlier = {warning: signal.signal(warning, self._note) for warning in heeded}

    def after_step(self) -> None:
        if not any_over_ranks(bool(self.received)):
            return
        numbers, self.received = self.received, []
        iteration = self.trainer.iter + 1
        names = ", ".join(signal.Signals(number).name for number in numbers)
        logger.info("saving at step %d because of %s", iteration, names or "another's signal")
        self.save(iteration)
        for number in numbers:
            self._let_through(signal.Signals(number))

    def after_train(self) -> None:
        for warning, handler in self.earlier.items():
            signal.signal(warning, handler)
        self.earlier = {}
        if self.trainer.iter == self.trainer.max_iter:  # else an error is on its way out
            with DISPLAY.erased():
                for number in self.received:
                    signal.raise_signal(number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:
            return  # a loader's, which inherited the handler: this step may need it, and it ends
            # when the training does
        if number == signal.SIGINT:
            if self.interrupted:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)
            self.interrupted = True
            if os.isatty(2):  # no logger: it may be the very thing that was interrupted
                DISPLAY.say_soon("ending after this step; a second Ctrl-C ends at once, unsaved")
        self.received.append(number)

    def _let_through(self, warning: signal.Signals) -> None:
        signal.signal(warning, self.earlier[warning])
        try:
            with DISPLAY.erased():  # it may be the end
                signal.raise_signal(warning)
        finally:
            signal.signal(warning, self._note)
