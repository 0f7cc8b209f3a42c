"""Signals that end a launcher: what is at work then ends in order, and nothing is half begun."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from boxseg.progress_display.display import DISPLAY

ENDS = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a process which does not heed them; Ctrl-C is an exception in Python."""


class Terminated(BaseException):
    """The process was told to end."""


@contextlib.contextmanager
def ending_in_order() -> Iterator[None]:
    """Let what a `with` does be undone before a signal ends the process: no worker outlives it.

    Whoever started the process is then told that the signal ended it.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise Terminated(signal.Signals(number).name)

    heeded = [one for one in ENDS if signal.getsignal(one) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        heeded = []  # only there can handlers be set
    for one in heeded:
        signal.signal(one, end)
    try:
        yield
    except Terminated:
        signal.signal(received[0], signal.SIG_DFL)
        signal.raise_signal(received[0])
        raise
    finally:
        for one in heeded:
            signal.signal(one, signal.SIG_DFL)


@contextlib.contextmanager
def begun_whole() -> Iterator[None]:
    """Let Ctrl-C and what is heeded in `ending_in_order` wait for the end of the block.

    For what takes moments, and would be left behind if it were cut in two.
    """
    received: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        received.append(number)

    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, *ENDS)}
    heeded = {one: handler for one, handler in handlers.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        heeded = {}  # only there can handlers be set, and only there do they run
    for one in heeded:
        signal.signal(one, wait)
    try:
        yield
    finally:
        for one, handler in heeded.items():
            signal.signal(one, handler)
        for number in received:
            signal.raise_signal(number)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Say that packages are being imported, and let what would end the process wait for it.

    A Ctrl-C in the middle leaves modules half made, and some packages turn it into an error of
    their own: NumPy then says that it has no core.
    """
    with DISPLAY.doing("importing"), begun_whole():
        yield
