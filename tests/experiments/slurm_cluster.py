"""A Slurm of one node, for the tests that need a real one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SCRIPT = REPOSITORY / "tools" / "slurm-single-node.sh"


class Cluster:
    """A running cluster; Slurm's commands speak to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def restart_slurmd(self) -> None:
        """As after a node's hiccup; its jobs live on."""
        subprocess.run([SCRIPT, "restart", self.folder], check=True)

    def tasks(self) -> dict[str, str]:
        """Every task that waits or is at work, and its state."""
        lines = run("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def wait_until_empty(self) -> None:
        """Until no task waits or is at work."""
        wait_until(lambda: not self.tasks(), "the queue is empty")


def run(*command: str) -> str:
    """The output of a command of Slurm's."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_until(condition: Callable[[], object], what: str, seconds: float = 600) -> None:
    """Until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:.0f} seconds: {what}"
        time.sleep(0.02)


@contextlib.contextmanager
def sbatch_replaced(folder: Path, script: str) -> Iterator[None]:
    """Put a shell script in sbatch's place, in which REAL calls the real one."""
    real = run("which", "sbatch").strip()
    folder.mkdir()
    (folder / "sbatch").write_text("#!/bin/sh\n" + script.replace("REAL", f'{real} "$@"'))
    (folder / "sbatch").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield


def started(max_array_size: int, kill_wait: int = 3) -> Iterator[Cluster]:
    """Start a cluster, and end it with all its jobs; skips where that cannot be.

    Args:
        max_array_size: Slurm's MaxArraySize.
        kill_wait: its KillWait, seconds from telling a job to terminate to killing it.
    """
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    for program in ("munged", "slurmctld", "slurmd", "sbatch"):
        if shutil.which(program, path=path) is None:
            pytest.skip(f"no Slurm: {program} is not installed (Debian: slurm-wlm, munge)")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # a socket's path has to be short
    settings = {"MAX_ARRAY_SIZE": str(max_array_size), "KILL_WAIT": str(kill_wait)}
    environment = os.environ | settings
    begun = subprocess.run(
        [SCRIPT, "start", folder], env=environment, capture_output=True, text=True, check=False
    )
    try:
        if begun.returncode != 0:
            pytest.skip(f"no Slurm: {begun.stderr.strip()}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            yield Cluster(folder)
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
