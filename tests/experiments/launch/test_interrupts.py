"""Signals that end a launcher, and what they have to wait for."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from experiments.launch.interrupts import ENDS, begun_whole, ending_in_order


@pytest.fixture(autouse=True)
def usual_handlers() -> Iterator[None]:
    """Those of a program in the foreground, whoever runs the tests."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, *ENDS)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for one in ENDS:
        signal.signal(one, signal.SIG_DFL)
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


def test_ctrl_c_waits_for_the_end_of_what_is_begun() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), begun_whole():
        signal.raise_signal(signal.SIGINT)
        done.append("the rest")
    assert done == ["the rest"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_an_error_in_the_block_is_told_where_no_signal_came() -> None:
    with pytest.raises(ValueError, match="why"), begun_whole():
        raise ValueError("why")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_not_heeded_does_not_wait() -> None:
    with begun_whole():
        assert [signal.getsignal(one) for one in ENDS] == [signal.SIG_DFL] * len(ENDS)
    with ending_in_order():
        heeding = [signal.getsignal(one) for one in ENDS]
        with begun_whole():
            assert signal.getsignal(ENDS[0]) not in (signal.SIG_DFL, heeding[0])
        assert [signal.getsignal(one) for one in ENDS] == heeding


def test_in_another_thread_nothing_has_to_wait() -> None:
    failed = []

    def begin() -> None:
        try:
            with begun_whole():
                pass
        except ValueError as error:  # signals are the main thread's
            failed.append(error)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert failed == []
