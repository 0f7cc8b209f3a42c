"""Who works in a run's directory, and what is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from boxseg.engine.lock import beating, beats
from boxseg.engine.run_directory import RunDirectory
from boxseg.errors import InputError
from tests.file_size_limit import file_size_limit

HOLD = """
import fcntl, sys
lock = open(sys.argv[1], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held_by_another_process(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_who_works_there_is_recorded_while_it_works(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "runs" / "a")
    with directory.occupied():
        running = json.loads(directory.running.read_text())
        assert running["pid"] == os.getpid()
        assert datetime.fromisoformat(running["started"]).tzinfo is not None
    assert not directory.running.exists()
    assert not directory.failed.exists()


def test_another_process_keeps_us_out_until_it_ends(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a")
    with directory.occupied():
        pass
    with held_by_another_process(tmp_path / "a" / ".lock") as process:
        refused = pytest.raises(InputError, match=r"^another process is at work in .*/a; wait for")
        with refused, directory.occupied():
            raise AssertionError("let in")
        assert not directory.running.exists()
        process.kill()  # as a crash would end it: nothing is cleaned up
        process.wait()
        with directory.occupied():
            pass


def test_what_ends_in_an_error_says_so_until_the_next_try(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a")
    with pytest.raises(RuntimeError), directory.occupied():
        raise RuntimeError("the loss became nan")
    failed = json.loads(directory.failed.read_text())
    assert failed["error"] == "the loss became nan"
    assert datetime.fromisoformat(failed["time"]).tzinfo is not None
    assert not directory.running.exists()
    with pytest.raises(KeyError), directory.occupied():
        assert not directory.failed.exists()
        raise KeyError
    assert json.loads(directory.failed.read_text())["error"] == "KeyError"
    with directory.occupied():
        pass
    assert not directory.failed.exists()


def test_an_interruption_is_no_failure(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt), directory.occupied():
        raise KeyboardInterrupt
    assert not directory.failed.exists()
    assert not directory.running.exists()


def test_a_full_disk_does_not_hide_the_reason(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a")
    failed = pytest.raises(RuntimeError, match="the reason")
    with contextlib.ExitStack() as full, failed, directory.occupied():
        full.enter_context(file_size_limit(0))
        raise RuntimeError("the reason")
    assert not directory.failed.exists()


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_place_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(InputError, match=r"^cannot write in run directory .*; choose another")
    with refused, RunDirectory(tmp_path / place).occupied():
        raise AssertionError("let in")


def test_a_directory_belongs_to_one_configuration(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a")
    assert not directory.belongs_to_another("aaa")
    directory.write_config("seed: 7\n", "000")  # refused, say, for a word that was wrong
    assert not directory.belongs_to_another("aaa")
    assert directory.move_aside_if_of_another("aaa") is None
    directory.write_config("seed: 0\n", "aaa")
    assert not directory.belongs_to_another("aaa")
    directory.checkpoint.write_bytes(b"work")
    assert not directory.belongs_to_another("aaa")
    directory.write_config("seed: 0\nworkers: 2\n", "aaa")  # what does not count may change
    assert directory.config.read_text() == "seed: 0\nworkers: 2\n"
    assert directory.belongs_to_another("bbb")
    with pytest.raises(InputError, match=r"holds a run of another configuration \(see .*yaml\)"):
        directory.write_config("seed: 1\n", "bbb")
    assert directory.config.read_text() == "seed: 0\nworkers: 2\n"


def test_another_configuration_s_run_is_kept_aside(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "seed0")
    assert directory.move_aside_if_of_another("aaa") is None
    for number, expected in enumerate(("seed0-aaaaaaaa", "seed0-aaaaaaaa-2", "seed0-aaaaaaaa-3")):
        directory.write_config("seed: 0\n", "a" * 64)
        directory.result.write_text(str(number))
        assert directory.move_aside_if_of_another("a" * 64) is None
        moved = directory.move_aside_if_of_another("b" * 64)
        assert moved == tmp_path / f".{expected}"
        assert (moved / "result.json").read_text() == str(number)
        assert not directory.path.exists()


def test_a_directory_at_work_is_not_moved_away(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "seed0")
    directory.write_config("seed: 0\n", "a" * 64)
    directory.checkpoint.write_bytes(b"work")
    refused = pytest.raises(InputError, match="another process is at work in")
    with held_by_another_process(tmp_path / "seed0" / ".lock"), refused:
        directory.move_aside_if_of_another("b" * 64)
    assert directory.config.exists()


def test_a_result_counts_for_its_own_configuration(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    assert directory.finished_result("aaa") is None
    directory.result.write_text('{"config_sha256": "aaa", "metrics": {}}')
    assert directory.finished_result("aaa") == {"config_sha256": "aaa", "metrics": {}}
    assert directory.finished_result("bbb") is None
    directory.result.write_text("[]")
    assert directory.finished_result("aaa") is None
    directory.result.write_text('{"config_sha')
    with pytest.raises(InputError, match=r"result\.json is not valid JSON"):
        directory.finished_result("aaa")


def left_by(directory: RunDirectory, host: str) -> None:
    directory.path.mkdir()
    directory.running.write_text(json.dumps({"pid": 1, "host": host, "started": "2026-11-22"}))


def test_a_machine_whose_locks_do_not_reach_here_is_known_by_its_signs_of_life(
    tmp_path: Path,
) -> None:
    directory = RunDirectory(tmp_path / "a", beat=0.2)
    left_by(directory, "another-machine")
    refused = pytest.raises(InputError, match="another process is at work in")
    with beating(directory.running, 0.2), refused, directory.occupied():
        raise AssertionError("let in")
    with directory.occupied():  # it gives none any more
        assert json.loads(directory.running.read_text())["host"] == platform.node()
    with directory.occupied():
        pass


def test_who_works_there_gives_signs_of_life(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a", beat=0.05)
    with directory.occupied():
        assert beats(directory.running, 10)


def test_the_job_is_on_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = RunDirectory(tmp_path / "a")
    jobs = []
    for environment in ({}, {"SLURM_JOB_ID": "15"}, {"SLURM_ARRAY_JOB_ID": "12"}):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
        with directory.occupied():
            jobs.append(json.loads(directory.running.read_text())["job"])
    assert jobs == [None, "15", "12_3"]


def test_waiting_until_it_is_free(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "a")
    directory.wait_until_free(0)  # there is no such directory
    with directory.occupied():
        pass
    with held_by_another_process(tmp_path / "a" / ".lock") as process:
        directory.wait_until_free(0.1)
        refused = pytest.raises(InputError, match="another process is at work")
        with refused, directory.occupied():
            raise AssertionError("let in")
        threading.Timer(0.5, process.kill).start()
        directory.wait_until_free(60)
        with directory.occupied():
            pass
