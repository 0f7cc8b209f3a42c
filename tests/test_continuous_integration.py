"""`.ci/run` and its time, with commands in the place of `make` that take seconds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PROGRAMS = ("slurmctld", "munged", "chromium", "pdflatex")  # there: nothing is to be installed


def ci(folder: Path, limit: int, **commands: str) -> tuple[int, list[str], float]:
    """Run it where `make TARGET` is a shell command: status, lines printed, seconds it took."""
    script, programs = folder / ".ci" / "run", folder / "bin"
    script.parent.mkdir()
    programs.mkdir()
    shutil.copy(REPOSITORY / ".ci" / "run", script)
    cases = "".join(f"{name.replace('_', '-')}) {what} ;;\n" for name, what in commands.items())
    for name in PROGRAMS:
        (programs / name).write_text("#!/bin/sh\n")
    # The target comes after --no-print-directory.
    (programs / "make").write_text(f'#!/bin/sh\necho "made $2"\ncase $2 in\n{cases}esac\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    started = time.monotonic()
    done = subprocess.run(
        [script],
        env=os.environ | {"PATH": path, "CI_SECONDS": str(limit)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout.splitlines(), time.monotonic() - started


def assert_stopped_within(limit: int, line: str, seconds: float) -> None:
    """As the last line says; they would have taken a minute, were the machine as busy as can be."""
    said = re.search(r"the slow tests were stopped after (\d+) seconds, none had failed\.$", line)
    assert said is not None, line
    assert int(said[1]) <= limit
    assert int(said[1]) < seconds < 50


def test_all_passes(tmp_path: Path) -> None:
    status, lines, _ = ci(tmp_path, 100)
    assert status == 0
    assert lines[:-1] == ["made setup", "made lint", "made test", "made test-slow"]
    assert lines[-1].startswith("CI: set-up, lint and the fast tests passed in 0 minutes; the slow")
    assert "the slow tests passed" in lines[-1]


def test_slow_tests_are_stopped_in_time(tmp_path: Path) -> None:
    # Of 6 seconds 2 x (6 // 50 + 1) = 2 are kept back; an interrupted test ends by itself.
    status, lines, seconds = ci(tmp_path, 6, test_slow="trap 'exit 2' INT; sleep 60")
    assert status == 0
    assert_stopped_within(4, lines[-1], seconds)


def test_slow_tests_that_do_not_listen_are_killed(tmp_path: Path) -> None:
    deaf = "trap '' INT TERM; sleep 60 & sleep 60"
    status, lines, seconds = ci(tmp_path, 5, test_slow=deaf)
    assert status == 0
    assert_stopped_within(3, lines[-1], seconds)


def test_no_time_is_left(tmp_path: Path) -> None:
    status, lines, _ = ci(tmp_path, 3, test="sleep 2")
    assert status == 0
    assert "made test-slow" not in lines
    assert lines[-1].endswith("that left no time for the slow tests.")


@pytest.mark.parametrize("target", ["setup", "lint", "test", "test_slow"])
def test_the_first_failure_is_the_end(tmp_path: Path, target: str) -> None:
    status, lines, _ = ci(tmp_path, 100, **{target: "exit 3"})
    assert status == 3
    name = target.replace("_", "-")
    assert lines[-2:] == [
        f"made {name}",
        f'CI: failed with status 3 in "make {name}", 0 minutes after the start.',
    ]
