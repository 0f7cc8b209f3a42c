"""JSON lines of numbers by step: appended, forgotten, and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from boxseg.engine.step_log import TAIL, StepLog
from boxseg.errors import InputError


def test_lines_are_appended_and_read(tmp_path: Path) -> None:
    log = StepLog(tmp_path / "log.jsonl")
    assert (log.lines(), log.last()) == ([], {})
    log.write(10, {"loss": 2.5, "segm/AP": None})
    log.write(20, {"loss": 1.5})
    assert log.file.read_text().splitlines()[0] == (
        '{"iteration": 10, "loss": 2.5, "segm/AP": null}'
    )
    assert [line["iteration"] for line in log.lines()] == [10, 20]
    assert log.lines()[0]["segm/AP"] is None
    assert log.last() == {"iteration": 20, "loss": 1.5}


def test_the_last_whole_line(tmp_path: Path) -> None:
    log = StepLog(tmp_path / "log.jsonl")
    for step in range(3 * TAIL // 1000):
        log.write(step, {"loss": 0.5, "filling" + "x" * 1000: 1.0})
    last = log.last()
    with log.file.open("a") as file:
        file.write('{"iteration": 1000, "lo')  # being written
    assert log.last() == last
    assert last["iteration"] == 3 * TAIL // 1000 - 1
    assert len(log.lines()) == 3 * TAIL // 1000


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*: No such file.*; free the disk or"):
        StepLog(tmp_path / "absent" / "log.jsonl").write(1, {})


def test_forgetting_what_will_be_done_again(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    whole = "".join(f'{{"iteration": {n}, "total_loss": {n / 10}}}\n' for n in range(1, 6))
    file.write_text(whole + '{"iteration": 6, "total_lo')
    StepLog(file).forget_after(6)
    assert file.read_text() == whole  # only the torn line is gone
    StepLog(file).forget_after(3)
    assert file.read_text() == "".join(whole.splitlines(keepends=True)[:3])
    StepLog(file).forget_after(0)
    assert file.read_text() == ""


@pytest.mark.parametrize(
    "odd", ["", "null", "[1]", '"text"', "{}", '{"iteration": "2"}', '{"iteration": null}', "\0\0"]
)
def test_forgetting_lines_of_another_kind(tmp_path: Path, odd: str) -> None:
    file = tmp_path / "metrics.jsonl"
    good = '{"iteration": 1}\n'
    file.write_text(good + odd + "\n")
    StepLog(file).forget_after(5)
    assert file.read_text() == good


def test_forgetting_needs_no_file(tmp_path: Path) -> None:
    StepLog(tmp_path / "metrics.jsonl").forget_after(0)
    assert list(tmp_path.iterdir()) == []
