"""Bars below each other on a terminal, and lines that are said above them."""

from __future__ import annotations

import io
import multiprocessing
import subprocess
import sys
import threading

import pytest

from boxseg.progress_display.display import DISPLAY, Display
from tests.conftest import REPOSITORY
from tests.experiments.slurm_cluster import wait_until
from tests.terminal import terminal_as_stderr


def test_bars_stand_below_what_is_said_and_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_as_stderr(monkeypatch, rows=8)
    terminal.stream.write("$ a command\n")
    display = Display()
    with display.note("1 of 2 done"), display.bar("a run", 600, "step", 40) as run:
        run.update()
        run.detail = "loss 1.250"
        with display.bar("its evaluation", 30, "image"):
            for number in range(10):
                display.say(f"line {number}, of more than the terminal has columns: {'-' * 80}")
            lines = terminal.shown()
            assert lines[0] == "$ a command"
            assert lines[-3].startswith("a run ")
            assert " step 41 of 600 " in lines[-3]
            assert lines[-3].endswith(" left loss 1.250")
            assert lines[-2].startswith("its evaluation ")
            assert lines[-2].endswith(" image 0 of 30")
            assert lines[-1] == "1 of 2 done"
            assert len(lines) == 1 + 2 * 10 + 3
        assert [line.split()[0] for line in terminal.shown()[-2:]] == ["a", "1"]
        assert terminal.cursor_shown
    terminal.stream.write("$ ")
    terminal.stream.flush()
    lines = terminal.shown()
    assert lines[-1] == "$"
    assert lines[1].startswith("line 0, of")
    assert len(lines) == 1 + 2 * 10 + 1
    assert terminal.cursor_shown


def test_it_is_drawn_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch, rows=8)
    with DISPLAY.bar("a run", 600, "step") as bar, DISPLAY.note("one") as note:
        bar.update(7)
        note.text = "two"
        lines = terminal.wait_for(lambda lines: lines[-1:] == ["two"])
        assert " step 7 of 600" in lines[0]
        assert len(lines) == 2


@pytest.mark.parametrize("columns", [100, 60, 40, 24, 9])
def test_no_line_is_broken(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch, columns=columns)
    display = Display()
    names = ("table3/baseline/1x/seed0", "table3/boxteacher/3x/seed0")
    with display.note("4 of 6 runs done, 21 min left in all"):
        bars = [display.bar(name, 600, "step") for name in names]
        for bar in bars:
            bar.update(123)
            bar.detail = "loss 1.250"
        display.say("x")
        said, *lines, on_all = terminal.shown()
        assert said == "x"
        assert len(lines) == 2
        assert on_all == "4 of 6 runs done, 21 min left in all"[: columns - 5].rstrip()
        assert max(map(len, lines)) <= columns - 5  # a ^C or two after it break no line
        assert all(line.split()[0].endswith("d0") for line in lines)
        if columns >= 40:
            assert all("step 123 of 600" in line for line in lines)
        for bar in bars:
            bar.close()
    assert terminal.shown() == ["x"]


def test_the_line_on_all_stays_where_there_are_more_bars_than_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_as_stderr(monkeypatch, rows=8)
    display = Display()
    with display.note("0 of 20 done"):
        bars = [display.bar(f"run{number}", 600, "step") for number in range(20)]
        lines = terminal.shown()
        assert [line.split()[0] for line in lines[:-2]] == [f"run{n}" for n in range(5)]
        assert lines[-2:] == ["and 15 more", "0 of 20 done"]
        for bar in bars:
            bar.close()
    assert terminal.shown() == []


def test_lines_of_several_threads_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch, rows=8)
    display = Display()

    def work(name: str) -> None:
        with display.bar(name, 40, "step") as bar:
            for number in range(40):
                bar.update()
                display.say(f"{name} {number}")

    with display.note("below"):
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        lines = terminal.wait_for(lambda lines: len(lines) == 4 * 40 + 1)
        for thread in threads:
            thread.join()
    assert lines.pop() == "below"
    for name in "abcd":
        own = [line for line in lines if line.startswith(name)]
        assert own == [f"{name} {number}" for number in range(40)]


def test_a_signal_s_handler_speaks_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch, rows=8)
    display = Display()
    with display.bar("a run", 600, "step"):
        with display.erased():  # it has interrupted somebody who is printing
            sys.stderr.write("half of ")
            display.say_soon("ending after this step")
            sys.stderr.write("a line\n")
        lines = terminal.wait_for(lambda lines: len(lines) == 3)
        assert lines[:2] == ["half of a line", "ending after this step"]
        display.say_soon("and once more")
    assert terminal.shown() == ["half of a line", "ending after this step", "and once more"]


def test_what_is_closed_last_leaves_the_terminal_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch, rows=8)
    display = Display()
    display.bar("a run", 600, "step")
    display.doing("importing")
    assert len(terminal.shown()) == 2
    display.close()
    assert terminal.shown() == []
    with display.note("there again"):
        assert terminal.shown() == ["there again"]


def test_a_closed_terminal_ends_nothing_but_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch)
    display = Display()
    with display.bar("a run", 600, "step") as bar:
        terminal.close()
        wait_until(lambda: display._screen is None, "it is noticed")
        bar.update()
    assert bar.done == 1
    assert not display.bar("another", 600, "step").on_screen


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("RANK", "1")])
def test_where_nothing_can_be_drawn(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch)
    monkeypatch.setenv(name, value)
    display = Display()
    with display.bar("a run", 600, "step") as bar:
        bar.update()
        display.say("a line")
        assert not bar.on_screen
    assert terminal.shown() == ["a line"]


@pytest.mark.parametrize("no_color", ["1", ""])
def test_colours_can_be_left_out(no_color: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_as_stderr(monkeypatch)
    monkeypatch.setenv("NO_COLOR", no_color)
    with Display().bar("a run", 600, "step"):
        (line,) = terminal.shown()
    assert line.endswith(" step 0 of 600")
    assert ("\x1b[3" in terminal.read) == (no_color == "")


def test_off_a_terminal_lines_are_all(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    display = Display()
    with display.bar("a run", 600, "step") as bar, display.doing("importing") as note:
        display.say("a line")
        bar.update()
    assert (bar.done, bar.on_screen, note.on_screen) == (1, False, False)
    assert stream.getvalue() == "a line\n"


def test_another_process_s_bars_are_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    display = Display()
    display.leave_to_another()
    with display.bar("a run", 600, "step") as bar:
        assert bar.on_screen
    assert stream.getvalue() == ""


def say_and_show() -> None:
    with DISPLAY.bar("of a forked process", 3, "image") as bar:
        DISPLAY.say("a line")
        assert not bar.on_screen


def test_forked_processes_neither_draw_nor_wait_for_who_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal_as_stderr(monkeypatch, rows=8)
    fork = multiprocessing.get_context("fork")
    with DISPLAY.bar("a run", 600, "step"):
        for _ in range(20):  # in any state of the thread that draws
            process = fork.Process(target=say_and_show)
            process.start()
            process.join(60)
            assert process.exitcode == 0


def test_rich_is_imported_for_a_terminal_alone() -> None:
    code = """
import sys
from boxseg.progress_display.display import DISPLAY
from experiments.run.logs import set_up_logging

set_up_logging()
with DISPLAY.bar("a run", 600, "step") as bar:
    bar.update()
    DISPLAY.say("a line")
assert not [name for name in sys.modules if name.split(".")[0] in ("rich", "torch")]
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stderr == "a line\n"
