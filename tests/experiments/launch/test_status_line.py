"""The one line on all runs, among the lines of each."""

from __future__ import annotations

import io
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.launch.status_line import StatusLine
from tests.experiments.slurm_cluster import wait_until


def test_it_breaks_the_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with StatusLine(lambda: "1 of 2 runs done", lambda: 0.0):
        wait_until(lambda: "1 of 2 runs done\n" in stream.getvalue(), "the line")


def test_it_is_quiet_where_others_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with StatusLine(lambda: "1 of 2 runs done", lambda: 1e9) as line:
        line.say("a: step 10")
        line.say("b: step 20")
    assert stream.getvalue() == "a: step 10\nb: step 20\n"


def test_on_a_terminal_it_stays_below(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, screen: Callable[[str], list[str]]
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "12")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with StatusLine(lambda: "1 of 2 runs done", lambda: 1e9) as line:
            line.say("a: step 10, which is longer than the terminal is wide")
            line.say("b: step 20")
            written = os.read(ours, 1 << 16).decode()
            assert screen(written)[-1] == "1 of 2 runs"  # cut: a broken line cannot be erased
        line.say("c")
        written += os.read(ours, 1 << 16).decode()
    os.close(ours)
    said = ["a: step 10, which is longer than the terminal is wide", "b: step 20"]
    assert screen(written)[:2] == said
    assert screen(written)[2] in ("", "c")  # nothing of the line is left behind


@pytest.fixture
def screen() -> Callable[[str], list[str]]:
    """What a terminal shows of what was written to it."""

    def shown(written: str) -> list[str]:
        lines = written.replace("\r\n", "\n").split("\n")
        return [line.rpartition("\r\x1b[K")[2] for line in lines]

    return shown
