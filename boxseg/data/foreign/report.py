"""What an import left out, changed and could not read: counted, and named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_EXAMPLES = 3


class ImportReport:
    """Collects what befell the source's files and objects.

    Args:
        root: the source folder, which the names of its files are told without.

    Attributes:
        left_out: where something was left out, by the reason.
        changed: where something was taken otherwise than it stands there, by the reason.
        skipped: files that could not be used, and why.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.left_out: dict[str, list[str]] = {}
        self.changed: dict[str, list[str]] = {}
        self.skipped: dict[str, str] = {}

    def where(self, file: Path) -> str:
        """A file as messages name it: by its path below the source folder, if it lies there."""
        return file.relative_to(self.root).as_posix() if self.holds(file) else os.fspath(file)

    def holds(self, file: Path) -> bool:
        """Whether a file lies in the source folder."""
        return file.is_relative_to(self.root)

    def leave_out(self, reason: str, where: str) -> None:
        """Count what is not imported; `reason` is a plural, such as "objects of no class"."""
        self.left_out.setdefault(reason, []).append(where)

    def change(self, reason: str, where: str) -> None:
        """Count what is imported with a change; `reason` likewise."""
        self.changed.setdefault(reason, []).append(where)

    def skip(self, file: Path | str, reason: object) -> None:
        """Name a file that cannot be used; `reason` is read after its name."""
        name = file if isinstance(file, str) else self.where(file)
        self.skipped[name] = (
            f"{self.skipped[name]}, and {reason}" if name in self.skipped else str(reason)
        )

    def lines(self) -> Iterator[str]:
        """What was left out and changed, a line for each reason, with the first few places."""
        for verb, found in (("left out", self.left_out), ("changed", self.changed)):
            for reason, places in found.items():
                more = ", ..." if len(places) > _EXAMPLES else ""
                yield _printable(
                    f"{verb}: {reason}: {len(places)} ({', '.join(places[:_EXAMPLES])}{more})."
                )

    def complaints(self) -> Iterator[str]:
        """A sentence for each file that was skipped."""
        for name, reason in self.skipped.items():
            yield _printable(f"{name} {reason}; it is skipped.")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
