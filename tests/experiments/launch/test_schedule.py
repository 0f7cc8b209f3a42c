"""The order of runs, their threads, and the time left, from estimates alone."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from experiments.launch.cost import work
from experiments.launch.runs import expand
from experiments.launch.schedule import (
    Begun,
    Timetable,
    longest_first,
    seconds_left,
    summary,
    threads_of_next,
)
from experiments.launch.tables import definitions
from tests.conftest import REPOSITORY


def makespan(seconds: Sequence[float], jobs: int) -> float:
    """When the last run ends, if each place takes the next one as it becomes free."""
    ends = [0.0] * jobs
    for one in seconds:
        heapq.heapreplace(ends, ends[0] + one)
    return max(ends)


def test_the_longest_comes_first_and_equals_keep_their_order() -> None:
    assert longest_first(["b1", "a3", "c3", "d2"], lambda name: float(name[1])) == [
        "a3",
        "c3",
        "d2",
        "b1",
    ]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_table_3_keeps_two_cores_busy_to_the_end(seed: int, tmp_path: Path) -> None:
    runs = expand(definitions(["table3"])[0], "mini", 1, tmp_path)
    order = longest_first(runs, lambda run: work(run.of_cell))
    assert [run.cell.column for run in order] == ["3x"] * 4 + ["1x"] * 4
    recorded = REPOSITORY / "reports" / "results" / "mini" / "table3"

    def took(row: str, column: str) -> float:
        file = recorded / row / column / f"seed{seed}" / "result.json"
        return float(json.loads(file.read_text())["seconds"])

    seconds = [took(run.cell.row, run.cell.column) for run in order]
    assert makespan(seconds, 2) <= 1.15 * sum(seconds) / 2


def test_threads_are_the_share_of_idle_cores() -> None:
    assert threads_of_next(8, [], 4) == 2
    assert threads_of_next(8, [2, 2], 1) == 4  # two places stay empty
    assert threads_of_next(8, [], 1) == 8  # alone
    assert threads_of_next(5, [2], 1) == 3  # nothing is left over
    assert threads_of_next(2, [1, 1], 3) == 1  # more runs than cores
    assert threads_of_next(2, [4], 1) == 1


def test_nothing_is_known_before_a_step() -> None:
    assert seconds_left([], [1.0, 2.0], 2) is None
    assert seconds_left([Begun(1.0, 0.0, 0.0, 30.0)], [1.0], 2) is None
    # What an earlier call did was not timed in this one.
    assert seconds_left([Begun(1.0, 0.5, 0.5, 30.0)], [1.0], 2) is None


def test_time_left_by_hand() -> None:
    # Half of it took 60 s.
    assert seconds_left([Begun(3.0, 0.0, 0.5, 60.0)], [], 2) == 60
    # Resumed at 0.4: a fifth of it took 60 s, two fifths are left.
    assert seconds_left([Begun(3.0, 0.4, 0.6, 60.0)], [], 2) == pytest.approx(120)
    # One done at 10 s a unit, one at work at 20 s a unit: 40 units took 500 s, 12.5 s a unit.
    begun = [Begun(30.0, 0.0, 1.0, 300.0), Begun(20.0, 0.0, 0.5, 200.0)]
    # The free place takes the first at once (125 s), then the second (50 s); the other has 200 s.
    assert seconds_left(begun, [10.0, 4.0], 2) == 200
    assert seconds_left(begun, [10.0, 8.0], 2) == 225
    # One that has not told its speed yet goes at the others'.
    assert seconds_left([begun[0], Begun(5.0, 0.0, 0.0, 7.0)], [], 2) == 50
    assert seconds_left([begun[0]], [], 2) == 0


def test_runs_that_ended_are_no_longer_waited_for() -> None:
    timetable = Timetable({"a": 3.0, "b": 3.0, "c": 1.0, "d": 1.0})
    assert timetable.seconds_left({}, 2) is None
    a, b = Begun(3.0, 0.0, 0.5, 60.0), Begun(3.0, 0.0, 0.25, 30.0)
    # 40 s a unit: a has 60 s left and b 90; then c takes 40 s from 60 on, and d from 90 on.
    assert timetable.seconds_left({"a": a, "b": b}, 2) == 130
    timetable.end("a", Begun(3.0, 0.0, 1.0, 120.0))
    timetable.end("b", None)  # failed, and is not tried again
    assert timetable.timed == 1
    assert timetable.seconds_left({}, 2) == 40
    assert timetable.seconds_left({"c": Begun(1.0, 0.0, 0.75, 30.0)}, 2) == 40
    timetable.end("c", Begun(1.0, 0.0, 1.0, 40.0))
    assert timetable.seconds_left({"d": Begun(1.0, 0.0, 0.5, 20.0)}, 2) == 20
    timetable.end("d", Begun(1.0, 0.0, 1.0, 40.0))
    assert timetable.seconds_left({}, 2) == 0


def test_one_line_for_the_whole() -> None:
    assert summary(7, 0, 8, 240.0) == "7 of 8 runs done, 4 min left in all"
    assert summary(6, 1, 8, 29.0) == "6 of 8 runs done, 1 failed, less than a minute left in all"
    assert summary(0, 0, 48, 7500.0) == "0 of 48 runs done, 2 h 05 min left in all"
    assert summary(0, 0, 8, None) == "0 of 8 runs done"
    assert summary(7, 1, 8, 0.0) == "7 of 8 runs done, 1 failed"
