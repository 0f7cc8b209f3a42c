"""A terminal, as far as the display uses one: what it shows of what is written to it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import pytest

_WRITTEN = re.compile(r"\x1b\[(?P<argument>[?\d;]*)(?P<command>[A-Za-z])|(?P<character>.)", re.S)


class Terminal:
    """A pseudo-terminal; lines that scroll off its top are kept.

    Attributes:
        stream: to write to it.
        cursor_shown: whether it is at the moment.
        read: all that was written, as far as it has been looked at.
    """

    def __init__(self, rows: int = 24, columns: int = 80) -> None:
        self.rows, self.columns = rows, columns
        self.ours, self.theirs = pty.openpty()
        termios.tcsetwinsize(self.theirs, (rows, columns))
        self.stream: TextIO = os.fdopen(os.dup(self.theirs), "w", encoding="utf-8")
        self.cursor_shown = True
        self.lines = [[" "] * columns]
        self.row = self.column = 0
        self.unread = b""
        self.process: subprocess.Popen[bytes] | None = None
        self.read = ""

    def run(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        """Start a process that this is the terminal of; a Ctrl-C typed here reaches it."""
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            env={**os.environ, **self.environment()},
            start_new_session=True,
            preexec_fn=self._be_controlling,
        )
        return self.process

    def type(self, characters: str) -> None:
        """As from its keyboard."""
        os.write(self.ours, characters.encode())

    def shown(self, seconds: float = 0.0) -> list[str]:
        """Its lines, without the empty ones at the end, after waiting for more to be written."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            if not select.select([self.ours], [], [], left)[0]:
                break
            self.unread += os.read(self.ours, 1 << 16)
        text = self.unread.decode(errors="ignore")
        self.unread = self.unread[len(text.encode()) :]
        self.read += text
        for written in _WRITTEN.finditer(text):
            self._take(written)
        lines = ["".join(line).rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def wait_for(self, condition: Callable[[list[str]], object], seconds: float = 600) -> list[str]:
        """Its lines as soon as the condition holds of them; the process goes on meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition(lines := self.shown(0.05)):
            ended = self.process is not None and self.process.poll() is not None
            assert not ended and time.monotonic() < deadline, "\n".join(lines)
        return lines

    def wait_for_end(self) -> tuple[int, list[str]]:
        """The process's exit code, and the lines that it leaves."""
        assert self.process is not None
        while self.process.poll() is None:
            self.shown(0.05)
        return self.process.returncode, self.shown()

    def close(self) -> None:
        """As if its window were closed; no process outlives it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for one in (self.ours, self.theirs):
            os.close(one)

    def environment(self) -> dict[str, str]:
        """What a process needs to know of it."""
        size = {"COLUMNS": str(self.columns), "LINES": str(self.rows)}
        return {"TERM": "xterm-256color", "NO_COLOR": "", **size}

    def _be_controlling(self) -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def _take(self, written: re.Match[str]) -> None:
        command, argument = written["command"], written["argument"]
        if command == "A":
            top = max(len(self.lines) - self.rows, 0)
            self.row = max(self.row - int(argument or 1), top)
        elif command == "K":
            first = 0 if argument == "2" else self.column
            self.lines[self.row][first:] = [" "] * (self.columns - first)
        elif command in ("h", "l"):
            assert argument == "?25", written[0]
            self.cursor_shown = command == "h"
        elif command == "m":
            pass
        else:
            assert command is None, written[0]
            self._put(written["character"])

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._next_row()
        else:
            assert character.isprintable(), repr(character)
            if self.column == self.columns:
                self.column = 0
                self._next_row()
            self.lines[self.row][self.column] = character
            self.column += 1

    def _next_row(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([" "] * self.columns)


def terminal_as_stderr(
    monkeypatch: pytest.MonkeyPatch, rows: int = 24, columns: int = 80
) -> Terminal:
    """One in place of this process's stderr; to be called by a test itself, after pytest's own."""
    terminal = Terminal(rows, columns)
    monkeypatch.setattr("sys.stderr", terminal.stream)
    monkeypatch.delenv("RANK", raising=False)
    for name, value in terminal.environment().items():
        monkeypatch.setenv(name, value)
    return terminal
