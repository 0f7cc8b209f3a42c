"""What whoever trains on a terminal sees, from the first second to the last line."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.experiments.command_line import losses
from tests.experiments.run.test_resume import step_of
from tests.terminal import Terminal

pytestmark = pytest.mark.slow  # processes import torch anew

ENDING = "ending after this step; a second Ctrl-C ends at once, unsaved"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal(columns=200)
    yield terminal
    terminal.close()


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "experiments.cli", *map(str, words)]


def step(lines: Sequence[str], title: str) -> int | None:
    """The step that a bar is at."""
    found = [re.search(rf"^{title} .* step (\d+) of ", line) for line in lines]
    return next((int(one[1]) for one in found if one is not None), None)


def assert_nothing_is_left(terminal: Terminal, lines: Sequence[str]) -> None:
    assert terminal.cursor_shown
    assert not [line for line in lines if "━" in line or line.endswith(" s so far")]


def test_a_run_to_its_end(terminal: Terminal, data_dir: Path, tmp_path: Path) -> None:
    words = ("scale=smoke", "threads=1", "images.iterations_1x=24", "evaluation_period=12")
    terminal.run(command("train", *words, f"run_dir={tmp_path}"), REPOSITORY)
    # Before torch is imported something is said already.
    (first,) = terminal.wait_for(lambda lines: lines)
    assert re.fullmatch(r"composing the configuration, \d s so far", first)
    terminal.wait_for(lambda lines: 0 < (step(lines, "train/boxinst-scenes/1x/seed0") or 0) < 24)
    code, lines = terminal.wait_for_end()
    assert code == 0, lines
    assert_nothing_is_left(terminal, lines)
    assert "evaluating val" in terminal.read
    assert lines[0] == "training data instances_train.json: 16 images, 93 boxes."
    assert lines[1].startswith("train/boxinst-scenes/1x/seed0: step 12: mask AP ")
    assert lines[-1] == f"{tmp_path}/result.json"


def test_an_interrupted_run_that_goes_on(
    terminal: Terminal, data_dir: Path, tmp_path: Path
) -> None:
    words = ("scale=smoke", "threads=1", "images.iterations_1x=100000", "checkpoint_period=100000")
    train, title = command("train", *words, f"run_dir={tmp_path}"), "train/boxinst-scenes/1x/seed0"
    terminal.run(train, REPOSITORY)
    terminal.wait_for(lambda lines: (step(lines, title) or 0) > 1)
    terminal.type("\x03")
    code, lines = terminal.wait_for_end()
    assert code == 130, lines
    assert_nothing_is_left(terminal, lines)
    assert ENDING in lines
    saved = step_of(tmp_path)
    assert f"saving at step {saved} because of SIGINT" in lines
    assert lines[-1] == "boxseg: interrupted; the same command goes on from what was saved."
    assert losses(tmp_path)[-1]["iteration"] == saved

    before = len(lines)
    process = terminal.run(train, REPOSITORY)
    first = step(terminal.wait_for(lambda lines: step(lines, title) is not None), title)
    assert first is not None
    assert first >= saved
    process.send_signal(signal.SIGTERM)
    code, lines = terminal.wait_for_end()
    assert code == -signal.SIGTERM
    assert_nothing_is_left(terminal, lines)
    assert f"resuming {tmp_path} at step {saved} of 100000" in lines[before:]


def test_runs_of_a_launch(terminal: Terminal, data_dir: Path, tmp_path: Path) -> None:
    words = ("--scale", "smoke", "--rows", "baseline", "--launcher", "local", "--jobs", "2")
    places = ("--runs", tmp_path / "runs", "--out", tmp_path / "out")
    launch = command("reproduce", "table3", *words, *places, "images.iterations_1x=100000")
    terminal.run(launch, REPOSITORY)
    titles = [f"table3/baseline/{column}/seed0" for column in ("3x", "1x")]
    lines = terminal.wait_for(lambda lines: all(step(lines, title) for title in titles))
    assert lines[0] == "2 runs, 2 at a time"
    assert lines[-1].startswith("0 of 2 runs done, ")
    assert sorted(line.split()[0] for line in lines[-3:-1]) == sorted(titles)
    terminal.type("\x03")
    code, lines = terminal.wait_for_end()
    assert code == 130, lines
    assert_nothing_is_left(terminal, lines)
    assert "ending after the steps at work; a second Ctrl-C ends at once, unsaved" in lines
    assert len([line for line in lines if line.startswith("saving at step ")]) == 2
    assert lines[-1] == "boxseg: interrupted; the same command goes on from what was saved."
