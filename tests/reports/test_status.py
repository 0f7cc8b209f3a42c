from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reports.definition import TableDefinition
from reports.formats.plain_text import render_status
from reports.status import RunKey, State, is_alive, read_status, read_statuses

PLACE = "mini/table3/baseline/1x/seed0"


@pytest.fixture
def folder(runs: Path) -> Path:
    folder = runs / PLACE
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def write_running(folder: Path, **changes: Any) -> None:
    content = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": datetime.now(UTC).isoformat(),
    }
    (folder / "running.json").write_text(json.dumps({**content, **changes}))


def write_failed(folder: Path, error: str = "the loss is NaN at step 40.") -> None:
    content = {"error": error, "time": "2026-11-22T20:36:00+00:00"}
    (folder / "failed.json").write_text(json.dumps(content))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_no_folder_is_not_run(runs: Path) -> None:
    status = read_status(runs, PLACE)
    assert (status.state, status.reason, status.log) == (State.MISSING, "", None)


def test_result_is_done_whatever_else_lies_there(runs: Path, put_result: Any) -> None:
    folder = put_result().parent
    write_failed(folder)
    write_running(folder)
    assert read_status(runs, PLACE).state is State.DONE


def test_truncated_result_is_not_done(runs: Path, put_result: Any) -> None:
    put_result().write_text('{"schema": 1')
    status = read_status(runs, PLACE)
    assert status.state is State.REFUSED
    assert status.reason == "result.json: truncated or not JSON"


def test_failure_gives_its_sentence_and_log(runs: Path, folder: Path) -> None:
    write_failed(folder, "the loss is NaN\nat step 40.")
    (folder / "checkpoint.pt").touch()
    (folder / "log.txt").touch()
    status = read_status(runs, PLACE)
    assert status.state is State.FAILED
    assert status.reason == "the loss is NaN at step 40."
    assert status.log == f"{PLACE}/log.txt"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_divergence_is_told_from_other_failures(runs: Path, folder: Path, value: float) -> None:
    from boxseg.engine.trainer import DivergedError, _refuse_nonfinite

    with pytest.raises(DivergedError) as error:
        _refuse_nonfinite("loss_mask", value, 240)
    # As `experiments.run.training` completes the sentence.
    write_failed(folder, f"{error.value}; last good checkpoint: none was saved yet")
    assert read_status(runs, PLACE).diverged
    write_failed(folder, "no disk space left at step 240")
    status = read_status(runs, PLACE)
    assert (status.state, status.diverged) == (State.FAILED, False)


def test_unreadable_failure_is_still_a_failure(runs: Path, folder: Path) -> None:
    (folder / "failed.json").write_text("{")
    status = read_status(runs, PLACE)
    assert (status.state, status.reason) == (State.FAILED, "its failed.json cannot be read")


def test_living_process_is_running_even_after_an_earlier_failure(runs: Path, folder: Path) -> None:
    write_failed(folder)
    write_running(folder)
    status = read_status(runs, PLACE)
    assert status.state is State.RUNNING
    assert f"process {os.getpid()} since " in status.reason


def test_dead_process_is_interrupted(runs: Path, folder: Path) -> None:
    write_running(folder, pid=dead_pid())
    status = read_status(runs, PLACE)
    assert (status.state, status.reason) == (State.INTERRUPTED, "before its first checkpoint")
    (folder / "checkpoint.pt").touch()
    status = read_status(runs, PLACE)
    assert (status.state, status.reason) == (State.INTERRUPTED, "resumes from its checkpoint")


def test_process_of_another_host_is_not_called_dead(runs: Path, folder: Path) -> None:
    write_running(folder, host="node7.cluster", pid=dead_pid())
    status = read_status(runs, PLACE)
    assert status.state is State.ELSEWHERE
    assert status.reason.startswith("on node7.cluster since ")


def test_killed_process_does_not_live_before_it_is_reaped(
    sleeper: subprocess.Popen[bytes],
) -> None:
    now = datetime.now(UTC)
    assert is_alive(sleeper.pid, now)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(sleeper.pid, now)


def test_reused_process_number_does_not_count(sleeper: subprocess.Popen[bytes]) -> None:
    assert not is_alive(sleeper.pid, datetime.now(UTC) - timedelta(hours=1))


def test_all_runs_of_available_rows_and_seeds_found_on_disk(
    runs: Path, put_result: Any, table3: TableDefinition
) -> None:
    put_result(seed=3)
    (runs / "mini/table3/baseline/1x/seedling").mkdir()
    statuses = read_statuses(runs, table3, "mini", seeds=[0, 1])
    assert {key: status.state.name for key, status in statuses.items()} == {
        RunKey("baseline", "1x", 0): "MISSING",
        RunKey("baseline", "1x", 1): "MISSING",
        RunKey("baseline", "1x", 3): "DONE",
        RunKey("baseline", "3x", 0): "MISSING",
        RunKey("baseline", "3x", 1): "MISSING",
    }


def test_status_of_a_root_that_does_not_exist(tmp_path: Path, table3: TableDefinition) -> None:
    statuses = read_statuses(tmp_path / "absent", table3, "mini")
    assert {status.state for status in statuses.values()} == {State.MISSING}


def test_rendered_status_names_every_row(
    runs: Path, put_result: Any, folder: Path, table3: TableDefinition
) -> None:
    put_result(column="3x")
    write_failed(folder)
    (folder / "log.txt").touch()
    lines = render_status(table3, read_statuses(runs, table3, "mini"), "mini").splitlines()
    assert lines[0] == "table3 (mini): BoxSeg against BoxTeacher"
    assert [line.split()[0] for line in lines[4:] if not line.startswith(" ")] == [
        "baseline",
        "baseline",
        "boxteacher",
        "qam",
        "qam-pc",
    ]
    assert lines[4].endswith(" failed  the loss is NaN at step 40;")
    assert lines[5] == f"    log: {PLACE}/log.txt", "the word and its path stay together"
    assert lines[6].split()[1:] == ["3x", "0", "done"]
    assert lines[7].endswith("not yet available  BoxTeacher is not built yet")


def test_a_thousand_runs_have_their_state_read_in_seconds(
    runs: Path, put_result: Any, table3: TableDefinition
) -> None:
    for seed in range(1000):
        put_result(seed=seed)
    start = time.perf_counter()
    statuses = read_statuses(runs, table3, "mini")
    seconds = time.perf_counter() - start
    assert sum(status.state is State.DONE for status in statuses.values()) == 1000
    assert seconds < 5.0
