"""Pieces of Markdown that keep any text in its place."""

from __future__ import annotations

from collections.abc import Sequence


def text(words: str) -> str:
    """Keep text on its line, inside its cell, and free of markup that it did not mean."""
    for special in "\\|<*`[":
        words = words.replace(special, f"\\{special}")
    return " ".join(words.split())


def code(words: str) -> str:
    """Set text as code, on one line."""
    return f"`{' '.join(words.replace('`', '').split())}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Write the lines of a table; columns whose places are in `left` are set to the left."""
    rule = "".join(":---|" if place in left else "---:|" for place in range(len(head)))
    return [_line(head), f"|{rule}", *map(_line, rows)]


def section(title: str, items: Sequence[str]) -> list[str]:
    """Write a list below its title, or nothing without items; items are Markdown already."""
    return ["", f"{title}:", "", *(f"- {item}" for item in items)] if items else []


def _line(parts: Sequence[str]) -> str:
    return "| " + " | ".join(text(part) for part in parts) + " |"
