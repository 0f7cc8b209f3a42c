"""One process at a time, on whatever file system."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from boxseg.engine.lock import HeldError, beating, beats, locked

HOLD = """
import sys, time
from pathlib import Path
from boxseg.engine.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holder(file: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_refused_or_waited_for(tmp_path: Path) -> None:
    with holder(tmp_path / "lock", 1.0):
        with pytest.raises(HeldError), locked(tmp_path / "lock"):
            raise AssertionError("let in")
        with locked(tmp_path / "lock", patience=60):
            pass


def test_a_lock_goes_with_its_killed_holder(tmp_path: Path) -> None:
    with holder(tmp_path / "lock", 60) as process:
        process.kill()
        process.wait()
        with locked(tmp_path / "lock"):
            pass


def test_a_child_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock") as descriptor:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(descriptor,))
    try:
        with pytest.raises(HeldError), locked(tmp_path / "lock"):
            raise AssertionError("let in")
    finally:
        child.kill()
        child.wait()
    with locked(tmp_path / "lock"):
        pass


def test_signs_of_life(tmp_path: Path) -> None:
    file = tmp_path / "running.json"
    assert not beats(file, 0.1)  # there is none
    file.write_text("{}")
    assert not beats(file, 0.3)
    with beating(file, 0.05):
        assert beats(file, 10)
    before = file.stat().st_mtime_ns
    time.sleep(0.2)
    assert file.stat().st_mtime_ns == before
    assert "sign of life" not in [thread.name for thread in threading.enumerate()]


def test_signs_of_life_end_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "running.json"
    file.write_text("{}")
    with beating(file, 0.02):
        file.unlink()
        time.sleep(0.1)
    assert not file.exists()
