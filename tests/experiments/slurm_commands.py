"""Stand-ins for Slurm's commands, for what a real Slurm of one node cannot be made to say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boxseg.files import write_text_atomically


class Commands:
    """A folder of programs at the head of PATH; each call of one is noted.

    Args:
        folder: to make.
        patch: by which PATH is changed.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.folder = folder
        self.calls_file = folder / "calls"
        self.calls_file.touch()
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        for name in ("sacct", "sacctmgr", "squeue", "scontrol", "sinfo", "sbatch", "scancel"):
            self.fails(name, "there is no such cluster")

    def says(self, name: str, *lines: str) -> None:
        """Let a command print these lines."""
        answer = self.folder / f"{name}.answer"
        write_text_atomically(answer, "".join(f"{line}\n" for line in lines))
        self._write(name, f"cat '{answer}'")

    def fails(self, name: str, complaint: str) -> None:
        """Let a command fail."""
        self._write(name, f"echo '{name}: error: {complaint}' >&2; exit 1")

    def _write(self, name: str, does: str) -> None:
        file = self.folder / name
        file.write_text(f"#!/bin/sh\necho \"{name} $*\" >>'{self.calls_file}'\n{does}\n")
        file.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """Every call with its arguments, in order."""
        return self.calls_file.read_text().splitlines()
