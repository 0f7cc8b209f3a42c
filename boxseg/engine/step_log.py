"""JSON lines of numbers by step: a run's `metrics.jsonl` and `evaluations.jsonl`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from boxseg.errors import InputError
from boxseg.files import write_text_atomically

TAIL = 1 << 16
"""Bytes at the end of a log that hold its last line."""

CRITERIA = {"segm/AP": "mask AP", "bbox/AP": "box AP"}
"""What decides which model is the best, and what does where the data have no masks to score with.
`evaluations.jsonl` has both by these names."""


class StepLog:
    """A file of JSON objects, one a line, each with its `iteration`; it need not be there yet.

    Args:
        file: `metrics.jsonl`, say.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, iteration: int, values: Mapping[str, float | None]) -> None:
        """Append a line.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            with self.file.open("a", encoding="utf-8") as log:
                log.write(json.dumps({"iteration": iteration, **values}) + "\n")
        except OSError as error:
            raise InputError(
                f"cannot write {self.file}: {error.strerror}; free the disk or choose a writable "
                "folder."
            ) from None

    def forget_after(self, iteration: int) -> None:
        """Drop the lines of steps that a resumed run will do again, and a torn last line."""
        if self.file.exists():
            kept = [text for text, line in self._sound() if line["iteration"] <= iteration]
            write_text_atomically(self.file, "".join(f"{text}\n" for text in kept))

    def lines(self) -> list[dict[str, Any]]:
        """What is in it, in its order; torn lines and those of another kind are left out."""
        return [line for _, line in self._sound()]

    def last(self) -> dict[str, float]:
        """The numbers of the last whole line, without reading the rest; none if there is none."""
        try:
            with self.file.open("rb") as file:
                file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
                *lines, _ = file.read().split(b"\n")  # the last one is being written
                found = dict(json.loads(lines[-1]))
        except (OSError, IndexError, TypeError, ValueError):
            return {}
        return {name: value for name, value in found.items() if type(value) in (int, float)}

    def _sound(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Lines as they are written, and what they hold."""
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return
        for one in text.splitlines():
            try:
                line = json.loads(one)
                step = line["iteration"]
            except (ValueError, KeyError, TypeError):
                continue
            if type(step) in (int, float):
                yield one, line
