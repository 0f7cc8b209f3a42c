"""The runs of a launch, among the lines of each."""

from __future__ import annotations

import io
import sys

import pytest

from experiments.launch.progress import RunProgress
from experiments.launch.runs_display import RunsDisplay
from tests.experiments.slurm_cluster import wait_until
from tests.terminal import terminal_as_stderr


def nothing_at_work() -> dict[str, RunProgress]:
    return {}


def test_it_breaks_the_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with RunsDisplay(lambda: "1 of 2 runs done", nothing_at_work, lambda: 0.0) as display:
        wait_until(lambda: "1 of 2 runs done\n" in stream.getvalue(), "the line")
        assert not display.has_bars


def test_it_is_quiet_where_others_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with RunsDisplay(lambda: "1 of 2 runs done", nothing_at_work, lambda: 1e9) as display:
        display.say("a: step 10")
        display.say("b: step 20")
    assert stream.getvalue() == "a: step 10\nb: step 20\n"


def test_on_a_terminal_runs_have_bars_below(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch, columns=100)
    runs = {
        "table3/a/1x/seed0": RunProgress(0, 600),
        "table3/b/1x/seed0": RunProgress(200, 600, 1.25, None, 2.0, 900.0),  # gone on with
    }
    done = ["0 of 2 runs done"]
    with RunsDisplay(lambda: done[0], lambda: dict(runs), lambda: 0.0) as display:
        assert display.has_bars
        display.say("b: a line")
        lines = terminal.wait_for(lambda lines: len(lines) == 4 and lines[2].endswith("1.250"))
        said, first, second, on_all = lines
        assert (said, on_all) == ("b: a line", "0 of 2 runs done")
        assert first.split()[0] == "table3/a/1x/seed0"
        assert " step 0 of 600 " in first
        assert first.endswith(" starting")
        assert second.split()[0] == "table3/b/1x/seed0"
        assert " step 200 of 600 " in second
        assert second.endswith(" 2 s/step 15 min left loss 1.250")

        runs["table3/b/1x/seed0"] = RunProgress(600, 600, 1.0, None, 2.0, 0.0)
        terminal.wait_for(lambda lines: lines[2].endswith(" evaluating"))
        del runs["table3/a/1x/seed0"]
        done[0] = "1 of 2 runs done"
        lines = terminal.wait_for(lambda lines: lines[-1] == "1 of 2 runs done" and len(lines) == 3)
        assert lines[1].startswith("table3/b/1x/seed0")
        assert " step 600 of 600 " in lines[1]
    assert terminal.shown() == ["b: a line"]
    assert terminal.cursor_shown
