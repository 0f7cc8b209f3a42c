"""The project's pages, and what is in them: code spans, fenced blocks, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/checkpoints.md",
    "docs/commands.md",
    "docs/data.md",
    "docs/extending.md",
    "docs/photographs.md",
    "docs/plug-in.md",
    "docs/set-up.md",
    "docs/slurm.md",
    "docs/systems.md",
    "notebooks/README.md",
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: its path in the repository.
        line: of the opening fence, from 1.
        language: the word after the fence; empty if there is none.
        text: what is between the fences.
    """

    page: str
    line: int
    language: str
    text: str


def text_of(page: str) -> str:
    """A page's Markdown."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found: list[Block] = []
    opened: tuple[int, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(text_of(page).splitlines(), start=1):
        fence = re.match(r"```(\S*)$", line)
        if fence is None:
            inside.append(line)
        elif opened is None:
            opened, inside = (number, fence[1]), []
        else:
            assert fence[1] == "", f"{page}:{number} opens a block within a block"
            found.append(Block(page, *opened, "".join(f"{row}\n" for row in inside)))
            opened = None
    assert opened is None, f"{page}: the block of line {opened} is not closed"
    return found


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def spans(page: str) -> Iterator[str]:
    """What stands between backticks in a page's prose, on one line each."""
    for span in re.findall(r"`([^`]+)`", prose(page)):
        yield " ".join(span.split())


def links(page: str) -> Iterator[str]:
    """Targets of a page's links and pictures."""
    yield from re.findall(r"\]\(([^)\s]+)\)", prose(page))
    yield from re.findall(r'src="([^"]+)"', prose(page))
