"""The commands that the pages print."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.docs.pages import blocks

PROGRAMS = ("boxseg", "make", "python", "pip", "uv", "srun", "torchrun", "export", "source", "sh")
"""What a printed command may begin with; those of `.venv/bin/` count by their names."""


@dataclass(frozen=True)
class Command:
    """A command as a page prints it.

    Attributes:
        page: its path in the repository.
        line: as printed, on one line and without its comment.
    """

    page: str
    line: str

    @property
    def program(self) -> str:
        """The name of what is run, without its folder."""
        return self._all[0].removeprefix(".venv/bin/")

    @property
    def words(self) -> list[str]:
        """What it is given."""
        return self._all[1:]

    @property
    def _all(self) -> list[str]:
        return shlex.split(self.line, comments=True)

    def __str__(self) -> str:
        return self.line


def commands(page: str) -> list[Command]:
    """The commands in a page's blocks of shell, in their order."""
    found = []
    for block in blocks(page):
        if block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                words = " ".join(re.sub(r"\s+#\s.*$", "", line).split())
                if words:
                    found.append(Command(page, words))
    return found
