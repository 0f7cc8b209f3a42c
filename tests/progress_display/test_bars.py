"""What is told of something that is being done."""

from __future__ import annotations

import pytest

from boxseg.progress_display.bars import Bar, Note, Shown, two_digits


def test_a_bar_that_goes_on_in_the_middle() -> None:
    bar = Bar("a run", 600, "step", 300)
    assert (bar.count_text(), bar.pace_text(), bar.left_text()) == ("step 300 of 600", "", "")
    bar.update()
    bar.update(2)
    bar.moved = bar.began + 6.0  # three steps since it went on
    assert (bar.count_text(), bar.pace_text()) == ("step 303 of 600", "2 s/step")
    assert bar.left_text().endswith(" left")


def test_time_left_passes_between_steps() -> None:
    bar = Bar("a run", 10, "step")
    bar.update(4)
    bar.began = bar.moved - 4000.0
    assert bar.left_text() == "1 h 40 min left"
    bar.began -= 1800.0
    bar.moved -= 1800.0
    assert bar.left_text() == "1 h 10 min left"
    bar.moved -= 1e6
    assert bar.left_text() == "0 s left"
    bar.update(6)
    assert bar.left_text() == ""


def test_what_others_measured_comes_first() -> None:
    bar = Bar("a run", 10, "image", 4)
    bar.update()
    bar.seconds_each, bar.seconds_left = 0.004, 7200.0
    assert (bar.pace_text(), bar.left_text()) == ("250 images/s", "2 h 0 min left")


@pytest.mark.parametrize(
    ("number", "text"), [(0.4213, "0.42"), (1.0, "1"), (3.14, "3.1"), (41.9, "42"), (1234, "1200")]
)
def test_two_digits(number: float, text: str) -> None:
    assert two_digits(number) == text


def test_a_note_with_its_seconds() -> None:
    assert Note("all is well").line() == "all is well"
    assert Note("importing", timed=True).line() == "importing, 0 s so far"


def test_it_is_closed_once() -> None:
    closed: list[Shown] = []
    with Note("importing") as note:
        note.on_close = closed.append
    note.close()
    assert closed == [note]
