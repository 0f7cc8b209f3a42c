"""What a terminal shows of log records."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from boxseg.progress_display.display import DISPLAY
from experiments.run.logs import AboveBars, set_up_logging
from tests.experiments.command_line import settings_restored
from tests.terminal import terminal_as_stderr


def test_lines_leave_bars_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch)
    text = "step 5: mask AP [31.2] :smile:"  # as it is, whatever rich makes of such signs
    with DISPLAY.bar("a run", 600, "step", 5):
        AboveBars(sys.stderr).emit(logging.makeLogRecord({"msg": text}))
        said, bar = terminal.shown()
        assert said == text
        assert bar.startswith("a run ")
        assert bar.endswith(" step 5 of 600")
    assert terminal.shown() == [text]


def test_the_second_command_of_a_process_says_its_lines_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.StringIO()
    with settings_restored():
        set_up_logging()
        monkeypatch.setattr(sys, "stderr", shown)
        set_up_logging()
        logging.getLogger("boxseg.engine").info("step 5")
    assert shown.getvalue() == "step 5\n"
